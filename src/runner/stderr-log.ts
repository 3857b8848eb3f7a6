/** Standard error: each line becomes a LogLine. */
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { LineLogger } from '../guest/kernel/resources/line-logger.ts';

export class StderrLog implements Resource {
  readonly scheme = 'stderr';
  readonly #log: (line: string) => void;
  /** Made at the first write: most guests have nothing to say here. */
  #lines: LineLogger | null = null;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  read(): number {
    return Errno.badDescriptor;
  }

  write(bytes: Uint8Array): number {
    this.#lines ??= new LineLogger(this.#log);
    this.#lines.write(bytes);
    return bytes.length;
  }

  flush(): number {
    return 0;
  }

  /** Writes the rest at the end of the Process: what has no newline is a line too. */
  close(): number {
    this.#lines?.finish();
    return 0;
  }
}

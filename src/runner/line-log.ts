/** Standard error, and standard output where it is no answer: each line becomes a LogLine. */
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { LineLogger } from '../guest/kernel/resources/line-logger.ts';

export class LineLog implements Resource {
  readonly #log: (line: string) => void;
  /** Made at the first write: most guests have nothing to say here. */
  #lines: LineLogger | null = null;

  /** Name under which bytes are accounted. */
  readonly scheme: 'stdout' | 'stderr';

  constructor(scheme: 'stdout' | 'stderr', log: (line: string) => void) {
    this.scheme = scheme;
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

/** Turns standard error, and standard output that is no answer, into LogLines. */
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { LineLogger } from '../guest/kernel/resources/line-logger.ts';

export class LineLog implements Resource {
  readonly #log: (line: string) => void;
  /** Made at the first write: most guests write nothing here. */
  #lines: LineLogger | null = null;

  /** Scheme under which bytes are counted. */
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

  /** Writes the rest at the end of the Process, as a line without newline. */
  close(): number {
    this.#lines?.finish();
    return 0;
  }
}

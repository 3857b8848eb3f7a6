/** Keeps what a start-up prints and logs, line by line, up to a number of lines. */
import { Errno } from '../kernel/errno.ts';
import type { Resource } from '../kernel/resource.ts';
import { LineLogger } from '../kernel/resources/line-logger.ts';

export class StartUpOutput {
  readonly lines: string[] = [];
  /** Lines that were not kept. */
  dropped = 0;
  readonly #limits: { readonly outputLines: number; readonly lineChars: number };
  readonly #open: LineLogger[] = [];

  constructor(limits: { readonly outputLines: number; readonly lineChars: number }) {
    this.#limits = limits;
  }

  line(text: string): void {
    if (this.lines.length >= this.#limits.outputLines) this.dropped += 1;
    else this.lines.push(text.length > this.#limits.lineChars ? `${text.slice(0, this.#limits.lineChars)}…` : text);
  }

  /** Returns a stream whose lines are kept. `scheme` is the name under which its bytes are accounted. */
  stream(scheme: 'stdout' | 'stderr'): Resource {
    const logger = new LineLogger((line) => this.line(line));
    this.#open.push(logger);
    return {
      scheme,
      read: () => Errno.badDescriptor,
      write: (bytes) => {
        logger.write(bytes);
        return bytes.length;
      },
      flush: () => 0,
      close: () => 0,
    };
  }

  /** Keeps what has no newline at its end as a line too. */
  finish(): void {
    for (const logger of this.#open) logger.finish();
  }
}

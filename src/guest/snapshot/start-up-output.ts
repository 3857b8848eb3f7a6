/** Keeps the output and log lines of a start-up, up to a maximum number of lines. */
import { Errno } from '../kernel/errno.ts';
import type { Resource } from '../kernel/resource.ts';
import { LineLogger } from '../kernel/resources/line-logger.ts';

export class StartUpOutput {
  readonly lines: string[] = [];
  /** Number of lines beyond the maximum, which were dropped. */
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

  /** Returns a stream that keeps written lines. `scheme` is the name under which its bytes are counted. */
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

  /** Keeps text without a newline at its end as a last line. */
  finish(): void {
    for (const logger of this.#open) logger.finish();
  }
}

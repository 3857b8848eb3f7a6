/** Splits written bytes into log lines: standard error and log:// share it. */
import { logLimits } from '../../../protocol/limits.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A line ends with \n or \r\n. Holds at most one line's limit: a longer line is kept up to that
 * and marked, the rest up to its newline is passed over.
 */
export class LineLogger {
  readonly #log: (line: string) => void;
  /** The line that has not ended yet; grows by doubling up to the limit. */
  #pending: Uint8Array = new Uint8Array(0);
  #length = 0;
  #isCut = false;

  /** `log` gets each line without its newline. */
  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** Takes all of `bytes`, copying what belongs to a line that has not ended. */
  write(bytes: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(newline, start);
      if (end < 0) break;
      if (this.#length === 0 && !this.#isCut) this.#emit(bytes.subarray(start, end), false);
      else {
        this.#keep(bytes.subarray(start, end));
        this.finish();
      }
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
  }

  /** Writes the line that has no newline, where there is one: at close and at the Process's end. */
  finish(): void {
    if (this.#length === 0 && !this.#isCut) return;
    this.#emit(this.#pending.subarray(0, this.#length), this.#isCut);
    this.#length = 0;
    this.#isCut = false;
  }

  #keep(bytes: Uint8Array): void {
    const room = logLimits.lineBytes - this.#length;
    const part = bytes.subarray(0, room);
    if (part.length < bytes.length) this.#isCut = true;
    const needed = this.#length + part.length;
    if (needed > this.#pending.length) {
      const larger = new Uint8Array(Math.min(logLimits.lineBytes, Math.max(256, needed * 2)));
      larger.set(this.#pending.subarray(0, this.#length));
      this.#pending = larger;
    }
    this.#pending.set(part, this.#length);
    this.#length = needed;
  }

  #emit(line: Uint8Array, isCut: boolean): void {
    const cut = isCut || line.length > logLimits.lineBytes;
    const bytes = line.subarray(0, logLimits.lineBytes);
    const end = !cut && bytes[bytes.length - 1] === carriageReturn ? bytes.length - 1 : bytes.length;
    const text = end === 0 ? '' : decoder.decode(bytes.subarray(0, end));
    this.#log(cut ? `${text}… (cut)` : text);
  }
}

/** Splits written bytes into log lines, for standard error and log://. */
import { logLimits } from '../../../protocol/limits.ts';
import { markedPiece } from '../log-pieces.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Calls `log` for each line, which ends with \n or \r\n. A line longer than logLimits.lineBytes is logged in marked
 * pieces as soon as each is full, so that at most one piece is held.
 */
export class LineLogger {
  readonly #log: (line: string) => void;
  /** Bytes of the piece that has not ended; the array grows by doubling up to the limit. */
  #pending: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** Pieces of the same line that have been logged. */
  #pieces = 0;

  /** `log` is called with each line, or piece of a line, without its newline. */
  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** Takes all of `bytes`. Copies those of a line that has not ended. */
  write(bytes: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(newline, start);
      if (end < 0) break;
      if (this.#length === 0 && this.#pieces === 0 && end - start <= logLimits.lineBytes)
        this.#emit(bytes.subarray(start, end), true);
      else {
        this.#keep(bytes.subarray(start, end));
        this.#endLine();
      }
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
  }

  /** Logs an unfinished line, if there is one: at close and at the end of the Process. */
  finish(): void {
    if (this.#length > 0 || this.#pieces > 0) this.#endLine();
  }

  #endLine(): void {
    this.#emit(this.#pending.subarray(0, this.#length), true);
    this.#length = 0;
    this.#pieces = 0;
  }

  /**
   * Keeps `bytes`, which contain no newline. A full piece is logged only when more follows: it may be the whole line.
   */
  #keep(bytes: Uint8Array): void {
    let start = 0;
    while (this.#length + bytes.length - start > logLimits.lineBytes) {
      const end = start + logLimits.lineBytes - this.#length;
      this.#append(bytes.subarray(start, end));
      this.#emitPiece();
      start = end;
    }
    this.#append(bytes.subarray(start));
  }

  /** Logs the kept bytes, except those of an incomplete character. */
  #emitPiece(): void {
    const end = wholeCharacters(this.#pending, this.#length);
    this.#emit(this.#pending.subarray(0, end), false);
    this.#pending.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#pieces += 1;
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#pending.length) {
      const larger = new Uint8Array(Math.min(logLimits.lineBytes, Math.max(256, needed * 2)));
      larger.set(this.#pending.subarray(0, this.#length));
      this.#pending = larger;
    }
    this.#pending.set(bytes, this.#length);
    this.#length = needed;
  }

  #emit(bytes: Uint8Array, isLast: boolean): void {
    const end = isLast && bytes[bytes.length - 1] === carriageReturn ? bytes.length - 1 : bytes.length;
    const text = end === 0 ? '' : decoder.decode(bytes.subarray(0, end));
    const number = this.#pieces + 1;
    this.#log(markedPiece(text, number, isLast ? number : null));
  }
}

/**
 * Returns how many of the first `length` bytes do not end within a UTF-8 sequence; all of them if they are not UTF-8.
 */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  for (let back = 1; back <= 4 && back <= length; back += 1) {
    const byte = bytes[length - back] as number;
    if (byte < 0x80) return length;
    if (byte < 0xc0) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return size > back ? length - back : length;
  }
  return length;
}

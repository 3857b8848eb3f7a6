/** Collects the head of a request, up to its empty line, from writes of any size. */
import { ByteQueue } from './byte-queue.ts';
import { httpRequestLimits, parseRequestHead, type RequestHead } from './http-request.ts';

export class HeadReader {
  /** The head; null until it has ended. */
  head: RequestHead | null = null;
  readonly #bytes = new ByteQueue();
  /** State within the empty line that ends the head. */
  #state: 'line' | 'empty' | 'emptyCr' = 'line';

  /**
   * Reads from the start of `bytes`. Returns the number of bytes that belong to the head (the rest is body), or a text
   * about the error in them.
   */
  read(bytes: Uint8Array): number | string {
    let start = 0;
    // Empty lines in front of the request line are skipped (RFC 9112 2.2).
    if (this.#bytes.length === 0) while (bytes[start] === 10 || bytes[start] === 13) start += 1;
    let end = start;
    let isEnded = false;
    while (end < bytes.length && !isEnded) {
      isEnded = this.#ends(bytes[end] as number);
      end += 1;
    }
    if (this.#bytes.length + end - start > httpRequestLimits.headBytes)
      return `the request’s head is longer than ${httpRequestLimits.headBytes} bytes`;
    this.#bytes.push(bytes.subarray(start, end));
    if (!isEnded) return end;
    const head = parseRequestHead(this.#bytes.takeAll());
    if (typeof head === 'string') return head;
    this.head = head;
    return end;
  }

  /** Returns whether `byte` completes the empty line. */
  #ends(byte: number): boolean {
    if (byte === 10) {
      if (this.#state !== 'line') return true;
      this.#state = 'empty';
    } else this.#state = byte === 13 && this.#state === 'empty' ? 'emptyCr' : 'line';
    return false;
  }
}

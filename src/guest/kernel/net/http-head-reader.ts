/** Collects a request's head from writes of any size, up to its empty line. */
import { ByteQueue } from './byte-queue.ts';
import { httpRequestLimits, parseRequestHead, type RequestHead } from './http-request.ts';

export class HeadReader {
  /** The head, once it has ended; null before. */
  head: RequestHead | null = null;
  readonly #bytes = new ByteQueue();
  /** Progress in the empty line that ends the head. */
  #state: 'line' | 'empty' | 'emptyCr' = 'line';

  /**
   * Reads from the start of `bytes`. Returns how many of them belong to the head (what follows is body), or what is
   * wrong with it.
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

  /** Returns whether `byte` ends the empty line. */
  #ends(byte: number): boolean {
    if (byte === 10) {
      if (this.#state !== 'line') return true;
      this.#state = 'empty';
    } else this.#state = byte === 13 && this.#state === 'empty' ? 'emptyCr' : 'line';
    return false;
  }
}

/**
 * Finds the end of a request body: at flush, at its Content-Length, or after its last chunk (RFC 9112 6.3). Removes the
 * framing of chunks, since the connection adds its own.
 */
import type { RequestHead } from './http-request.ts';

export const chunkLimits = {
  /** Most bytes of a chunk's size and extensions. Extensions are ignored. */
  lineBytes: 256,
  /** Most bytes of header lines after the last chunk. They are dropped. */
  trailerBytes: 16 * 1024,
} as const;

type State = 'data' | 'dataEnd' | 'size' | 'trailer' | 'complete';

export class RequestFraming {
  /** Whether the body ends at flush. */
  readonly endsAtFlush: boolean;
  #state: State;
  /** Number of data bytes until the next framing or the end. */
  #left: number;
  readonly #isChunked: boolean;
  #line = '';
  #trailerBytes = 0;

  constructor(head: Pick<RequestHead, 'contentLength' | 'isChunked'>) {
    this.endsAtFlush = head.contentLength === null && !head.isChunked;
    this.#isChunked = head.isChunked;
    this.#left = this.endsAtFlush ? Number.POSITIVE_INFINITY : (head.contentLength ?? 0);
    this.#state = head.isChunked ? 'size' : this.#left === 0 ? 'complete' : 'data';
  }

  /** Whether the framing says that the whole body has been written. */
  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /** Reads framing from the start of `bytes`. Returns its length in bytes, or a text about the error in it. */
  readFraming(bytes: Uint8Array): number | string {
    let count = 0;
    while (count < bytes.length && this.#state !== 'data' && this.#state !== 'complete') {
      const problem = this.#readByte(bytes[count] as number);
      if (problem !== null) return problem;
      count += 1;
    }
    return count;
  }

  /** Returns the data at the start of `bytes`, of which readFraming has read the framing before the data. */
  data(bytes: Uint8Array): Uint8Array {
    return bytes.subarray(0, this.#left);
  }

  /** Notes that `count` bytes of data have been taken. */
  took(count: number): void {
    this.#left -= count;
    if (this.#left === 0) this.#state = this.#isChunked ? 'dataEnd' : 'complete';
  }

  #readByte(byte: number): string | null {
    if (this.#state === 'trailer') {
      this.#trailerBytes += 1;
      if (this.#trailerBytes > chunkLimits.trailerBytes) return 'the trailer of the request body is too long';
    } else if (this.#line.length >= chunkLimits.lineBytes) return 'a chunk of the request body has no size';
    if (byte !== 10) {
      // Keeps only the start of a trailer line: the empty line ends the trailers, and other lines are dropped.
      if (this.#state !== 'trailer' || this.#line.length < 2) this.#line += String.fromCharCode(byte);
      return null;
    }
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    return this.#readLine(line);
  }

  #readLine(line: string): string | null {
    if (this.#state === 'trailer') {
      if (line === '') this.#state = 'complete';
      return null;
    }
    if (this.#state === 'dataEnd') {
      this.#state = 'size';
      return line === '' ? null : 'a chunk of the request body is longer than its size';
    }
    const size = /^([0-9a-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i.exec(line)?.[1];
    if (size === undefined) return `a chunk of the request body has ${JSON.stringify(line)} for a size`;
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
    return null;
  }
}

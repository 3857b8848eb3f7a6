/**
 * Sends a request body while the guest still writes it. Bounds the bytes that are not sent: the guest waits for room.
 */
import { Errno } from '../errno.ts';
import { ByteQueue } from './byte-queue.ts';
import { Wakeup } from './wakeup.ts';

/** Most bytes that the guest has written and the connection has not taken. */
export const uploadBytesMax = 64 * 1024;

/** The body. The connection iterates it once, and asks for more when its socket has room. */
export class Upload implements AsyncIterable<Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #changed = new Wakeup();
  #state: 'open' | 'complete' | 'stopped' = 'open';

  /** Yields the body as it is written, without bytes that wait; returns at the end of the body, or after stop(). */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (this.#state !== 'stopped') {
      if (this.#queue.length > 0) {
        const chunk = this.#queue.takeAll();
        this.#changed.wake();
        yield chunk;
      } else if (this.#state === 'complete') return;
      else await this.#changed.wait();
    }
  }

  /**
   * Takes bytes of the body. Returns their number, a promise to wait for room, or Errno.closed if the connection takes
   * no more.
   */
  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#state !== 'open') return Errno.closed;
    const room = uploadBytesMax - this.#queue.length;
    if (room <= 0) return this.#changed.wait();
    const part = bytes.subarray(0, room);
    this.#queue.push(part);
    this.#changed.wake();
    return part.length;
  }

  /** Ends the body after all written bytes. */
  end(): void {
    if (this.#state === 'open') this.#state = 'complete';
    this.#changed.wake();
  }

  /** Drops the rest of the body: the response is complete, or there will be none. */
  stop(): void {
    this.#state = 'stopped';
    this.#queue.clear();
    this.#changed.wake();
  }

  /** Returns null if the connection has taken all bytes or never will, else a promise to wait for. */
  drained(): Promise<void> | null {
    return this.#queue.length === 0 ? null : this.#changed.wait();
  }

  /** Returns null if a write would not wait, else a promise to wait for. */
  writable(): Promise<void> | null {
    return this.#queue.length < uploadBytesMax ? null : this.#changed.wait();
  }
}

/**
 * Sends a request body while the guest still writes it. What has not been sent is bounded: the guest waits for room.
 */
import { Errno } from '../errno.ts';
import { ByteQueue } from './byte-queue.ts';
import { Wakeup } from './wakeup.ts';

/** Most bytes taken from the guest and not yet by the connection. */
export const uploadBytesMax = 64 * 1024;

/** The body, iterated once, by the connection, which asks for more when its socket has room. */
export class Upload implements AsyncIterable<Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #changed = new Wakeup();
  #state: 'open' | 'complete' | 'stopped' = 'open';

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
   * Takes bytes of the body. Returns how many, a promise to wait for room, or Errno.closed where the connection takes
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

  /** Ends the body: all of it has been written. */
  end(): void {
    if (this.#state === 'open') this.#state = 'complete';
    this.#changed.wake();
  }

  /** Drops the rest: the answer is complete, or there will be none. */
  stop(): void {
    this.#state = 'stopped';
    this.#queue.clear();
    this.#changed.wake();
  }

  /** Returns null where everything has been taken or never will be, else a promise to wait for. */
  drained(): Promise<void> | null {
    return this.#queue.length === 0 ? null : this.#changed.wait();
  }

  /** Returns null where a write would answer at once, else a promise to wait for. */
  writable(): Promise<void> | null {
    return this.#queue.length < uploadBytesMax ? null : this.#changed.wait();
  }
}

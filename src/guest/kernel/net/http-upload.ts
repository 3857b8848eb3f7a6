/** A request body that goes out while the guest still writes it: bounded, and the guest waits for room. */
import { Errno } from '../errno.ts';
import { ByteQueue } from './byte-queue.ts';
import { Wakeup } from './wakeup.ts';

/** Bytes taken from the guest and not yet by the connection. */
export const uploadBytesMax = 64 * 1024;

/** Iterated once, by the connection, which asks for more when its socket has room. */
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

  /** Bytes taken, a wait for room, or Errno.closed when nobody takes the body any more. */
  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#state !== 'open') return Errno.closed;
    const room = uploadBytesMax - this.#queue.length;
    if (room <= 0) return this.#changed.wait();
    const part = bytes.subarray(0, room);
    this.#queue.push(part);
    this.#changed.wake();
    return part.length;
  }

  /** The body is all written. */
  end(): void {
    if (this.#state === 'open') this.#state = 'complete';
    this.#changed.wake();
  }

  /** The connection takes no more: the answer is complete, or there will be none. */
  stop(): void {
    this.#state = 'stopped';
    this.#queue.clear();
    this.#changed.wake();
  }

  /** null when everything has been taken, or never will be. */
  drained(): Promise<void> | null {
    return this.#queue.length === 0 ? null : this.#changed.wait();
  }

  /** null when a write would answer at once. */
  writable(): Promise<void> | null {
    return this.#queue.length < uploadBytesMax ? null : this.#changed.wait();
  }
}

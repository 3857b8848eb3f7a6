/** A request body that goes out while the guest still writes it: bounded, and the guest waits for room. */
import { Readable } from 'node:stream';
import { Errno } from '../errno.ts';
import { Wakeup } from './wakeup.ts';

/** Bytes taken from the guest and not yet from us by the connection. */
export const uploadBytesMax = 64 * 1024;

export class Upload {
  readonly stream: Readable;
  readonly #changed = new Wakeup();

  constructor() {
    this.stream = new Readable({ highWaterMark: uploadBytesMax, read: () => this.#changed.wake() });
    this.stream.on('close', () => this.#changed.wake());
    // Why it ended is the exchange's to tell.
    this.stream.on('error', () => {});
  }

  /** Bytes taken, a wait for room, or Errno.closed when nobody takes the body any more. */
  write(bytes: Uint8Array): number | Promise<void> {
    if (this.stream.destroyed) return Errno.closed;
    const room = uploadBytesMax - this.stream.readableLength;
    if (room <= 0) return this.#changed.wait();
    const part = bytes.subarray(0, room);
    this.stream.push(Buffer.from(part));
    return part.length;
  }

  end(): void {
    if (!this.stream.destroyed) this.stream.push(null);
  }

  /** null when everything has been taken, or never will be. */
  drained(): Promise<void> | null {
    return this.stream.destroyed || this.stream.readableLength === 0 ? null : this.#changed.wait();
  }

  writable(): Promise<void> | null {
    return this.stream.destroyed || this.stream.readableLength < uploadBytesMax ? null : this.#changed.wait();
  }
}

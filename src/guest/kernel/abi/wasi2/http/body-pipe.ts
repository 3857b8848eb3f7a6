/**
 * Takes the body of an outgoing message. Holds the body until the message is sent, which may be together with its first
 * bytes; then passes it on to the connection.
 *
 *     holding --attach--> draining --held bytes taken--> flowing --end--> ended
 */
import { KIB } from '../../../../../protocol/limits.ts';
import { Errno } from '../../../errno.ts';
import { ByteQueue } from '../../../net/byte-queue.ts';
import { Wakeup } from '../../../net/wakeup.ts';
import type { Process } from '../../../process.ts';
import type { MaybePromise, Resource } from '../../../resource.ts';

/** Most bytes that are held of one body. A write beyond them waits until the message is sent. */
export const heldBodyBytesMax = 256 * KIB;

export interface PipeOptions {
  /** Scheme under which bytes are accounted. */
  readonly scheme: string;
  /** Content-Length of the message; null without the field. */
  readonly contentLength: number | null;
  /** Called when a write has to wait because the message has not been sent. */
  readonly full: () => void;
}

export class BodyPipe implements Resource {
  readonly scheme: string;
  /** Content-Length of the message in bytes; null without the field. */
  readonly contentLength: number | null;
  /** Number of bytes of the body that have been written. */
  written = 0;
  readonly #guest: Process;
  readonly #full: () => void;
  readonly #held = new ByteQueue();
  readonly #changed = new Wakeup();
  #target: Resource | null = null;
  #isFlowing = false;
  /** Called when all bytes before the end have gone to the target; null while the body has not ended. */
  #ended: (() => void) | null = null;
  /** Errno of further writes; 0: they succeed. */
  #failed = 0;

  constructor(guest: Process, options: PipeOptions) {
    this.#guest = guest;
    this.scheme = options.scheme;
    this.contentLength = options.contentLength;
    this.#full = options.full;
  }

  /** Whether the pipe holds the whole body: it has ended and nothing has been sent. */
  get isWhole(): boolean {
    return this.#ended !== null && this.#target === null;
  }

  /** Whether the body has ended. */
  get isOver(): boolean {
    return this.#ended !== null;
  }

  /** Returns the whole body and ends the pipe. May be called only if isWhole. */
  takeWhole(): Uint8Array {
    const bytes = this.#held.takeAll();
    this.#guest.held.give(bytes.length);
    const ended = this.#ended;
    this.#isFlowing = true;
    this.#failed = Errno.closed;
    ended?.();
    return bytes;
  }

  read(): number {
    return Errno.notSupported;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#failed !== 0) return this.#failed;
    if (this.contentLength !== null && this.written + bytes.length > this.contentLength) return Errno.tooBig;
    const taken = this.#take(bytes);
    if (typeof taken === 'number' && taken > 0) this.written += taken;
    return taken;
  }

  flush(): MaybePromise<number> {
    if (this.#failed !== 0) return this.#failed;
    return this.#target !== null && this.#isFlowing ? this.#target.flush() : 0;
  }

  close(): number {
    this.#guest.held.give(this.#held.length);
    this.#held.clear();
    this.#failed = Errno.closed;
    this.#changed.wake();
    return 0;
  }

  writable(): Promise<void> | null {
    if (this.#failed !== 0) return null;
    if (this.#target === null) return this.#held.length < heldBodyBytesMax ? null : this.#isFull();
    return this.#isFlowing ? (this.#target.writable?.() ?? null) : this.#changed.wait();
  }

  /**
   * Lets the body flow to `target`. Returns null if the held bytes have gone there, else a promise that settles when
   * they have; it never rejects.
   */
  attach(target: Resource): Promise<void> | null {
    this.#target = target;
    if (this.#held.length > 0) return this.#drain(target);
    this.#flows();
    return null;
  }

  /** Ends the body. Calls `ended` when all bytes before the end have gone to the target. */
  end(ended: () => void): void {
    this.#ended = ended;
    if (this.#isFlowing) ended();
  }

  #take(bytes: Uint8Array): number | Promise<void> {
    if (this.#target !== null) return this.#isFlowing ? this.#target.write(bytes) : this.#changed.wait();
    const part = bytes.subarray(0, heldBodyBytesMax - this.#held.length);
    if (bytes.length > 0 && part.length === 0) return this.#isFull();
    if (!this.#guest.held.take(part.length)) return Errno.noSpace;
    this.#held.push(part);
    return part.length;
  }

  #isFull(): Promise<void> {
    const waiting = this.#changed.wait();
    this.#full();
    return waiting;
  }

  async #drain(target: Resource): Promise<void> {
    const bytes = this.#held.takeAll();
    let done = 0;
    try {
      while (done < bytes.length && this.#failed === 0 && isWanted(this.#guest)) {
        const count = target.write(bytes.subarray(done));
        if (typeof count !== 'number') await count;
        else if (count > 0) done += count;
        else this.#failed = count === 0 ? Errno.noSpace : count;
      }
    } catch {
      this.#failed = Errno.unknown;
    }
    this.#guest.held.give(bytes.length);
    this.#flows();
  }

  #flows(): void {
    this.#isFlowing = true;
    this.#ended?.();
    this.#changed.wake();
  }
}

/** Returns whether output of `guest` must still be sent: the guest runs, or has ended by itself. */
function isWanted({ end }: Process): boolean {
  return end === null || end.kind === 'exit';
}

/** Collects written bytes that become one value or message at the commit: kv:, queue:. */
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';

const firstBytes = 256;

export class PendingValue {
  readonly #guest: Process;
  readonly #bytesMax: number;
  #bytes = new Uint8Array(0);
  #length = 0;
  /** Whether something was written, if only an empty value. */
  #isWritten = false;
  /** Whether a write was refused: the bytes are not what the guest meant, and are never committed. */
  #isBroken = false;

  constructor(guest: Process, bytesMax: number) {
    this.#guest = guest;
    this.#bytesMax = bytesMax;
  }

  get isWritten(): boolean {
    return this.#isWritten;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Returns a copy of the bytes written. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /**
   * Takes all of `bytes`. Returns their number, Errno.tooBig past the limit of the value, or Errno.noSpace past that
   * of the Process.
   */
  write(bytes: Uint8Array): number {
    this.#isWritten = true;
    const needed = this.#length + bytes.length;
    if (needed > this.#bytesMax) {
      this.#isBroken = true;
      return Errno.tooBig;
    }
    if (needed > this.#bytes.length && !this.#grow(needed)) {
      this.#isBroken = true;
      return Errno.noSpace;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
    return bytes.length;
  }

  /** Begins a new, empty value and gives the memory back. */
  clear(): void {
    this.#guest.held.give(this.#bytes.length);
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    this.#isWritten = false;
    this.#isBroken = false;
  }

  #grow(needed: number): boolean {
    const capacity = Math.min(this.#bytesMax, Math.max(firstBytes, this.#bytes.length * 2, needed));
    if (!this.#guest.held.take(capacity - this.#bytes.length)) return false;
    const larger = new Uint8Array(capacity);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    return true;
  }
}

/**
 * Returns whether pending bytes may be committed when their Resource is closed: a guest that ended by itself meant
 * them, one that was stopped did not.
 */
export function mayCommit(guest: Process): boolean {
  return guest.end === null || guest.end.kind === 'exit';
}

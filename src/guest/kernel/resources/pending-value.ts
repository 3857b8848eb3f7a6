/** Collects written bytes that become one value or message at the commit, for kv: and queue:. */
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';

const firstBytes = 256;

export class PendingValue {
  readonly #guest: Process;
  readonly #bytesMax: number;
  #bytes = new Uint8Array(0);
  /** Bytes used of `#bytes`. */
  #length = 0;
  /** Whether a write was made, even an empty one. */
  #isWritten = false;
  /** Whether a write was refused. The bytes are then incomplete and are never committed. */
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

  /** Returns a copy of the written bytes. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /**
   * Takes all of `bytes`. Returns their number, Errno.tooBig above the limit of the value, or Errno.noSpace above that
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

  /** Starts a new, empty value and releases the memory of the old one. */
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
 * Returns whether pending bytes may be committed when their Resource is closed: only if the guest has ended by itself.
 * A guest that was stopped may have written half a value.
 */
export function mayCommit(guest: Process): boolean {
  return guest.end === null || guest.end.kind === 'exit';
}

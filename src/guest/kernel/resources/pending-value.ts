/** Bytes written that become one value or message at the commit: kv:, queue:. */
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';

const firstBytes = 256;

export class PendingValue {
  readonly #guest: Process;
  readonly #bytesMax: number;
  #bytes = new Uint8Array(0);
  #length = 0;
  /** Something was written, if only an empty value. */
  #isWritten = false;
  /** A write was refused: what is here is not what the guest meant, it is never committed. */
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

  /** A copy of what was written. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** All bytes taken; Errno.tooBig past the value's limit, Errno.noSpace past the Process's. */
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

  /** Begins a new, empty value and lets go of the memory. */
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
 * Whether what is pending may be committed when its Resource is closed: a guest that ended by
 * itself meant it, one that was stopped in the middle did not.
 */
export function mayCommit(guest: Process): boolean {
  return guest.end === null || guest.end.kind === 'exit';
}

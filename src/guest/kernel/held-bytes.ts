/**
 * What the host keeps for one Process outside the guest's memory (values not yet committed). Each
 * Resource has its own limit; this one holds for all of a Process's Resources together.
 */
import { MIB } from '../../protocol/limits.ts';

/** 1,024 descriptors with a value of 1 MiB each would be 1 GiB that no memory limit sees. */
const heldBytesMax = 16 * MIB;

export class ByteBudget {
  #held = 0;

  get held(): number {
    return this.#held;
  }

  /** False, and nothing is reserved, where the Process holds too much already. */
  reserve(bytes: number): boolean {
    if (this.#held + bytes > heldBytesMax) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}

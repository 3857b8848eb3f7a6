/**
 * Passes results of any length to a component. A list needs memory that the guest allocates, and a host function cannot
 * call the guest: a JavaScript frame below the guest would forbid it to suspend. So the host function only notes the
 * allocations that it needs, and returns. Code of the linker (src/guest/component/glue-pieces.ts) then asks
 * `next-allocation` for an allocation, calls the guest's `realloc` and passes the pointer to `put`, until `next`
 * returns 0.
 */
import { listBytesMax } from '../../component/flatten.ts';
import { GuestFault, type GuestMemory } from '../memory.ts';

/** Bytes to be allocated, their alignment (1, 2, 4 or 8), and what is done with the pointer. */
interface Allocation {
  readonly bytes: number;
  readonly align: number;
  readonly fill: (pointer: number) => void;
}

export class Allocations {
  #queue: Allocation[] = [];
  /** Index in `#queue` of the next allocation. */
  #at = 0;
  /** Whether the guest's `realloc` runs: it may not call the host (CanonicalABI.md, "may_leave"). */
  isAllocating = false;

  /**
   * Starts the lists of a call's result. Throws GuestFault if the guest has not allocated those of the call before: it
   * then calls the host from `realloc`, which the specification forbids, or would let the queue grow without a bound.
   */
  begin(): void {
    this.checkCall();
    if (this.#at < this.#queue.length) throw new GuestFault('a call of the host while the result of another is taken');
    this.clear();
  }

  /** Throws GuestFault if `realloc` calls the host. */
  checkCall(): void {
    if (this.isAllocating) throw new GuestFault('realloc calls the host');
  }

  /**
   * Requests `bytes` of guest memory, aligned to `align` (1, 2, 4 or 8). Calls `fill` with the pointer before the guest
   * goes on; `fill` may request more. An empty list is allocated as any other: programs of preview 1 behind an adapter
   * find their variables by the pointers that their `realloc` has returned (CanonicalABI.md, `store_string`).
   * Throws GuestFault for more than listBytesMax bytes.
   */
  request(bytes: number, align: number, fill: (pointer: number) => void): void {
    if (bytes > listBytesMax) throw new GuestFault(`a list of ${bytes} bytes, at most ${listBytesMax} are possible`);
    this.#queue.push({ bytes, align, fill });
  }

  /** Returns the next allocation: bytes × 8 + log2 of the alignment × 2 + 1. Returns 0 if none is left. */
  next(): number {
    const next = this.#queue[this.#at];
    this.isAllocating = next !== undefined;
    if (next !== undefined) return next.bytes * 8 + (31 - Math.clz32(next.align)) * 2 + 1;
    if (this.#at > 0) this.clear();
    return 0;
  }

  /**
   * Returns the next allocation for code of linker version 11 and below: bytes × 4 + log2 of the alignment. Returns 0
   * if none is left. Such code allocates nothing for an empty list, whose pointer is its alignment.
   */
  nextBefore12(): number {
    for (let empty = this.#queue[this.#at]; empty?.bytes === 0; empty = this.#queue[this.#at]) {
      this.#at += 1;
      empty.fill(empty.align);
    }
    const packed = this.next();
    return packed === 0 ? 0 : (packed >>> 3) * 4 + ((packed >>> 1) & 3);
  }

  /**
   * Takes the pointer to the allocation that next() returned. Throws GuestFault if it lies outside of `memory` or is
   * not aligned.
   */
  put(memory: GuestMemory, pointer: number): void {
    this.isAllocating = false;
    const allocation = this.#queue[this.#at];
    if (allocation === undefined) throw new GuestFault('the host asked for no memory');
    this.#at += 1;
    const start = memory.check(pointer, allocation.bytes);
    if (start % allocation.align !== 0)
      throw new GuestFault(`realloc returned 0x${start.toString(16)}, which is not aligned to ${allocation.align}`);
    allocation.fill(start);
  }

  clear(): void {
    this.#queue = [];
    this.#at = 0;
    this.isAllocating = false;
  }
}

/** Bytes of guest memory that one runner may hold, in use or spare. */

export interface Evictable {
  /** Releases one spare instance; returns false when there is none. */
  evict(): boolean;
}

export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;
  readonly #owners = new Set<Evictable>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get isExceeded(): boolean {
    return this.#usedBytes > this.limitBytes;
  }

  join(owner: Evictable): void {
    this.#owners.add(owner);
  }

  leave(owner: Evictable): void {
    this.#owners.delete(owner);
  }

  /** Takes `bytes`, and lets others' spare instances be released if necessary. Returns false when there is no room. */
  reserve(bytes: number): boolean {
    while (this.#usedBytes + bytes > this.limitBytes) if (!this.#evictOne()) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Counts memory by which a guest has grown, even without room: the guest has the memory already. */
  adjust(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  #evictOne(): boolean {
    for (const owner of this.#owners) {
      if (!owner.evict()) continue;
      // The next release comes from another owner.
      this.#owners.delete(owner);
      this.#owners.add(owner);
      return true;
    }
    return false;
  }
}

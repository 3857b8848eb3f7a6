/**
 * Shares a fixed number of places among owners. An owner may hold at most as many places as are free, so that one owner
 * alone gets half of them, two get a third each, and an owner that holds none always finds one until as many owners as
 * there are places hold one each.
 */
export class FairPlaces {
  readonly #size: number;
  readonly #held = new Map<string, number>();
  #free: number;

  /** `size`: number of places that all owners share, from 1. */
  constructor(size: number) {
    this.#size = size;
    this.#free = size;
  }

  /** Number of places that are held. */
  get held(): number {
    return this.#size - this.#free;
  }

  /** Returns the number of places that an owner holds. */
  heldBy(owner: string): number {
    return this.#held.get(owner) ?? 0;
  }

  /**
   * Returns the number of places that an owner may still take. After the last one it holds at most one more than are
   * free.
   */
  room(owner: string): number {
    return Math.max(0, Math.ceil((this.#free - this.heldBy(owner)) / 2));
  }

  /** Takes `count` places for an owner. `count` must be at most room(). */
  take(owner: string, count: number): void {
    if (count > this.room(owner)) throw new Error('more places than the owner has room for');
    this.#add(owner, count);
  }

  /** Returns `count` of the places that the owner holds. */
  give(owner: string, count: number): void {
    if (count > this.heldBy(owner)) throw new Error('more places than the owner holds');
    this.#add(owner, -count);
  }

  #add(owner: string, count: number): void {
    this.#free -= count;
    const held = this.heldBy(owner) + count;
    if (held === 0) this.#held.delete(owner);
    else this.#held.set(owner, held);
  }
}

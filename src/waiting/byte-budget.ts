/** Counts the bytes that many holders have together, and refuses more than `max`. */
export class ByteBudget {
  /** Greatest number of bytes held. */
  readonly max: number;
  #held = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Bytes held. */
  get held(): number {
    return this.#held;
  }

  get isSpent(): boolean {
    return this.#held >= this.max;
  }

  /** Takes `count` bytes and returns true if they fit; else takes nothing and returns false. */
  take(count: number): boolean {
    if (this.#held + count > this.max) return false;
    this.#held += count;
    return true;
  }

  /** Takes `count` bytes even when they do not fit: for bytes that have already arrived. */
  force(count: number): void {
    this.#held += count;
  }

  give(count: number): void {
    this.#held -= count;
  }
}

/**
 * Lets a bounded number of entries into a log, and counts the others: nobody can fill a disk with one kind of failure.
 */
export class LogRate {
  readonly #most: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;

  /** Lets `most` entries through in each `windowMs` milliseconds. `nowMs`: monotonic clock in milliseconds. */
  constructor(options: { readonly most: number; readonly windowMs: number; readonly nowMs: () => number }) {
    this.#most = options.most;
    this.#windowMs = options.windowMs;
    this.#nowMs = options.nowMs;
  }

  /** Returns the number of entries that were left out before this one, which may be written; null: it is left out. */
  take(): number | null {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sinceMs >= this.#windowMs) {
      this.#sinceMs = nowMs;
      this.#written = 0;
    }
    if (this.#written >= this.#most) {
      this.#leftOut += 1;
      return null;
    }
    this.#written += 1;
    return this.leftOut();
  }

  /** Returns the number of entries that were left out since it was told last. */
  leftOut(): number {
    const count = this.#leftOut;
    this.#leftOut = 0;
    return count;
  }
}

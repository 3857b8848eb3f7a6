/**
 * Finds how many pages an Artifact's memories should have in reserve, from what its calls have needed.
 *
 * A reserve costs in every call that it is large enough for: all of it is zeroed, whether the guest has grown into it or
 * not. Any other call costs a new slot, whose pages the system has to make anew. The estimate is the size for which the
 * calls seen so far would have cost least.
 */
import { reserveLimits } from './limits.ts';

/** Sizes to choose from, in pages, each at most a third larger than the one before from 4 on. */
const sizes = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256] as const;

/** Index in `sizes` of the smallest one that holds as many pages as the index of the entry. */
const classOfPages = Uint8Array.from({ length: reserveLimits.pagesMax + 1 }, (_, pages) =>
  sizes.findIndex((size) => size >= pages),
);

export interface ReserveOptions {
  /** The estimate before any call. */
  readonly first: number;
  /** The largest estimate allowed, at most reserveLimits.pagesMax. */
  readonly most: number;
}

export class ReserveEstimate {
  readonly #most: number;
  #pages: number;
  /** Calls by the size that would have been enough; the last number counts those that need more than any size. */
  readonly #calls = new Uint32Array(sizes.length + 1);
  #total = 0;
  #untilReview: number = reserveLimits.firstReviewCalls;
  #reviewEvery: number = reserveLimits.firstReviewCalls;

  constructor({ first, most }: ReserveOptions) {
    this.#most = most;
    this.#pages = Math.min(first, most);
  }

  /** Present estimate, in pages. */
  get pages(): number {
    return this.#pages;
  }

  /**
   * Counts a call that has grown its memory by `grownPages`. Returns whether the estimate has changed; it does so only
   * where the calls seen would have cost less by reserveLimits.gain at least, so that slots are not remade for nothing.
   */
  note(grownPages: number): boolean {
    const needed = grownPages <= reserveLimits.pagesMax ? (classOfPages[grownPages] as number) : sizes.length;
    this.#calls[needed] = (this.#calls[needed] as number) + 1;
    this.#total += 1;
    this.#untilReview -= 1;
    return this.#untilReview === 0 && this.#review();
  }

  #review(): boolean {
    this.#reviewEvery = Math.min(this.#reviewEvery * 2, reserveLimits.reviewCalls);
    this.#untilReview = this.#reviewEvery;
    let best = 0;
    let bestUs = Number.POSITIVE_INFINITY;
    for (const size of sizes) {
      if (size > this.#most) break;
      const us = this.#costUs(size);
      if (us >= bestUs) continue;
      best = size;
      bestUs = us;
    }
    const isBetter = best !== this.#pages && bestUs < this.#costUs(this.#pages) * (1 - reserveLimits.gain);
    if (isBetter) this.#pages = best;
    if (this.#total >= reserveLimits.rememberedCalls) this.#forgetHalf();
    return isBetter;
  }

  /** Microseconds that the calls seen would have cost with `reservePages`. */
  #costUs(reservePages: number): number {
    let us = 0;
    this.#calls.forEach((calls, needed) => {
      const pages = sizes[needed] ?? Number.POSITIVE_INFINITY;
      if (pages <= reservePages) us += calls * reservePages * reserveLimits.zeroedPageUs;
      else us += calls * (reserveLimits.newSlotUs + Math.min(pages, reserveLimits.pagesMax) * reserveLimits.newPageUs);
    });
    return us;
  }

  /** Older calls count less and less: what a function does changes. */
  #forgetHalf(): void {
    this.#total = 0;
    for (let needed = 0; needed < this.#calls.length; needed++) {
      this.#calls[needed] = (this.#calls[needed] as number) >>> 1;
      this.#total += this.#calls[needed] as number;
    }
  }
}

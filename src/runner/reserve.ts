/**
 * Estimates how many pages of reserve an Artifact's memories should have, from the needs of past calls.
 *
 * A reserve costs in every call that it is large enough for: all of it is zeroed, whether or not the guest has grown
 * into it. Any other call costs a new slot, whose pages the system makes anew. The estimate is the size for which the
 * past calls would have cost least.
 */
import { reserveLimits } from './limits.ts';

/** Possible sizes in pages; from 4 on each is at most a third larger than the previous one. */
const sizes = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256] as const;

/** Maps a number of pages to the index in `sizes` of the smallest size that holds them. */
const classOfPages = Uint8Array.from({ length: reserveLimits.pagesMax + 1 }, (_, pages) =>
  sizes.findIndex((size) => size >= pages),
);

export interface ReserveOptions {
  /** Estimate before any call, in pages. */
  readonly first: number;
  /** Largest estimate allowed, in pages, at most reserveLimits.pagesMax. */
  readonly most: number;
}

export class ReserveEstimate {
  /** Most pages of a reserve. */
  readonly #most: number;
  #pages: number;
  /**
   * Number of calls by the size that would have been enough; the last entry counts calls that need more than any size.
   */
  readonly #calls = new Uint32Array(sizes.length + 1);
  /** Numbers of calls: remembered, until the next review, and between the last two reviews. */
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
   * Counts a call that has grown its memory by `grownPages`. Returns whether the estimate has changed. It changes only
   * when the past calls would have cost less by reserveLimits.gain at least, since slots are then made anew.
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

  /** Returns the microseconds that the past calls would have cost with `reservePages`. */
  #costUs(reservePages: number): number {
    let us = 0;
    this.#calls.forEach((calls, needed) => {
      const pages = sizes[needed] ?? Number.POSITIVE_INFINITY;
      if (pages <= reservePages) us += calls * reservePages * reserveLimits.zeroedPageUs;
      else us += calls * (reserveLimits.newSlotUs + Math.min(pages, reserveLimits.pagesMax) * reserveLimits.newPageUs);
    });
    return us;
  }

  /** Halves the weight of older calls, because a function's behaviour changes. */
  #forgetHalf(): void {
    this.#total = 0;
    for (let needed = 0; needed < this.#calls.length; needed++) {
      this.#calls[needed] = (this.#calls[needed] as number) >>> 1;
      this.#total += this.#calls[needed] as number;
    }
  }
}

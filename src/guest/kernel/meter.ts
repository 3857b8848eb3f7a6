/**
 * Counts the gas of one Process. The rewritten module counts down a global, the gas left in its slice; where a check
 * finds it below zero, the guest calls `trisiel.gas`, which GuestInstance answers from here. Gas used is gas granted
 * minus gas left. It is exact once the guest has returned, ahead by at most a credit before that
 * (src/guest/wasm/meter/placement.ts), and does not depend on the size of slices.
 */
import { creditMax } from '../wasm/meter/placement.ts';

/** Gas of a slice where there is no scheduler: large, but small enough that deadlines are served. */
const unscheduledSliceGas = 50_000_000;

/** Gas subtracted from a counter so that the next check calls the host: more than any credit that a check allows. */
const overdrawnGas = creditMax + 1;

export interface SliceScheduler {
  /** Returns the gas of the next slice, 1 to 2^30. */
  sliceGas(): number;
  /**
   * Called when a slice has been used up. Returns null where the guest may go on at once, else a promise to wait for.
   */
  turn(): Promise<void> | null;
}

export class GasMeter {
  readonly limit: number;
  #granted = 0;
  #left: { value: number } | null = null;
  readonly #scheduler: SliceScheduler | null;

  constructor(limit: number, scheduler: SliceScheduler | null = null) {
    this.limit = limit;
    this.#scheduler = scheduler;
  }

  /** Takes over the counter of an instance and grants the first slice. */
  attach(left: { value: number }): void {
    this.#left = left;
    this.#granted = 0;
    left.value = this.#nextSlice(0);
    this.#granted = left.value;
  }

  get used(): number {
    return this.#left === null ? this.#granted : this.#granted - this.#left.value;
  }

  /** Returns whether the guest has used more than its limit, `left` being its counter. */
  isSpent(left: number): boolean {
    return this.#granted - left > this.limit;
  }

  /** Returns what the guest has to wait for before its next slice; null: nothing. */
  turn(): Promise<void> | null {
    return this.#scheduler === null ? null : this.#scheduler.turn();
  }

  /**
   * Grants the next slice and returns the new value of the counter. `left` is its present value, negative where the
   * guest has overdrawn.
   */
  refill(left: number): number {
    const used = this.#granted - left;
    const next = this.#nextSlice(used);
    this.#granted = used + next;
    return next;
  }

  /**
   * Makes the guest call `trisiel.gas` at its next check, by a counter below zero; `used` does not change. There the
   * guest of an ended Process is stopped; any other waits for its turn.
   */
  endSlice(): void {
    if (this.#left === null) return;
    const used = this.used;
    this.#granted = used - overdrawnGas;
    this.#left.value = -overdrawnGas;
  }

  /** Keeps the figure and lets go of the counter: the instance goes back to its pool. */
  detach(): void {
    this.#granted = this.used;
    this.#left = null;
  }

  #nextSlice(used: number): number {
    const slice = this.#scheduler === null ? unscheduledSliceGas : this.#scheduler.sliceGas();
    return Math.min(slice, this.limit - used);
  }
}

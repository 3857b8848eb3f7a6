/**
 * Counts the gas of one Process. The rewritten module counts down a global, the gas left in its slice. A check that
 * finds it below zero calls `trisiel.gas`, and GuestInstance answers that call with the help of this class. Gas used is
 * gas granted minus gas left. It is exact once the guest has returned, and ahead by at most a credit before
 * (src/guest/wasm/meter/placement.ts). It does not depend on the size of slices.
 */
import { creditMax } from '../wasm/meter/placement.ts';

/** Gas of a slice without a scheduler: large, but small enough that deadlines are served. */
const unscheduledSliceGas = 50_000_000;

/** Gas subtracted from a counter so that the next check calls the host: more than any credit of a check. */
const overdrawnGas = creditMax + 1;

export interface SliceScheduler {
  /** Returns the gas of the next slice, 1 to 2^30. `used`: gas that the Process has used. */
  sliceGas(used: number): number;
  /**
   * Decides when a guest goes on that has used its slice up. Returns null if it may do so at once, else a promise to
   * wait for. `used`: gas that the Process has used.
   */
  turn(used: number): Promise<void> | null;
}

export class GasMeter {
  /** Gas that the Process may use. */
  readonly limit: number;
  /** Gas of all slices so far, the present one included. */
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

  /** Gas used so far. */
  get used(): number {
    return this.#left === null ? this.#granted : this.#granted - this.#left.value;
  }

  /** Returns whether the guest has used more than its limit. `left` is its counter. */
  isSpent(left: number): boolean {
    return this.#granted - left > this.limit;
  }

  /**
   * Returns a promise for which the guest must wait before its next slice; null: it need not wait. `left` is its
   * counter.
   */
  turn(left: number): Promise<void> | null {
    return this.#scheduler === null ? null : this.#scheduler.turn(this.#granted - left);
  }

  /**
   * Grants the next slice and returns the new value of the counter. `left` is its present value, negative if the guest
   * has overdrawn.
   */
  refill(left: number): number {
    const used = this.#granted - left;
    const next = this.#nextSlice(used);
    this.#granted = used + next;
    return next;
  }

  /**
   * Makes the guest call `trisiel.gas` at its next check, by a counter below zero; `used` does not change. That call
   * stops the guest of an ended Process; other guests wait for their turn.
   */
  endSlice(): void {
    if (this.#left === null) return;
    const used = this.used;
    this.#granted = used - overdrawnGas;
    this.#left.value = -overdrawnGas;
  }

  /** Keeps the gas used and releases the counter, since the instance returns to its pool. */
  detach(): void {
    this.#granted = this.used;
    this.#left = null;
  }

  #nextSlice(used: number): number {
    const slice = this.#scheduler === null ? unscheduledSliceGas : this.#scheduler.sliceGas(used);
    return Math.min(slice, this.limit - used);
  }
}

/**
 * Gas of one Process. The rewritten module counts down a global ("left in this slice"); when it is
 * below zero at a check the guest calls `trisiel.gas`, which lands here. What was used is what was
 * granted less what is left: exact once the guest has returned, ahead by a credit before (src/guest/wasm/meter/placement.ts),
 * and the same whatever the size of a slice.
 */
import { creditMax } from '../wasm/meter/placement.ts';

/** Gas of a slice when nobody schedules (a local run): large, but the deadline is still seen. */
const unscheduledSliceGas = 50_000_000;

/** What a counter is set to be short of, so that the next check asks: more than any credit that it allows for. */
const overdrawnGas = creditMax + 1;

export interface SliceScheduler {
  /** Gas of the next slice, at least 1, at most 2^30. */
  sliceGas(): number;
  /** Called when a slice is used up: null to go on at once, or a promise to wait for a turn. */
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

  /** Connects the instance's counter and grants the first slice. */
  attach(left: { value: number }): void {
    this.#left = left;
    this.#granted = 0;
    left.value = this.#nextSlice(0);
    this.#granted = left.value;
  }

  get used(): number {
    return this.#left === null ? this.#granted : this.#granted - this.#left.value;
  }

  /** Whether the guest has used more than its limit: true exactly when a check must refuse. */
  isSpent(left: number): boolean {
    return this.#granted - left > this.limit;
  }

  /** What the guest has to wait for before its next slice. */
  turn(): Promise<void> | null {
    return this.#scheduler === null ? null : this.#scheduler.turn();
  }

  /** The counter's new value. `left` is its present one, negative by what was overdrawn. */
  refill(left: number): number {
    const used = this.#granted - left;
    const next = this.#nextSlice(used);
    this.#granted = used + next;
    return next;
  }

  /**
   * The guest calls `trisiel.gas` at its next check: the counter goes below zero without changing
   * `used`. There a guest whose Process has ended is stopped, another one waits for its turn.
   */
  endSlice(): void {
    if (this.#left === null) return;
    const used = this.used;
    this.#granted = used - overdrawnGas;
    this.#left.value = -overdrawnGas;
  }

  /** The instance goes back to the pool: keep the figure, let go of its counter. */
  detach(): void {
    this.#granted = this.used;
    this.#left = null;
  }

  #nextSlice(used: number): number {
    const slice = this.#scheduler === null ? unscheduledSliceGas : this.#scheduler.sliceGas();
    return Math.min(slice, this.limit - used);
  }
}

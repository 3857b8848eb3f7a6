/** Slices of gas of one Invocation: the size of the next one, and when it may begin. */
import type { SliceScheduler } from '../guest/kernel/meter.ts';
import type { InvocationLog } from './invocation-log.ts';
import { sliceLimits } from './limits.ts';
import type { Scheduler, Share } from './scheduler.ts';

export class GasSlices implements SliceScheduler {
  readonly #scheduler: Scheduler;
  readonly #share: Share;
  readonly #log: InvocationLog;
  /** Number of slices used up so far. */
  #count = 0;
  /** Start of the present slice, in monotonic milliseconds. */
  #startMs: number;
  #gas: number = sliceLimits.firstGas;

  /** Begins the first slice. `nowMs`: monotonic milliseconds. */
  constructor(scheduler: Scheduler, share: Share, log: InvocationLog, nowMs: number) {
    this.#scheduler = scheduler;
    this.#share = share;
    this.#log = log;
    this.#startMs = nowMs;
  }

  sliceGas(): number {
    return this.#gas;
  }

  turn(): Promise<void> {
    this.#log.release();
    this.#share.measured(this.#gas, performance.now() - this.#startMs);
    this.#count += 1;
    this.#gas = this.#share.sliceGas();
    return this.#scheduler.turn(this.#share, this.#count).then(() => {
      this.#startMs = performance.now();
    });
  }
}

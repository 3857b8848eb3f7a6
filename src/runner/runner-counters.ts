/** Counts what happens in a runner beside its Invocations, since its start. Control reads it with each ping. */
import { CountedDistribution, coldSeconds, lagSeconds } from '../protocol/distributions.ts';
import type { RunnerCounts } from '../protocol/messages.ts';
import { measureLag } from '../waiting/loop-lag.ts';

export class RunnerCounters {
  poolHits = 0;
  poolMisses = 0;
  strayRequests = 0;
  /** Seconds that requests waited for code. */
  readonly coldStarts = new CountedDistribution(coldSeconds);
  readonly #loopLag = new CountedDistribution(lagSeconds);

  constructor() {
    measureLag((seconds) => this.#loopLag.add(seconds));
  }

  toData(recordsDropped: number): RunnerCounts {
    const { poolHits, poolMisses, strayRequests } = this;
    return {
      poolHits,
      poolMisses,
      strayRequests,
      recordsDropped,
      coldStarts: this.coldStarts.toData(),
      loopLag: this.#loopLag.toData(),
    };
  }
}

/**
 * Sums up what runners have counted. A runner tells its counts since its own start; a total grows by what has come
 * since the last look, so that it never goes back when a runner ends.
 */
import { type Bounds, coldSeconds, type Distribution, emptyBuckets, lagSeconds } from '../../protocol/distributions.ts';
import type { RunnerCounts } from '../../protocol/messages.ts';
import type { NodeView } from '../../protocol/ports.ts';

/** Names of the counters that are numbers. */
export const runnerCounters = ['poolHits', 'poolMisses', 'strayRequests', 'recordsDropped'] as const;
export type RunnerCounter = (typeof runnerCounters)[number];

/**
 * Numbers of runners that serve and that start, of invocations in flight and of suspended ones, and bytes, over all
 * runners.
 */
export interface RunnerGauges {
  readonly serving: number;
  readonly starting: number;
  readonly inFlight: number;
  readonly suspended: number;
  readonly rssBytes: number;
  readonly poolBytes: number;
  readonly codeBytes: number;
  /** Deployments that at least one runner holds: the most of any runner. */
  readonly deployments: number;
}

export class RunnerTotals {
  readonly #nodes: () => readonly NodeView[];
  /** Last counts of each living runner. */
  #last = new Map<string, RunnerCounts>();
  /** Number of runners that have ended. */
  #ended = 0;
  readonly #totals: Record<RunnerCounter, number> = { poolHits: 0, poolMisses: 0, strayRequests: 0, recordsDropped: 0 };
  readonly #coldStarts = { buckets: emptyBuckets(coldSeconds), sum: 0 };
  readonly #loopLag = { buckets: emptyBuckets(lagSeconds), sum: 0 };

  constructor(nodes: () => readonly NodeView[]) {
    this.#nodes = nodes;
  }

  /**
   * Adds what runners have counted since the last look. What a runner counts after the last look before its end is
   * lost.
   */
  look(): void {
    const last = new Map<string, RunnerCounts>();
    for (const { runnerId, stats } of this.#nodes().flatMap(({ runners }) => runners)) {
      const counts = stats?.counters;
      if (typeof counts !== 'object' || counts === null) continue;
      const before = this.#last.get(runnerId);
      for (const name of runnerCounters) this.#totals[name] += grown(counts[name], before?.[name]);
      addGrown(this.#coldStarts, counts.coldStarts, before?.coldStarts);
      addGrown(this.#loopLag, counts.loopLag, before?.loopLag);
      last.set(runnerId, counts);
    }
    for (const runnerId of this.#last.keys()) if (!last.has(runnerId)) this.#ended += 1;
    this.#last = last;
  }

  /** Number of runners that have ended, for whatever reason. */
  get ended(): number {
    return this.#ended;
  }

  /** Returns the sum of a counter over all runners, those that have ended included. */
  total(name: RunnerCounter): number {
    return this.#totals[name];
  }

  get coldStarts(): Distribution & { readonly bounds: Bounds } {
    return { ...this.#coldStarts, bounds: coldSeconds };
  }

  get loopLag(): Distribution & { readonly bounds: Bounds } {
    return { ...this.#loopLag, bounds: lagSeconds };
  }

  /** Returns what runners hold now, over all of them. */
  gauges(): RunnerGauges {
    const runners = this.#nodes().flatMap((node) => node.runners);
    const sum = (of: 'inFlight' | 'suspended' | 'rssBytes' | 'poolBytes' | 'codeBytes'): number =>
      runners.reduce((total, { stats }) => total + amount(stats?.[of]), 0);
    const serving = runners.filter(({ isServing }) => isServing).length;
    return {
      serving,
      starting: runners.length - serving,
      inFlight: sum('inFlight'),
      suspended: sum('suspended'),
      rssBytes: sum('rssBytes'),
      poolBytes: sum('poolBytes'),
      codeBytes: sum('codeBytes'),
      deployments: Math.max(0, ...runners.map(({ stats }) => amount(stats?.deployments))),
    };
  }
}

/** A runner runs hostile guests: what is no amount counts as nothing. */
function amount(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : 0;
}

function grown(now: unknown, before: unknown): number {
  return Math.max(0, amount(now) - amount(before));
}

function addGrown(
  to: { readonly buckets: number[]; sum: number },
  now: Distribution | undefined,
  before: Distribution | undefined,
): void {
  if (!Array.isArray(now?.buckets)) return;
  for (let index = 0; index < to.buckets.length; index++)
    to.buckets[index] = (to.buckets[index] ?? 0) + grown(now.buckets[index], before?.buckets?.[index]);
  to.sum += grown(now.sum, before?.sum);
}

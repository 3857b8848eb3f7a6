/** Sums of what runners count, over their lives. */
import { expect, it } from 'vitest';
import { RunnerTotals } from '../../../src/control/metrics/runner-totals.ts';
import { coldSeconds, emptyBuckets, lagSeconds } from '../../../src/protocol/distributions.ts';
import type { RunnerStats } from '../../../src/protocol/messages.ts';
import type { NodeView } from '../../../src/protocol/ports.ts';

function stats(poolHits: number, more: Partial<RunnerStats> = {}): RunnerStats {
  return {
    ...{ inFlight: 1, suspended: 2, rssBytes: 3, poolBytes: 4, deployments: 5, stallMs: 0, codeBytes: 6 },
    counters: {
      ...{ poolHits, poolMisses: 1, strayRequests: 0, recordsDropped: 0 },
      coldStarts: { buckets: emptyBuckets(coldSeconds).with(2, poolHits), sum: poolHits / 10 },
      loopLag: { buckets: emptyBuckets(lagSeconds), sum: 0 },
    },
    ...more,
  };
}

function node(runners: Readonly<Record<string, RunnerStats | null>>): NodeView {
  const views = Object.entries(runners).map(([runnerId, its]) => ({
    runnerId,
    pid: 1,
    isServing: its !== null,
    stats: its,
  }));
  return { id: 'n', url: 'http://n', revision: 1, isServing: true, runners: views };
}

it('grows with every runner, and keeps what those that have ended counted', () => {
  let nodes: readonly NodeView[] = [node({ a: stats(10), b: stats(5) })];
  const totals = new RunnerTotals(() => nodes);
  totals.look();
  totals.look();
  expect([totals.total('poolHits'), totals.total('poolMisses'), totals.ended]).toEqual([15, 2, 0]);
  expect(totals.coldStarts.buckets[2]).toBe(15);
  expect(totals.coldStarts.sum).toBeCloseTo(1.5);
  nodes = [node({ b: stats(7) })];
  totals.look();
  expect([totals.total('poolHits'), totals.ended]).toEqual([17, 1]);
  nodes = [node({ b: stats(7) }), node({ c: stats(1), d: null })];
  totals.look();
  expect([totals.total('poolHits'), totals.total('poolMisses'), totals.ended]).toEqual([18, 3, 1]);
  expect(totals.gauges()).toEqual({
    ...{ serving: 2, starting: 1, inFlight: 2, suspended: 4, rssBytes: 6, poolBytes: 8, codeBytes: 12, deployments: 5 },
  });
});

it('takes nothing from a runner that tells no numbers', () => {
  const hostile = stats(3, { rssBytes: Number.NaN, inFlight: 'many' as unknown as number });
  const { counters } = hostile as { counters: { poolMisses: number; loopLag: unknown } };
  counters.poolMisses = -5;
  counters.loopLag = { buckets: 'x', sum: Number.POSITIVE_INFINITY };
  const totals = new RunnerTotals(() => [node({ a: hostile })]);
  totals.look();
  expect([totals.total('poolHits'), totals.total('poolMisses')]).toEqual([3, 0]);
  expect(totals.loopLag.buckets.every((count) => count === 0)).toBe(true);
  expect(totals.gauges()).toMatchObject({ rssBytes: 0, inFlight: 0 });
});

it('outlives a runner that tells no figures at all, and one that tells them by halves', () => {
  let told: unknown = null;
  const totals = new RunnerTotals(() => [node({ a: { ...(stats(3) as object), counters: told } as never })]);
  for (told of [
    null,
    7,
    { coldStarts: null },
    { coldStarts: { sum: 1 } },
    { poolHits: 1e308, loopLag: [] },
    { poolHits: 0 },
  ])
    totals.look();
  const { counters } = stats(5) as unknown as { counters: unknown };
  told = counters;
  totals.look();
  expect(totals.total('poolHits')).toBe(5);
});

/** Figures by handler: a bounded number of handlers, sums that only grow, and nothing from a runner that lies. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FiguresByHandler, figureLimits } from '../../../src/control/usage/handler-figures.ts';
import { otherHandlers, UsageStore } from '../../../src/control/usage/usage-store.ts';
import { callGas, callSeconds, emptyBuckets } from '../../../src/protocol/distributions.ts';
import type { UsageCount } from '../../../src/protocol/messages.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, idOf } from '../../support/logs.ts';

function count(id: string, calls = 1, traced: string | null = null): UsageCount {
  return {
    ...{ handlerId: handlerIdOf(id), deployment: 1, invocations: calls, failures: 1, gas: 500 * calls },
    ...{ durationMs: 2 * calls, bytesIn: 0, bytesOut: 0, inFlight: 0 },
    figures: {
      classes: [0, calls, 0, 0, 0, 0],
      seconds: emptyBuckets(callSeconds).with(1, calls),
      gas: emptyBuckets(callGas).with(0, calls),
      traced: traced === null ? null : { traceId: traced, seconds: 0.002, gas: 500, timeMs: 1_700_000_000_000.5 },
    },
  };
}

it('counts as many handlers by themselves as a scrape may have, and the rest together', () => {
  const figures = new FiguresByHandler();
  const ids = Array.from({ length: figureLimits.handlers + 50 }, (_, n) => `h${n}`);
  for (let round = 0; round < 2; round++) for (const id of ids) figures.add([count(id)]);
  expect(figures.ids).toHaveLength(figureLimits.handlers);
  expect(figures.of(handlerIdOf('h0'))?.classes).toEqual([0, 2, 0, 0, 0, 0]);
  expect(figures.others.classes[1]).toBe(100);
  // A place becomes free; the sum over all stays.
  figures.merge(handlerIdOf('h0'));
  expect(figures.of(handlerIdOf('h0'))).toBeUndefined();
  expect(figures.others.classes[1]).toBe(102);
  expect(figures.others.seconds.buckets[1]).toBe(102);
  expect(figures.others.seconds.sum).toBeCloseTo(0.204);
  figures.add([count('h1049')]);
  expect(figures.of(handlerIdOf('h1049'))?.classes[1]).toBe(1);
  expect(figures.others.classes[1]).toBe(102);
});

it('keeps the last traced call of each bucket', () => {
  const figures = new FiguresByHandler();
  figures.add([count('a', 1, 'a'.repeat(32)), count('a', 1, 'b'.repeat(32))]);
  const { seconds, gas } = figures.of(handlerIdOf('a')) ?? {};
  expect(seconds?.traced[1]?.traceId).toBe('b'.repeat(32));
  expect(gas?.traced[0]?.timeMs).toBe(1_700_000_000_000);
});

it('counts nothing that is no count', () => {
  const figures = new FiguresByHandler();
  const broken = { classes: 'x', seconds: [Number.NaN, -1, 1.5, Infinity], gas: null, traced: { traceId: '"} 1\n' } };
  figures.add([{ ...count('a'), gas: -1, durationMs: Number.NaN, figures: broken as never }]);
  expect(figures.of(handlerIdOf('a'))).toMatchObject({
    classes: [0, 0, 0, 0, 0, 0],
    gas: { sum: 0 },
    seconds: { sum: 0 },
  });
  expect(figures.of(handlerIdOf('a'))?.seconds.traced).toEqual([]);
});

onEachDatabase('figures of handlers', (dialect) => {
  let it_: Bench;
  let usage: UsageStore;

  beforeEach(async () => {
    it_ = await bench(dialect);
    usage = new UsageStore({ db: it_.db, now: () => 1_800_000_000_000, onError: (error) => it_.errors.push(error) });
  });
  afterEach(async () => {
    await usage.close();
    await it_.close();
  });

  it('have their present names; those of handlers that are gone, or never were, count together', async () => {
    await usage.record({ records: [], counts: [count(idOf('aa'), 3), count('invented', 4)] });
    expect((await usage.figures()).map(({ name, figures }) => [name, figures.classes[1]])).toEqual([
      ['aa', 3],
      [otherHandlers, 4],
    ]);
    await it_.db.updateTable('handlers').set({ name: 'renamed' }).where('id', '=', idOf('aa')).execute();
    expect((await usage.figures())[0]?.name).toBe('renamed');
    await it_.db.updateTable('handlers').set({ deleted_ms: 1 }).where('id', '=', idOf('aa')).execute();
    expect((await usage.figures()).map(({ name, figures }) => [name, figures.classes[1]])).toEqual([
      [otherHandlers, 7],
    ]);
  });
});

import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { usageLimits } from '../../../src/control/usage/limits.ts';
import { quantile, recentLimits } from '../../../src/control/usage/recent.ts';
import { RecordRetention, recordLimits } from '../../../src/control/usage/record-retention.ts';
import { UsageStore } from '../../../src/control/usage/usage-store.ts';
import type { UsageCount } from '../../../src/protocol/messages.ts';
import type { InvocationRecord, PendingInvocationRecord } from '../../../src/protocol/nouns.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, idOf } from '../../support/logs.ts';

onEachDatabase('usage', (dialect) => {
  let it: Bench;
  let usage: UsageStore;
  let nowMs: number;

  beforeEach(async () => {
    it = await bench(dialect);
    nowMs = 1_800_000_000_000;
    usage = new UsageStore({ db: it.db, now: () => nowMs, onError: (error) => it.errors.push(error) });
  });

  afterEach(async () => {
    await usage.close();
    await it.close();
  });

  function record(id: string, more: Partial<PendingInvocationRecord> = {}): PendingInvocationRecord {
    return {
      id,
      handlerId: idOf('aa'),
      deployment: 1,
      startedMs: nowMs,
      durationMs: 1.25,
      method: 'GET',
      path: '/x?y=1',
      status: 200,
      outcome: 'ok',
      gas: 2 ** 40,
      memoryPages: 2,
      bytesIn: 1,
      bytesOut: 2,
      syscalls: { log_write: { count: 1, waitMs: 0 } },
      io: { 'log:': { bytesIn: 0, bytesOut: 5 } },
      logLines: 1,
      ...more,
    };
  }

  /** What comes back of a record. */
  function stored({ handlerId: _, ...facts }: PendingInvocationRecord, handler: string): InvocationRecord {
    return { ...facts, handler };
  }

  function count(more: Partial<UsageCount> = {}): UsageCount {
    return {
      handlerId: idOf('aa'),
      deployment: 1,
      invocations: 10,
      failures: 1,
      gas: 100,
      durationMs: 12.5,
      bytesIn: 3,
      bytesOut: 4,
      inFlight: 0,
      ...more,
    };
  }

  test('a batch of a node is stored once, whichever control gets it', async () => {
    const other = new UsageStore({ db: it.db, now: () => nowMs, onError: (error) => it.errors.push(error) });
    const batch = (number: number) => ({
      ...{ id: { origin: 'node', number }, records: [record(`i${number}`)], counts: [count()] },
    });
    await usage.storeOnce([batch(1), batch(2)]);
    // The first control has ended before it confirmed them.
    await other.storeOnce([batch(1), batch(2), batch(3)]);
    const rows = await it.db.selectFrom('usage').select('invocations').execute();
    expect(rows.map(({ invocations }) => Number(invocations))).toEqual([30]);
    expect([usage.totals.invocations, other.totals.invocations]).toEqual([20, 10]);
    await other.close();
  });

  describe('what a runner sends that a guest has taken over', () => {
    const noise = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 20_000))).join(
      '',
    );
    /** Records of which none can be stored as it is. */
    const bad = () => [
      record('nul\0'),
      record(noise),
      record('nul in the outcome', { outcome: 'o\0k' as never }),
      record('long-outcome', { outcome: noise as never }),
      record('no-outcome', { outcome: { toString: 1 } as never }),
    ];
    const inMemory = () => [usage.summary(it.a.id).p50Ms, usage.summary(it.a.id).invocations];

    test('is left out, and what comes with it is stored', async () => {
      const longPath = record('no-path', { path: 7 as never, syscalls: { [noise]: { count: 1, waitMs: 1 } } });
      await usage.record({ records: [...bad(), longPath, record('good')], counts: [count()] });
      await usage.storeOnce([
        { id: { origin: 'n', number: 1 }, records: bad(), counts: [] },
        { id: { origin: 'm', number: 1 }, records: [record('also-good')], counts: [count()] },
      ]);
      expect(it.errors).toEqual([]);
      expect((await usage.list(it.a, { limit: 10 })).map(({ id }) => id)).toEqual(['no-path', 'good', 'also-good']);
      expect((await usage.minutes(it.a.id, 0))[0]).toMatchObject({ invocations: 20 });
      expect(inMemory()).toEqual([1.25, 20]);
    });

    test('ends at the greatest count that can be read again, however much is added', async () => {
      const most = Number.MAX_SAFE_INTEGER;
      const all = { failures: most, gas: most, bytesIn: most, bytesOut: most };
      const huge = count({ ...all, durationMs: Number.MAX_VALUE });
      // In memory first, then in the database.
      await usage.record({ records: [], counts: Array.from({ length: 2_000 }, () => huge) });
      await usage.record({ records: [], counts: [huge] });
      await usage.record({ records: [], counts: [count({ handlerId: idOf('bb') })] });
      expect(it.errors).toEqual([]);
      expect((await usage.minutes(it.a.id, 0))[0]).toMatchObject({ invocations: 20_010, ...all });
      expect((await usage.minutes(it.b.id, 0))[0]).toMatchObject({ invocations: 10 });
    });

    test('on its channel, which also carries what JSON cannot hold', async () => {
      const large = 2n as never;
      const ring: Record<string, unknown> = {};
      ring.ring = ring;
      const records = [record('large', { bytesIn: large }), record('ring', { io: ring as never })];
      const figures = { classes: null, seconds: null, gas: null, traced: { traceId: 'a'.repeat(32), timeMs: large } };
      const counts = [
        count({ invocations: large, gas: large, failures: large, durationMs: large }),
        count({ figures: figures as never }),
        count({ figures: null as never }),
      ];
      await usage.record({
        records: [...records, record('early', { startedMs: large, durationMs: large, gas: large })],
        counts,
      });
      await usage.record({ records: [record('good')], counts: [] });
      expect(it.errors).toEqual([]);
      expect((await usage.list(it.a, { limit: 10 })).map(({ id }) => id)).toEqual(['good']);
      expect(inMemory()).toEqual([1.25, 20]);
    });
  });

  describe('records', () => {
    test('come back whole, newest first, of one handler only', async () => {
      await usage.record({
        records: [record('a', { startedMs: nowMs - 5 }), record('b'), record('c', { handlerId: idOf('bb') })],
        counts: [],
      });
      expect(await usage.list(it.a, { limit: 10 })).toEqual(
        [record('b'), record('a', { startedMs: nowMs - 5 })].map((one) => stored(one, 'aa')),
      );
      expect(await usage.find(it.a, 'a')).toEqual(stored(record('a', { startedMs: nowMs - 5 }), 'aa'));
      expect(await usage.find(it.a, 'c')).toBeNull();
      expect(await usage.find(it.a, 'zzz')).toBeNull();
    });

    test('pages lead through all of them, also where many began in the same millisecond', async () => {
      const all = Array.from({ length: 95 }, (_, i) =>
        record(`r${String(i).padStart(3, '0')}`, { startedMs: nowMs + Math.floor(i / 30) }),
      );
      await usage.record({ records: all, counts: [] });
      const seen: string[] = [];
      for (let before: string | undefined; ; ) {
        const page = await usage.list(it.a, { limit: 10, before });
        if (page.length === 0) break;
        seen.push(...page.map(({ id }) => id));
        before = page.at(-1)!.id;
      }
      expect(seen).toEqual(all.map(({ id }) => id).toReversed());
      await expect(usage.list(it.b, { limit: 1, before: 'r000' })).rejects.toMatchObject({ code: 'not_found' });
    });

    test('failures can be asked for', async () => {
      await usage.record({ records: [record('a'), record('b', { outcome: 'out_of_gas', status: 500 })], counts: [] });
      expect((await usage.list(it.a, { limit: 10, failed: true })).map(({ id }) => id)).toEqual(['b']);
    });

    test('one that is sent again is kept once', async () => {
      await usage.record({ records: [record('a'), record('b')], counts: [] });
      await usage.record({ records: [record('b', { gas: 1 }), record('c')], counts: [] });
      expect((await usage.list(it.a, { limit: 10 })).map(({ id, gas }) => [id, gas])).toEqual([
        ['c', 2 ** 40],
        ['b', 2 ** 40],
        ['a', 2 ** 40],
      ]);
    });

    test('a huge one loses its details instead of growing the database', async () => {
      const syscalls = Object.fromEntries(
        Array.from({ length: 2_000 }, (_, i) => [`call_${i}`, { count: i, waitMs: 0 }]),
      );
      await usage.record({ records: [record('a', { syscalls, path: `/${'x'.repeat(60_000)}` })], counts: [] });
      const found = await usage.find(it.a, 'a');
      expect(found).toMatchObject({ syscalls: {}, gas: 2 ** 40 });
      expect(JSON.stringify(found).length).toBeLessThan(usageLimits.recordChars);
    });

    test('only the newest are retained', async () => {
      const total = recordLimits.retained + 2_500;
      for (let i = 0; i < total; i += 500) {
        const records = Array.from({ length: 500 }, (_, n) => record(`r${i + n}`, { startedMs: nowMs + i + n }));
        await usage.record({ records, counts: [] });
      }
      const retention = new RecordRetention({ db: it.db, onError: (error) => it.errors.push(error) });
      retention.grown(it.a.id, 1);
      await retention.idle();
      const { n } = await it.db
        .selectFrom('invocations')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow();
      expect(n).toBe(recordLimits.retained);
      expect((await usage.list(it.a, { limit: 1 }))[0]!.id).toBe(`r${total - 1}`);
    });
  });

  describe('counters', () => {
    test('add up by minute, over Deployments and messages', async () => {
      nowMs = 60_000 * 30_000_000 + 59_999;
      await Promise.all([
        usage.record({ records: [], counts: [count(), count({ deployment: 2, failures: 0 })] }),
        usage.record({
          records: [],
          counts: [count(), count({ handlerId: idOf('bb') }), count({ handlerId: idOf('nobody') })],
        }),
      ]);
      nowMs += 1;
      await usage.record({ records: [], counts: [count({ invocations: 1 })] });
      expect(await usage.minutes(it.a.id, 0)).toEqual([
        {
          minuteMs: nowMs - 60_000,
          invocations: 30,
          failures: 2,
          gas: 300,
          durationMs: 37.5,
          bytesIn: 9,
          bytesOut: 12,
        },
        { minuteMs: nowMs, invocations: 1, failures: 1, gas: 100, durationMs: 12.5, bytesIn: 3, bytesOut: 4 },
      ]);
      expect(await usage.minutes(it.a.id, nowMs)).toHaveLength(1);
      expect(usage.totals).toMatchObject({ invocations: 51, failures: 5 });
    });

    test('stay exact when the database fails for a while; records are lost, counted', async () => {
      await usage.record({ records: [record('a')], counts: [count()] });
      await sql`alter table usage rename to away`.execute(it.db);
      await usage.record({ records: [record('b')], counts: [count()] });
      await usage.record({ records: [], counts: [count()] });
      expect(it.errors).toHaveLength(2);
      await sql`alter table away rename to usage`.execute(it.db);
      await usage.close();
      expect((await usage.minutes(it.a.id, 0))[0]).toMatchObject({ invocations: 30, gas: 300 });
      expect(usage.totals).toMatchObject({ recordsStored: 1, recordsDropped: 1, invocations: 30 });
    });

    test('are exact when more records come than can wait', async () => {
      const records = Array.from({ length: 1_000 }, (_, i) => record(`r${i}`));
      await Promise.all(Array.from({ length: 40 }, () => usage.record({ records, counts: [count()] })));
      await usage.close();
      expect((await usage.minutes(it.a.id, 0))[0]).toMatchObject({ invocations: 400 });
      expect(usage.totals.recordsDropped).toBe(20_000);
    });

    test('nonsense counts as nothing', async () => {
      await usage.record({
        records: [record('a', { durationMs: Number.NaN, gas: -1, status: 1.5 })],
        counts: [count({ gas: Number.NaN, invocations: -5, durationMs: Number.POSITIVE_INFINITY })],
      });
      await usage.record({ records: [JSON.parse('{}')], counts: [JSON.parse('{"handlerId":null}')] });
      expect(it.errors).toEqual([]);
      expect((await usage.minutes(it.a.id, 0))[0]).toMatchObject({
        gas: 0,
        invocations: 0,
        durationMs: 0,
        failures: 1,
      });
    });

    test('tell the last minute in which each handler was called', async () => {
      nowMs = 60_000 * 30_000_000 + 5;
      expect(await usage.lastCallMs()).toEqual({});
      await usage.record({ records: [], counts: [count()] });
      nowMs += 120_000;
      await usage.record({ records: [], counts: [count({ deployment: 2 })] });
      expect(await usage.lastCallMs()).toEqual({ [idOf('aa')]: 60_000 * 30_000_002 });
    });

    test('old minutes are pruned, a purged handler goes entirely', async () => {
      await usage.record({ records: [record('a')], counts: [count(), count({ handlerId: idOf('bb') })] });
      nowMs += usageLimits.minutesMs + 60_000;
      await usage.record({ records: [], counts: [count()] });
      await usage.prune();
      expect(await usage.minutes(it.a.id, 0)).toHaveLength(1);
      expect(await usage.minutes(it.b.id, 0)).toHaveLength(0);
      await usage.removeHandler(it.a);
      expect(await usage.minutes(it.a.id, 0)).toHaveLength(0);
      expect(await usage.list(it.a, { limit: 1 })).toEqual([]);
      expect(usage.summary(it.a.id).invocations).toBe(0);
    });
  });

  describe('recent figures', () => {
    test('rates are over the last full minute, sums over five', async () => {
      nowMs = 60_000 * 30_000_000;
      for (let second = 0; second < 120; second += 5) {
        await usage.record({ records: [], counts: [count({ invocations: 50, failures: 5, gas: 7 })] });
        nowMs += recentLimits.slotMs;
      }
      expect(usage.summary(it.a.id)).toMatchObject({
        windowMs: 300_000,
        invocations: 24 * 50,
        failures: 24 * 5,
        gas: 24 * 7,
        requestsPerSecond: 10,
        failuresPerSecond: 1,
        p50Ms: null,
      });
      nowMs += 240_000;
      expect(usage.summary(it.a.id)).toMatchObject({ invocations: 50 * 11, requestsPerSecond: 0 });
      nowMs += 300_000;
      expect(usage.summary(it.a.id)).toMatchObject({ invocations: 0, gas: 0 });
    });

    test('percentiles are of the newest recorded invocations', async () => {
      const records = Array.from({ length: 200 }, (_, i) => record(`r${i}`, { durationMs: i + 1 }));
      await usage.record({ records, counts: [] });
      expect(usage.summary(it.a.id)).toMatchObject({ p50Ms: 100, p99Ms: 198 });
      const newer = Array.from({ length: recentLimits.durations }, (_, i) => record(`n${i}`, { durationMs: 5 }));
      await usage.record({ records: newer, counts: [] });
      expect(usage.summary(it.a.id)).toMatchObject({ p50Ms: 5, p99Ms: 5 });
      nowMs += 300_001;
      expect(usage.summary(it.a.id)).toMatchObject({ p50Ms: null, p99Ms: null });
    });

    test('quantile is the smallest value that enough do not exceed', () => {
      expect(quantile([], 0.5)).toBeNull();
      expect(quantile([7], 0.99)).toBe(7);
      expect(quantile([1, 2], 0.5)).toBe(1);
      expect(quantile([1, 2, 3], 0.5)).toBe(2);
      expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    });
  });
});

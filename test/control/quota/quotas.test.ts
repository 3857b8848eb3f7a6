import { randomBytes, randomInt } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Handlers } from '../../../src/control/handlers/handlers.ts';
import { LogStore } from '../../../src/control/logs/log-store.ts';
import { type Quotas, quotaLimits } from '../../../src/control/quota/quotas.ts';
import { KvStore } from '../../../src/control/storage/kv-store.ts';
import { UsageStore } from '../../../src/control/usage/usage-store.ts';
import { domainLimits } from '../../../src/protocol/domains.ts';
import { type HandlerId, handlerIdOf } from '../../../src/protocol/names.ts';
import { type PendingInvocationRecord, storedKinds } from '../../../src/protocol/nouns.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { testQueues } from '../../support/queues.ts';
import { testQuota } from '../../support/quotas.ts';

const KIB = 1024;
const quotaBytes = 64 * KIB;

onEachDatabase('quotas', (dialect) => {
  let store: TemporaryDatabase;
  let handlers: Handlers;
  let kv: KvStore;
  let quota: Quotas;
  let nowMs: number;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 0;
    handlers = new Handlers({ db: store.db, now: Date.now, randomBytes, randomInt });
    kv = new KvStore({ db: store.db, now: Date.now });
    quota = testQuota(store.db, { quotaBytes, now: () => nowMs });
    for (const name of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id: name, name, password_hash: '', created_ms: 0 }).execute();
  });
  afterEach(async () => {
    await quota.close();
    await store.close();
  });

  async function handler(name: string, ownerId = 'ada'): Promise<HandlerId> {
    return handlerIdOf((await handlers.create({ name, ownerId })).id);
  }

  const put = (handlerId: HandlerId, key: string, bytes: number) =>
    quota.storing(handlerId, 'kv', bytes, () => kv.put({ handlerId, bucket: 'b', key }, new Uint8Array(bytes)));

  describe('what a user stores', () => {
    it('is counted over all handlers and kinds, the largest handler first', async () => {
      const [otter, fox] = [await handler('otter'), await handler('fox')];
      const theirs = await handler('theirs', 'bob');
      await put(otter, 'a', 20 * KIB);
      await put(theirs, 'a', 20 * KIB);
      await put(fox, 'a', 0);
      await testQueues(store.db).publish('ada', 'q', new Uint8Array(10 * KIB));
      await quota.measureAll();
      const view = await quota.view('ada');
      expect(view.quotaBytes).toBe(quotaBytes);
      expect(Object.keys(view.byKind)).toEqual([...storedKinds]);
      expect(view.byKind.kv).toBeGreaterThan(20 * KIB);
      expect(view.byKind.queues).toBeGreaterThan(10 * KIB);
      expect(view.usedBytes).toBe(Object.values(view.byKind).reduce((sum, bytes) => sum + bytes, 0));
      expect(view.usedBytes).toBeLessThan(32 * KIB);
      expect(view.handlers.map(({ name }) => name)).toEqual(['otter', 'fox']);
    });

    it('tells the custom domains of all handlers of the user, and how many there may be', async () => {
      const [otter, fox] = [await handler('otter'), await handler('fox')];
      const theirs = await handler('theirs', 'bob');

      const claims = [otter, otter, fox, theirs].map((handler_id, n) => ({
        ...{ handler_id, domain: `d${n}.example.com`, token: `t${n}`, created_ms: 0 },
      }));
      await store.db.insertInto('domains').values(claims).execute();
      expect((await quota.view('ada')).domains).toEqual({ count: 3, max: domainLimits.perUser });
    });

    it('is refused past the quota before it is stored, saying what uses most and what to do', async () => {
      const [otter, fox] = [await handler('otter'), await handler('fox')];
      await put(fox, 'a', 10 * KIB);
      await quota.measure(fox);
      await put(otter, 'a', 40 * KIB);
      await expect(put(otter, 'b', 20 * KIB)).rejects.toMatchObject({
        code: 'limit_exceeded',
        message: expect.stringMatching(/^your quota is used up: 50\.\d KiB of 64 KiB$/),
        details: [
          expect.stringMatching(/^otter {2}40\.\d KiB {2}kv 40\.\d KiB$/),
          expect.stringMatching(/^fox {2}10\.\d KiB/),
        ],
        hints: expect.arrayContaining([expect.stringContaining('wasmcloud delete NAME --purge')]),
      });
      expect(await kv.get({ handlerId: otter, bucket: 'b', key: 'b' })).toBeNull();
      await put(await handler('theirs', 'bob'), 'a', 60 * KIB);
    });

    it('counts what no measure has found yet, also when a measure of another handler ends meanwhile', async () => {
      const [otter, fox] = [await handler('otter'), await handler('fox')];
      const otterMeasured = Promise.withResolvers<number>();
      const none = async () => 0;
      const kvBytes = (id: string) => (id === otter ? otterMeasured.promise : none());
      await quota.close();
      quota = testQuota(store.db, {
        quotaBytes,
        now: () => nowMs,
        measures: { repositories: none, artifacts: none, logs: none, usage: none, kv: kvBytes },
      });
      await quota.storing(otter, 'kv', 50 * KIB, none); // its measure begins, and does not end
      await quota.measure(fox);
      expect(await quota.usedBytes('ada')).toBe(50 * KIB);
      otterMeasured.resolve(51 * KIB);
      await quota.measure(otter);
      expect(await quota.usedBytes('ada')).toBe(51 * KIB);
    });

    it('counts all when a measure ends while the sum is read', async () => {
      const otter = await handler('otter');
      await quota.close();
      const ends: (() => Promise<void>)[] = [];
      quota = testQuota(store.db, {
        quotaBytes,
        now: () => nowMs,
        queueBytes: async () => {
          await ends.pop()?.();
          return 0;
        },
      });
      await put(otter, 'a', 40 * KIB);
      nowMs += quotaLimits.trustMs;
      ends.push(() => quota.measure(otter, ['kv']));
      expect(await quota.usedBytes('ada')).toBeGreaterThanOrEqual(40 * KIB);
      // Measures that always end meanwhile are waited for only so often.
      nowMs += quotaLimits.trustMs;
      await put(otter, 'b', 10 * KIB);
      nowMs += quotaLimits.trustMs;
      for (let i = 0; i < 20; i += 1) ends.push(() => quota.measure(otter, ['kv']));
      expect(await quota.usedBytes('ada')).toBeGreaterThanOrEqual(50 * KIB);
      expect(ends).toHaveLength(20 - quotaLimits.reads);
    });

    it('counts growth once when two measures of a handler end one after the other, the older one last', async () => {
      const otter = await handler('otter');
      const none = async () => 0;
      const measured: PromiseWithResolvers<number>[] = [];
      const kvBytes = () => {
        const next = Promise.withResolvers<number>();
        measured.push(next);
        return next.promise;
      };
      await quota.close();
      quota = testQuota(store.db, {
        quotaBytes,
        now: () => nowMs,
        measures: { repositories: none, artifacts: none, logs: none, usage: none, kv: kvBytes },
      });
      const own = quota.measure(otter, ['kv']);
      await quota.storing(otter, 'kv', 10 * KIB, none); // the first growth begins a measure of its own
      const second = quota.measure(otter, ['kv']);
      await quota.storing(otter, 'kv', 20 * KIB, none);
      const third = quota.measure(otter, ['kv']);
      for (const n of [1, 2]) measured[n]!.resolve(10 * KIB);
      await second;
      measured[3]!.resolve(30 * KIB);
      await third;
      await quota.storing(otter, 'kv', 5 * KIB, none);
      measured[0]!.resolve(0); // what it read is older than what is stored
      await own;
      expect(await quota.usedBytes('ada')).toBe(35 * KIB);
    });

    it('holds no bytes that were deleted while an older measure ran, which ends last', async () => {
      const otter = await handler('otter');
      const none = async () => 0;
      const older = Promise.withResolvers<number>();
      const results = [older.promise, Promise.resolve(KIB)];
      await quota.close();
      quota = testQuota(store.db, {
        quotaBytes,
        now: () => nowMs,
        measures: {
          ...{ repositories: none, artifacts: none, logs: none, usage: none },
          kv: () => results.shift() ?? none(),
        },
      });
      const first = quota.measure(otter, ['kv']);
      await quota.measure(otter, ['kv']);
      older.resolve(50 * KIB);
      await first;
      expect(await quota.bytesOf(otter)).toBe(KIB);
      expect(await quota.usedBytes('ada')).toBe(KIB);
    });

    it('is refused too where another control has stored it, once the sum is read again', async () => {
      const otter = await handler('otter');
      await put(otter, 'a', KIB);
      const other = testQuota(store.db, { quotaBytes, now: () => nowMs });
      await other.storing(otter, 'kv', 60 * KIB, () =>
        kv.put({ handlerId: otter, bucket: 'b', key: 'x' }, new Uint8Array(60 * KIB)),
      );
      await other.measure(otter);
      await other.close();
      nowMs += quotaLimits.trustMs;
      await expect(put(otter, 'b', 20 * KIB)).rejects.toMatchObject({ code: 'limit_exceeded' });
    });

    it('counts a value once however often it is replaced', async () => {
      const otter = await handler('otter');
      for (let i = 0; i < 20; i += 1) {
        await put(otter, 'same', 30 * KIB);
        nowMs += quotaLimits.recountMs;
      }
      expect((await quota.view('ada')).usedBytes).toBeLessThan(32 * KIB);
    });

    it('counts no more once its handler has been purged; a deleted one counts', async () => {
      const otter = await handler('otter');
      await put(otter, 'a', 60 * KIB);
      await quota.measure(otter);
      await quota.deleting(() => handlers.delete(otter));
      expect((await quota.view('ada')).handlers).toMatchObject([{ name: 'otter', deleted: true }]);
      const next = await handler('next');
      await expect(put(next, 'a', 60 * KIB)).rejects.toMatchObject({
        details: [expect.stringMatching(/^otter \(deleted\) {2}60\.\d KiB/)],
      });
      await quota.deleting(async () => handlers.purgeOne((await handlers.findById(otter))!, async () => {}));
      await put(next, 'a', 60 * KIB);
    });
  });

  it('log lines give way: they never take more than their share of the quota, so values are not refused for logs', async () => {
    const logs = await LogStore.open({ db: store.db, now: Date.now, onError: () => {} });
    await quota.close();
    quota = testQuota(store.db, {
      quotaBytes: 4_000 * KIB,
      now: () => nowMs,
      trim: { logs: (id, bytes) => logs.trim(id, bytes), usage: async () => {} },
    });
    const [loud, quiet] = [await handler('loud'), await handler('quiet')];
    const line = { deployment: 1, invocation: 'i', seq: 1, timeMs: 0, gas: 0, stream: 'log', level: 6 } as const;
    // Texts that cannot be packed into less: 500 KiB a block.
    const text = () => randomBytes(640).toString('base64');
    for (let i = 0; i < 8; i += 1)
      await logs.append(Array.from({ length: 600 }, () => ({ ...line, handlerId: loud, text: text() })));
    await logs.append(Array.from({ length: 100 }, (_, i) => ({ ...line, handlerId: quiet, text: `line ${i}` })));
    await quota.measure(quiet);
    const before = await quota.view('ada');
    await quota.measure(loud);
    const after = await quota.view('ada');
    // A quarter of the quota, and the newest block stays whatever its size.
    expect(after.byKind.logs).toBeLessThanOrEqual(1_000 * KIB);
    expect((await logs.query({ id: quiet, name: 'quiet' }, {})).lines).toHaveLength(100);
    expect(after.handlers.find(({ name }) => name === 'quiet')).toEqual(before.handlers[0]);
    expect((await logs.query({ id: loud, name: 'loud' }, { limit: 1 })).lines).toHaveLength(1);
    await logs.close();
  });

  it('records and counters of invocations give way: the oldest go, the newest stay', async () => {
    const usage = new UsageStore({ db: store.db, now: Date.now, onError: () => {} });
    await quota.close();
    quota = testQuota(store.db, {
      quotaBytes: 10_000 * KIB,
      now: () => nowMs,
      trim: { logs: async () => {}, usage: (id, bytes) => usage.trim(id, bytes) },
    });
    const [busy, calm] = [await handler('busy'), await handler('calm')];
    const record = (id: string, handlerId: HandlerId, startedMs: number): PendingInvocationRecord => ({
      ...{ id, handlerId, startedMs, deployment: 1, durationMs: 1, method: 'GET', path: `/${'x'.repeat(800)}` },
      ...{ status: 200, outcome: 'ok', gas: 1, memoryPages: 1, bytesIn: 0, bytesOut: 0, syscalls: {}, io: {} },
      logLines: 0,
    });
    await usage.record({ records: Array.from({ length: 2_000 }, (_, n) => record(`b${n}`, busy, n)), counts: [] });
    await usage.record({ records: [record('c', calm, 1)], counts: [] });
    await store.db
      .insertInto('usage')
      .values(
        Array.from({ length: 3_000 }, (_, n) => ({
          ...{ handler_id: busy, deployment: 1, minute_ms: n * 60_000, invocations: 1, failures: 0, refusals: 0 },
          ...{ gas: 1, duration_ms: 1, bytes_in: 0, bytes_out: 0 },
        })),
      )
      .execute();
    await quota.measure(calm);
    await quota.measure(busy);
    const view = await quota.view('ada');
    // A tenth of the quota for both.
    expect(view.byKind.usage).toBeLessThanOrEqual(1_000 * KIB);
    const kept = await usage.list({ id: busy, name: 'busy' }, { limit: 500 });
    expect(kept[0]).toMatchObject({ id: 'b1999' });
    expect(await usage.find({ id: busy, name: 'busy' }, 'b0')).toBeNull();
    const minutes = await usage.minutes(busy, 0);
    expect(minutes.at(-1)).toMatchObject({ minuteMs: 2_999 * 60_000 });
    expect(minutes.length).toBeGreaterThan(1_000);
    expect(minutes.length).toBeLessThan(2_000);
    expect(await usage.find({ id: calm, name: 'calm' }, 'c')).not.toBeNull();
    await usage.close();
  });
});

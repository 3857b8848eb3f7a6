/**
 * What every version of the port LogFeed promises beyond test/control/logs: expired cursors, searches, two controls.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { queryLimits } from '../../../src/control/logs/log-query.ts';
import { LogStore } from '../../../src/control/logs/log-store.ts';
import { LogRetention } from '../../../src/control/logs/retention.ts';
import { SearchTurns } from '../../../src/control/logs/search-turns.ts';
import type { LogFrame } from '../../../src/protocol/nouns.ts';
import type { LogTailReader } from '../../../src/protocol/ports.ts';
import { onEachDatabase, onPostgres } from '../../support/database.ts';
import { type Bench, bench, line, numbered, storedLines } from '../../support/logs.ts';

onEachDatabase('log feed', (dialect) => {
  let it: Bench;
  let logs: LogStore;

  beforeEach(async () => {
    it = await bench(dialect);
    logs = await it.openLogs();
  });

  afterEach(async () => {
    await logs.close();
    await it.close();
  });

  describe('a cursor whose lines are gone', () => {
    async function keepNewest(retainedLines: number): Promise<void> {
      const retention = new LogRetention({ db: it.db, onError: (e) => it.errors.push(e), retainedLines });
      retention.grown(it.a.id, { lines: 1_000_000, bytes: 0 });
      await retention.idle();
      await retention.close();
    }

    test('says how many, in history and live; a cursor after them does not', async () => {
      await logs.append(numbered('aa', 10));
      const { cursor } = await logs.query(it.a, {});
      for (let i = 10; i < 2_410; i += 200) await logs.append(numbered('aa', 200, i));
      await logs.append(numbered('aa', 90, 2_410));
      await logs.append(numbered('bb', 50));
      await keepNewest(90);
      const page = await logs.query(it.a, { after: cursor, limit: 5 });
      // The first 10 were read: they went in one step with others, which counts them too.
      expect(page.expired).toBeGreaterThanOrEqual(2_400);
      expect(page.expired).toBeLessThanOrEqual(2_410);
      expect(page.lines[0]).toMatchObject({ text: 'line 2410' });
      expect((await logs.query(it.a, { after: page.cursor })).expired).toBe(0);
      expect((await logs.query(it.a, {})).expired).toBe(0);
      expect((await logs.query(it.a, { after: 0 })).expired).toBe(0);
      const tail = logs.tail(it.a, { after: cursor });
      expect((await tail.next())!.dropped).toBe(page.expired);
      const later = logs.tail(it.a, { after: page.cursor });
      expect((await later.next())!.dropped).toBe(0);
      expect((await logs.query(it.b, { after: 1 })).expired).toBe(0);
    });

    test('is told after many rounds of retention too, without a row for each', async () => {
      for (let round = 0; round < 80; round += 1) {
        await logs.append(numbered('aa', 10, round * 10));
        await keepNewest(5);
      }
      const rows = await it.db.selectFrom('log_expired').selectAll().execute();
      expect(rows.length).toBeLessThanOrEqual(64);
      expect((await logs.query(it.a, { after: 1 })).expired).toBe(790);
      await logs.removeHandler(it.a);
      expect(await it.db.selectFrom('log_expired').selectAll().execute()).toEqual([]);
    });
  });

  describe('a search', () => {
    test('stops after so many bytes, says so, and goes on from its cursor both ways', async () => {
      const text = 'x'.repeat(16_000);
      const count = Math.ceil((queryLimits.searchBytes * 1.2) / text.length);
      for (let i = 0; i < count; i += 250)
        await logs.append(
          Array.from({ length: Math.min(250, count - i) }, (_, n) =>
            line('aa', i + n === 0 || i + n === count - 1 ? `needle ${text}` : text, { seq: i + n }),
          ),
        );
      const forward = await logs.query(it.a, { after: 0, grep: 'needle' });
      expect(forward).toMatchObject({ stopped: true, more: true });
      expect(forward.lines.map(({ seq }) => seq)).toEqual([0]);
      const rest = await logs.query(it.a, { after: forward.cursor, grep: 'needle' });
      expect(rest).toMatchObject({ stopped: false, more: false });
      expect(rest.lines.map(({ seq }) => seq)).toEqual([count - 1]);
      const backward = await logs.query(it.a, { grep: 'needle' });
      expect(backward).toMatchObject({ stopped: true, more: true });
      expect(backward.lines.map(({ seq }) => seq)).toEqual([count - 1]);
      const older = await logs.query(it.a, { before: backward.before!, grep: 'needle' });
      expect(older).toMatchObject({ stopped: false, before: null });
      expect(older.lines.map(({ seq }) => seq)).toEqual([0]);
    });

    test('rests after each of its parts, so that others get the processor', async () => {
      const text = 'x'.repeat(16_000);
      // More than the rows and bytes of three parts.
      for (let i = 0; i < 4; i += 1)
        await logs.append(Array.from({ length: 300 }, (_, n) => line('aa', text, { seq: i * 300 + n })));
      const timers = vi.spyOn(globalThis, 'setTimeout');
      try {
        const answer = await logs.query(it.a, { after: 0, grep: 'needle' });
        expect(answer).toMatchObject({ lines: [], more: false });
        const rests = timers.mock.calls.filter(([, ms]) => ms !== undefined && ms <= queryLimits.restMs);
        expect(rests.length).toBeGreaterThanOrEqual(2);
        timers.mockClear();
        // A read without a filter looks at no line in vain.
        await logs.query(it.a, { after: 0, limit: 10 });
        expect(timers.mock.calls.filter(([, ms]) => ms !== undefined && ms <= queryLimits.restMs)).toEqual([]);
      } finally {
        timers.mockRestore();
      }
    });

    test('of one user waits for the others of that user, and for nobody else’s', async () => {
      const order: string[] = [];
      // A search that is held up: what comes after it in the same turn has to wait.
      const held = Promise.withResolvers<void>();
      const turns = new SearchTurns();
      const first = turns.run('ada', () => held.promise);
      const second = turns.run('ada', async () => void order.push('second'));
      await turns.run('bob', async () => void order.push('bob'));
      expect(order).toEqual(['bob']);
      held.resolve();
      await Promise.all([first, second]);
      expect(order).toEqual(['bob', 'second']);
    });

    test('through the feed takes such a turn, by user; a read without a filter does not', async () => {
      await logs.append(numbered('aa', 10));
      const ask = async (grep: string | undefined) => {
        const asked = Array.from({ length: 300 }, () => logs.query(it.a, { grep, userId: 'ada' }));
        const others = logs.query(it.a, { grep: 'line', userId: 'bob' });
        const answers = await Promise.allSettled(asked);
        expect((await others).lines).toHaveLength(10);
        return answers.filter(({ status }) => status === 'rejected').length;
      };
      expect(await ask('line')).toBeGreaterThan(0);
      expect(await ask(undefined)).toBe(0);
    });

    test('too many that wait are refused, with a time to try again', async () => {
      const turns = new SearchTurns();
      const held = Promise.withResolvers<void>();
      const waiting = Array.from({ length: 64 }, () => turns.run('ada', () => held.promise));
      await expect(turns.run('ada', async () => {})).rejects.toMatchObject({ code: 'rate_limited' });
      await turns.run('bob', async () => {});
      held.resolve();
      await Promise.all(waiting);
      await turns.run('ada', async () => {});
    });
  });
});

onPostgres('log feed of two controls', (dialect) => {
  let it: Bench;
  let one: LogStore;
  let two: LogStore;

  beforeEach(async () => {
    it = await bench(dialect);
    one = await it.openLogs({ cursorBlock: 20 });
    const db = await it.database.open();
    two = await LogStore.open({ db, now: Date.now, cursorBlock: 20, onError: (error) => it.errors.push(error) });
  });

  afterEach(async () => {
    await one.close();
    await two.close();
    await it.close();
  });

  async function read(tail: LogTailReader, count: number): Promise<number[]> {
    const seen: number[] = [];
    while (seen.length < count) {
      const frame: LogFrame | null = await tail.next();
      expect(frame!.dropped).toBe(0);
      seen.push(...frame!.lines.map(({ seq }) => seq));
    }
    return seen;
  }

  test('cursors are unique and in the order of commits; history and live tails of each see the lines of both', async () => {
    const tails = [one, two].map((logs) => logs.tail(it.a, { after: 0 }));
    const writing = [one, two].map(async (logs, which) => {
      for (let i = 0; i < 30; i += 1) await logs.append(numbered('aa', 5, which * 1_000 + i * 5));
    });
    const expected = [0, 1_000].flatMap((from) => Array.from({ length: 150 }, (_, i) => from + i));
    const [first, second] = await Promise.all(tails.map((tail) => read(tail, 300)));
    await Promise.all(writing);
    expect(first).toEqual(second);
    expect([...first!].sort((a, b) => a - b)).toEqual(expected);
    const rows = await storedLines(it.db);
    expect(new Set(rows.map(({ cursor }) => cursor)).size).toBe(300);
    expect(rows.map(({ seq }) => seq)).toEqual(first);
    for (const logs of [one, two])
      expect((await logs.query(it.a, { after: 0, limit: 1_000 })).lines.map(({ seq }) => seq)).toEqual(first);
    expect(it.errors).toEqual([]);
  });

  test('a live reader of one control goes on where one of the other has ended', async () => {
    await one.append(numbered('aa', 3));
    const { cursor } = await one.query(it.a, { after: 0 });
    await two.catchUp();
    const tail = two.tail(it.a, { after: cursor });
    await one.append(numbered('aa', 2, 10));
    expect(await read(tail, 2)).toEqual([10, 11]);
    tail.close();
  });

  test('a batch that was stored through one control is known to the other', async () => {
    const id = { origin: 'node-1', number: 1 };
    expect(await one.append(numbered('aa', 2), {}, id)).toBe('stored');
    expect(await two.append(numbered('aa', 2), {}, id)).toBe('known');
  });
});

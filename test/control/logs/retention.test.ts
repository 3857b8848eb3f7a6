import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expiredBetween } from '../../../src/control/logs/expired.ts';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { LogRetention, retentionLimits } from '../../../src/control/logs/retention.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, line, numbered, storedLines, storeLines } from '../../support/logs.ts';

onEachDatabase('log retention', (dialect) => {
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

  async function count(handlerId: string): Promise<number> {
    return (await storedLines(it.db, handlerId)).length;
  }

  let nextCursor = 1;
  let nextSeq = 0;
  beforeEach(() => {
    nextCursor = 1;
    nextSeq = 0;
  });

  /** Stores blocks of consecutive lines, with `line N` as their texts by default. */
  async function put(
    handlerId: string,
    { blocks, lines, text = (n) => `line ${n}` }: { blocks: number; lines: number; text?: (n: number) => string },
  ): Promise<void> {
    for (let block = 0; block < blocks; block += 1) {
      const stored = Array.from({ length: lines }, (_, at) => {
        const seq = nextSeq + at;
        return { cursor: nextCursor + at, line: line('aa', text(seq), { seq, timeMs: Date.now() }) };
      });
      await storeLines(it.db, handlerId, stored);
      nextCursor += lines;
      nextSeq += lines;
    }
  }

  describe('retention', () => {
    const retentionOf = (limits: { readonly retainedLines?: number; readonly retainedBytes?: number }) =>
      new LogRetention({ db: it.db, onError: (e) => it.errors.push(e), ...limits });

    test('keeps as many of the newest blocks of each handler as the lines need, in steps', async () => {
      const retention = retentionOf({ retainedLines: 500 });
      await put(it.a.id, { blocks: 370, lines: 10 });
      await put(it.b.id, { blocks: 1, lines: 400 });
      retention.grown(it.a.id, { lines: 3_700, bytes: 0 });
      retention.grown(it.b.id, { lines: 400, bytes: 0 });
      await retention.idle();
      const kept = await storedLines(it.db, it.a.id);
      expect(kept).toHaveLength(500);
      expect(kept[0]!.text).toBe('line 3200');
      expect(await count(it.b.id)).toBe(400);
      expect(await expiredBetween(it.db, { handlerId: it.a.id, after: 0, below: kept[0]!.cursor })).toBe(3_200);
      expect(it.errors).toEqual([]);
    });

    test('never keeps fewer lines than it is asked to, since blocks go as a whole', async () => {
      const retention = retentionOf({ retainedLines: 500 });
      await put(it.a.id, { blocks: 3, lines: 300 });
      retention.grown(it.a.id, { lines: 1, bytes: 0 });
      await retention.idle();
      expect(await count(it.a.id)).toBe(600);
    });

    test('looks again only when a handler has grown', async () => {
      const retention = retentionOf({ retainedLines: 500 });
      const grow = async (blocks: number, lines: number) => {
        await put(it.a.id, { blocks, lines });
        retention.grown(it.a.id, { lines: blocks * lines, bytes: 0 });
        await retention.idle();
        return count(it.a.id);
      };
      expect(await grow(100, 5)).toBe(500);
      expect(await grow(1, 49)).toBe(549);
      expect(await grow(1, 1)).toBe(500);
    });

    test('bounds the stored bytes as well, and always keeps the newest block', async () => {
      await put(it.a.id, { blocks: 8, lines: 50, text: () => randomBytes(1_000).toString('base64') });
      const rows = await it.db.selectFrom('log_blocks').select('bytes').orderBy('first_cursor', 'desc').execute();
      const three = rows.slice(0, 3).reduce((sum, { bytes }) => sum + bytes + retentionLimits.blockOverheadBytes, 0);
      for (const row of rows) expect(row.bytes).toBeGreaterThan(50 * 1_000);
      const trim = async (retainedBytes: number) => {
        const retention = retentionOf({ retainedBytes });
        retention.grown(it.a.id, { lines: 1, bytes: 1 });
        await retention.idle();
        return count(it.a.id);
      };
      expect(await trim(three)).toBe(150);
      expect(await trim(three - 1)).toBe(100);
      expect(await trim(1)).toBe(50);
      expect((await storedLines(it.db, it.a.id)).at(-1)!.seq).toBe(399);
      expect(it.errors).toEqual([]);
    });

    test('removes lines that are older than the server or their handler keeps them, and says how many', async () => {
      const dayMs = 24 * 60 * 60_000;
      const nowMs = Date.now();
      const at = (days: number) => nowMs - days * dayMs;
      for (const [cursor, days] of [40, 20, 10, 50, 1].entries())
        await storeLines(it.db, it.a.id, [{ cursor: cursor + 1, line: line('aa', `${days}`, { timeMs: at(days) }) }]);
      await storeLines(it.db, it.b.id, [{ cursor: 9, line: line('bb', 'old', { timeMs: at(29) }) }]);
      const kept = async () => (await storedLines(it.db)).map(({ text }) => text);
      await logs.prune();
      // A block behind newer ones stays as long as those do: readers go on by cursor.
      expect(await kept()).toEqual(['20', '10', '50', '1', 'old']);
      expect(await logs.keep(it.a.id, { days: 15 })).toEqual({ days: 15, bytes: null });
      expect(await kept()).toEqual(['10', '50', '1', 'old']);
      await logs.keep(it.b.id, { days: 7 });
      expect(await kept()).toEqual(['10', '50', '1']);
      expect(await expiredBetween(it.db, { handlerId: it.a.id, after: 1, below: 3 })).toBe(1);
    });

    test('by bytes of a handler holds at once and after a start, and never exceeds what the server keeps', async () => {
      await put(it.a.id, { blocks: 8, lines: 50, text: () => randomBytes(1_000).toString('base64') });
      expect(await logs.keep(it.a.id, { bytes: 200_000 })).toEqual({ days: null, bytes: 200_000 });
      const after = await count(it.a.id);
      expect(after).toBeGreaterThanOrEqual(100);
      expect(after).toBeLessThan(200);
      await logs.close();
      logs = await it.openLogs();
      expect(logs.keeping.of(it.a.id).bytes).toBe(200_000);
      expect(await logs.keep(it.a.id, { bytes: 2 ** 50, days: 3_000 })).toEqual({ days: 3_000, bytes: 2 ** 50 });
      expect(logs.keeping.of(it.a.id)).toEqual(logs.keeping.server);
      expect(await logs.keep(it.a.id, { bytes: null, days: null })).toEqual({ days: null, bytes: null });
    });

    test('removes nothing while the wall clock has just been moved', async () => {
      const clock = { wallMs: 10 ** 12, uptimeMs: 5_000 };
      const day = 24 * 60 * 60_000;
      const pass = (ms: number) => {
        clock.wallMs += ms;
        clock.uptimeMs += ms;
      };
      const retention = new LogRetention({
        ...{ db: it.db, onError: (error) => it.errors.push(error), retainedDays: 30 },
        ...{ now: () => clock.wallMs, uptimeMs: () => clock.uptimeMs },
      });
      await storeLines(it.db, it.a.id, [{ cursor: 1, line: line('aa', 'x', { timeMs: clock.wallMs }) }]);
      clock.wallMs += 400 * day;
      await retention.expireAll();
      pass(day / 2);
      await retention.expireAll();
      clock.wallMs -= 400 * day;
      pass(day * 2);
      await retention.expireAll();
      expect(await count(it.a.id)).toBe(1);
      pass(day * 28);
      await retention.expireAll();
      expect(await count(it.a.id)).toBe(0);
    });

    test('heeds a clock that has moved while control was not running', async () => {
      const clock = { wallMs: 10 ** 12, uptimeMs: 5_000 };
      const day = 24 * 60 * 60_000;
      const pass = (ms: number) => {
        clock.wallMs += ms;
        clock.uptimeMs += ms;
      };
      /** A start: its monotonic clock begins anew. */
      const start = () => {
        clock.uptimeMs = 10;
        return new LogRetention({
          ...{ db: it.db, onError: (error) => it.errors.push(error), retainedDays: 30 },
          ...{ now: () => clock.wallMs, uptimeMs: () => clock.uptimeMs },
        });
      };
      await storeLines(it.db, it.a.id, [{ cursor: 1, line: line('aa', 'x', { timeMs: clock.wallMs }) }]);
      await start().expireAll();
      // Two starts with a clock that is wrong by a year, for half a day each; then it is right again.
      for (const jump of [400 * day, 0]) {
        clock.wallMs += jump;
        const retention = start();
        await retention.expireAll();
        pass(day / 2 - 1_000);
        await retention.expireAll();
        expect(await count(it.a.id)).toBe(1);
      }
      clock.wallMs -= 400 * day;
      const right = start();
      await right.expireAll();
      pass(2 * day);
      await right.expireAll();
      expect(await count(it.a.id)).toBe(1);
      // A night without the machine is no such jump, and age counts again.
      pass(28 * day);
      await right.expireAll();
      expect(await count(it.a.id)).toBe(0);
      await storeLines(it.db, it.a.id, [{ cursor: 2, line: line('aa', 'y', { timeMs: clock.wallMs - 31 * day }) }]);
      clock.wallMs += day / 2;
      await start().expireAll();
      expect(await count(it.a.id)).toBe(0);
    });

    test('lines of a clock that was ahead keep no later ones, and go with the first that is old', async () => {
      const day = 24 * 60 * 60_000;
      const clock = { wallMs: 10 ** 12 };
      const retention = new LogRetention({
        ...{ db: it.db, onError: (error) => it.errors.push(error), retainedDays: 30 },
        ...{ now: () => clock.wallMs, uptimeMs: () => clock.wallMs },
      });
      const put = (cursor: number, text: string, timeMs: number) =>
        storeLines(it.db, it.a.id, [{ cursor, line: line('aa', text, { timeMs }) }]);
      const kept = async () => (await storedLines(it.db)).map(({ text }) => text);
      await put(1, 'before', clock.wallMs - 20 * day);
      await put(2, 'ahead', clock.wallMs + 400 * day);
      await retention.expireAll();
      expect(await kept()).toEqual(['before', 'ahead']);
      clock.wallMs += 11 * day;
      // Nothing behind it tells its age.
      await retention.expireAll();
      expect(await kept()).toEqual(['ahead']);
      await put(3, 'after', clock.wallMs);
      clock.wallMs += 29 * day;
      await put(4, 'new', clock.wallMs);
      await retention.expireAll();
      expect(await kept()).toEqual(['ahead', 'after', 'new']);
      clock.wallMs += 2 * day;
      await retention.expireAll();
      expect(await kept()).toEqual(['new']);
      expect(it.errors).toEqual([]);
    });

    test("a purged handler's lines all go, the others' stay", async () => {
      await logs.append(numbered('aa', 2_500));
      await logs.append(numbered('bb', 5));
      await logs.removeHandler(it.a);
      expect(await count(it.a.id)).toBe(0);
      expect(await count(it.b.id)).toBe(5);
    });

    test('a name that somebody else takes after a purge does not get into the old log', async () => {
      await logs.append(numbered('aa', 1));
      await it.handlers.delete(it.a.id);
      await it.db.updateTable('handlers').set({ deleted_ms: 1 }).where('id', '=', it.a.id).execute();
      expect(await it.handlers.purge((handler) => logs.removeHandler(handler))).toBe(1);
      const fresh = await it.handlers.create({ name: 'aa', ownerId: 'u' });
      // Late lines of the purged handler, and lines of the one that has its name now.
      await logs.append([
        ...numbered('aa', 2),
        ...numbered('aa', 3).map((line) => ({ ...line, handlerId: handlerIdOf(fresh.id) })),
      ]);
      expect(await count(it.a.id)).toBe(0);
      expect(await count(fresh.id)).toBe(3);
      expect(logs.counters.unknown).toBe(2);
    });
  });
});

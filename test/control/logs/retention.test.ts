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
        return { cursor: nextCursor + at, line: line('aa', text(seq), { seq }) };
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

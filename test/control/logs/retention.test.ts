import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { LogRetention, retentionLimits } from '../../../src/control/logs/retention.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, line, numbered } from '../../support/logs.ts';

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
    const rows = await it.db.selectFrom('log_lines').select('seq').where('handler_id', '=', handlerId).execute();
    return rows.length;
  }

  describe('retention', () => {
    test('keeps the newest lines of each handler, in steps', async () => {
      const retention = new LogRetention({
        db: it.db,
        onError: (e) => it.errors.push(e),
        retainedLines: 500,
      });
      await logs.append(numbered('aa', 3_700));
      await logs.append(numbered('bb', 400));
      retention.grown(it.a.id, { lines: 3_700, bytes: 0 });
      retention.grown(it.b.id, { lines: 400, bytes: 0 });
      await retention.idle();
      expect(await count(it.a.id)).toBe(500);
      expect(await count(it.b.id)).toBe(400);
      expect((await logs.query(it.a, { after: 0, limit: 1 })).lines[0]!.text).toBe('line 3200');
      expect(it.errors).toEqual([]);
    });

    test('looks again only when a handler has grown', async () => {
      const retention = new LogRetention({
        db: it.db,
        onError: (e) => it.errors.push(e),
        retainedLines: 500,
      });
      const grow = async (lines: number) => {
        await logs.append(numbered('aa', lines));
        retention.grown(it.a.id, { lines, bytes: 0 });
        await retention.idle();
        return count(it.a.id);
      };
      expect(await grow(500)).toBe(500);
      expect(await grow(49)).toBe(549);
      expect(await grow(1)).toBe(500);
    });

    test('bounds the bytes as well, by whole steps, and always keeps the newest lines', async () => {
      const make = (retainedBytes: number) =>
        new LogRetention({ db: it.db, onError: (e) => it.errors.push(e), retainedBytes });
      const text = `nul\0${'é'.repeat(1_000)}`; // 2,004 bytes, of which length() would see 3
      for (let i = 0; i < 8; i += 1)
        await logs.append(Array.from({ length: 500 }, (_, n) => line('aa', text, { seq: i * 500 + n })));
      const three = make(3_500 * (2_004 + retentionLimits.lineOverheadBytes));
      three.grown(it.a.id, { lines: 1, bytes: 1 });
      await three.idle();
      expect(await count(it.a.id)).toBe(3_000);
      const none = make(1);
      none.grown(it.a.id, { lines: 1, bytes: 1 });
      await none.idle();
      expect(await count(it.a.id)).toBe(retentionLimits.stepLines);
      expect((await logs.query(it.a, { limit: 1 })).lines[0]!.seq).toBe(3_999);
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

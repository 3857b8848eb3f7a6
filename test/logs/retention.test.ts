import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogStore } from '../../src/logs/log-store.ts';
import { LogRetention } from '../../src/logs/retention.ts';
import { type Bench, bench, numbered } from './harness.ts';

let it: Bench;
let logs: LogStore;

beforeEach(async () => {
  it = await bench();
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
      slackLines: 100,
    });
    await logs.append(numbered('aa', 3_700));
    await logs.append(numbered('bb', 400));
    retention.grown(it.a.id, 3_700);
    retention.grown(it.b.id, 400);
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
      retainedLines: 100,
      slackLines: 50,
    });
    await logs.append(numbered('aa', 100));
    retention.grown(it.a.id, 100);
    await retention.idle();
    await logs.append(numbered('aa', 49));
    retention.grown(it.a.id, 49);
    await retention.idle();
    expect(await count(it.a.id)).toBe(149);
    await logs.append(numbered('aa', 1));
    retention.grown(it.a.id, 1);
    await retention.idle();
    expect(await count(it.a.id)).toBe(100);
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
    await logs.append(numbered('aa', 2));
    expect(await count(it.a.id)).toBe(0);
    expect(await count(fresh.id)).toBe(2);
  });
});

import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cursors } from '../../../src/control/logs/cursors.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('log cursors', (dialect) => {
  let store: TemporaryDatabase;
  beforeEach(async () => {
    store = await dialect.temporary();
  });
  afterEach(() => store.close());

  /** Takes `count` cursors as a write of lines does. */
  async function take(cursors: Cursors, count: number): Promise<number> {
    await cursors.reserve(await cursors.last(), count);
    const taken = await store.db.relaxed.transaction().execute((trx) => cursors.take(trx, count));
    if ('last' in taken) throw new Error('not reserved');
    return taken.first;
  }

  async function setLast(value: number): Promise<void> {
    await store.db
      .updateTable('settings')
      .set({ value: String(value) })
      .where('key', '=', 'log_cursor')
      .execute();
  }

  test('follow each other over several takes of one block, and are above all of them after a restart', async () => {
    const cursors = await Cursors.open(store.db, 100);
    expect([await take(cursors, 3), await take(cursors, 4), await take(cursors, 1)]).toEqual([1, 4, 8]);
    const again = await Cursors.open(store.db, 100);
    expect(await take(again, 1)).toBeGreaterThan(8);
  });

  test('that a power cut took back are never given again', async () => {
    const cursors = await Cursors.open(store.db, 100);
    await take(cursors, 3);
    const seen = (await take(cursors, 40)) + 39;
    // What the commits of lines wrote is gone, what was written durably is not.
    await setLast(0);
    const again = await Cursors.open(store.db, 100);
    expect(await take(again, 1)).toBeGreaterThan(seen);
  });

  test('are reserved by the connection that waits for the disk, before they are used', async () => {
    const cursors = await Cursors.open(store.db, 100);
    await store.db.relaxed.destroy();
    await cursors.reserve(0, 7);
    const row = await store.db
      .selectFrom('settings')
      .select('value')
      .where('key', '=', 'log_cursor_reserved')
      .executeTakeFirst();
    expect(Number(row?.value)).toBeGreaterThanOrEqual(7);
  });

  test('beyond what is reserved are not given: another writer may have taken those', async () => {
    const cursors = await Cursors.open(store.db, 10);
    await cursors.reserve(0, 5);
    await setLast(12);
    const taken = store.db.transaction().execute((trx) => cursors.take(trx, 5));
    expect(await taken).toEqual({ last: 12 });
  });

  test('of a file of an earlier version go on above its reservation', async () => {
    await store.db.insertInto('settings').values({ key: 'log_cursor', value: '100042' }).execute();
    expect(await take(await Cursors.open(store.db, 10), 1)).toBe(100_043);
  });
});

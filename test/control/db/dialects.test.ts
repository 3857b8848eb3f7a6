import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../../src/control/db/database.ts';
import { isForeignKeyViolation, isUniqueViolation, SqlError } from '../../../src/control/db/sql-error.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

function user(id: string, name = id) {
  return { id, name, password_hash: 'x', created_ms: 1_700_000_000_000 };
}

onEachDatabase('the database', (dialect) => {
  let store: TemporaryDatabase;
  let db: Database;

  beforeEach(async () => {
    store = await dialect.temporary();
    db = store.db;
  });

  afterEach(() => store.close());

  describe('opening', () => {
    test('a second opening finds everything and runs no migration again', async () => {
      await db.insertInto('users').values(user('u')).execute();
      const before = await sql`select * from kysely_migration`.execute(db);
      const again = await store.open();
      expect(await again.selectFrom('users').select('id').execute()).toEqual([{ id: 'u' }]);
      expect((await sql`select * from kysely_migration`.execute(again)).rows).toEqual(before.rows);
    });

    test('a database of a newer version is refused with a hint', async () => {
      await sql`insert into kysely_migration values ('9999-later', '2030-01-01')`.execute(db);
      const again = openDatabase(store.location);
      await expect(again).rejects.toMatchObject({
        code: 'unavailable',
        hints: [expect.stringContaining('newer version')],
      });
    });

    test('the reader and the probe refuse to write', async () => {
      for (const readOnly of [db.reader, db.probe])
        await expect(readOnly.insertInto('users').values(user('u')).execute()).rejects.toMatchObject({
          sqlCode: dialect.name === 'sqlite' ? 'SQLITE_READONLY' : '25006',
        });
    });

    test('several openings at the same time agree on who migrates', async () => {
      const opened = await Promise.all([store.open(), store.open(), store.open()]);
      for (const one of opened) expect(await one.selectFrom('users').selectAll().execute()).toEqual([]);
    });
  });

  describe('values', () => {
    test('numbers up to 2^53, bytes and any text, NUL included, come back', async () => {
      const odd = 'a\u0000b\u{1f600}\u{fdd0}0\u{fdd0}1\u{fdd0}\u0000';
      await db.insertInto('users').values(user('u', odd)).execute();
      const handler = { id: 'h', name: 'h', owner_id: 'u', deploy_branch: null, created_ms: 1, deleted_ms: null };
      await db
        .insertInto('handlers')
        .values({ ...handler, next_number: Number.MAX_SAFE_INTEGER })
        .execute();
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const value = { handler_id: 'h', bucket: '', key: '', updated_ms: -1 };
      await db
        .insertInto('kv')
        .values({ ...value, value: bytes.subarray(3) })
        .execute();
      expect(await db.selectFrom('users').select('name').where('name', '=', odd).executeTakeFirst()).toEqual({
        name: odd,
      });
      expect(await db.selectFrom('handlers').select('next_number').executeTakeFirst()).toEqual({
        next_number: Number.MAX_SAFE_INTEGER,
      });
      const read = await db.selectFrom('kv').select(['value', 'updated_ms']).executeTakeFirstOrThrow();
      expect(Buffer.compare(read.value, bytes.subarray(3))).toBe(0);
      expect(read.updated_ms).toBe(-1);
    });

    test('what the package would store as NULL or [object Object] is refused', async () => {
      for (const wrong of [Number.NaN, undefined, {}, [1], new Date(), 2n ** 60n])
        await expect(sql`select ${wrong}`.execute(db)).rejects.toThrow();
      expect((await sql<{ n: number }>`select cast(${12n} as bigint) as n`.execute(db)).rows).toEqual([{ n: 12 }]);
    });

    test('changed rows are counted, returning gives rows', async () => {
      await db
        .insertInto('users')
        .values([user('a'), user('b'), user('c')])
        .execute();
      const updated = await db.updateTable('users').set({ created_ms: 5 }).where('id', '!=', 'a').executeTakeFirst();
      expect(updated.numUpdatedRows).toBe(2n);
      const gone = await db.deleteFrom('users').where('id', '=', 'b').returning('name').execute();
      expect(gone).toEqual([{ name: 'b' }]);
    });
  });

  describe('errors', () => {
    test('carry the SQL code, the statement and the place of the call, and no parameter', async () => {
      await db.insertInto('users').values(user('secret')).execute();
      const error = await db
        .insertInto('users')
        .values(user('secret'))
        .execute()
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(SqlError);
      expect(isUniqueViolation(error)).toBe(true);
      expect(error).toMatchObject({
        sqlCode: dialect.name === 'sqlite' ? 'SQLITE_CONSTRAINT' : '23505',
        sql: expect.stringContaining('insert into "users"'),
      });
      expect(String((error as SqlError).stack)).not.toContain('secret');
      expect(String((error as SqlError).stack)).toContain('dialects.test.ts');
      const orphan = db
        .insertInto('releases')
        .values({ handler_id: 'x', branch: '', deployment_id: 'y', changed_ms: 1 });
      expect(isForeignKeyViolation(await orphan.execute().catch((e: unknown) => e))).toBe(true);
    });

    test('a statement that failed works again afterwards', async () => {
      const insert = (id: string) => db.insertInto('users').values(user(id)).execute();
      await insert('a');
      await expect(insert('a')).rejects.toThrow();
      await insert('b');
      expect(await db.selectFrom('users').selectAll().execute()).toHaveLength(2);
    });
  });

  describe('concurrency', () => {
    test('transactions that lock the row they read follow each other: 60 concurrent increments lose none', async () => {
      await db.insertInto('settings').values({ key: 'n', value: '0' }).execute();
      await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          (i % 2 ? db : db.relaxed).transaction().execute(async (trx) => {
            const { value } = await trx
              .selectFrom('settings')
              .select('value')
              .where('key', '=', 'n')
              .forNoKeyUpdate()
              .executeTakeFirstOrThrow();
            await trx
              .updateTable('settings')
              .set({ value: String(Number(value) + 1) })
              .execute();
          }),
        ),
      );
      expect(await db.selectFrom('settings').select('value').executeTakeFirst()).toEqual({ value: '60' });
    });

    test('a statement beside a transaction is never part of it', async () => {
      const entered = Promise.withResolvers<void>();
      const failing = db.transaction().execute(async (trx) => {
        await trx.insertInto('users').values(user('inside')).execute();
        entered.resolve();
        await trx.selectFrom('users').selectAll().execute();
        throw new Error('rolled back');
      });
      await entered.promise;
      const beside = db.insertInto('users').values(user('beside')).execute();
      await expect(failing).rejects.toThrow('rolled back');
      await beside;
      expect(await db.selectFrom('users').select('id').execute()).toEqual([{ id: 'beside' }]);
    });

    test('the reader answers while a transaction is open', async () => {
      await db.insertInto('users').values(user('a')).execute();
      await db.transaction().execute(async (trx) => {
        await trx.insertInto('users').values(user('b')).execute();
        expect(await db.reader.selectFrom('users').select('id').execute()).toEqual([{ id: 'a' }]);
      });
      expect(await db.reader.selectFrom('users').selectAll().execute()).toHaveLength(2);
    });
  });
});

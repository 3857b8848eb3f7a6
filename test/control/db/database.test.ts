import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kysely, sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../../src/control/db/database.ts';
import { Sqlite3Dialect } from '../../../src/control/db/dialects/sqlite3.ts';
import type { Schema } from '../../../src/control/db/schema.ts';
import { isOutage } from '../../../src/control/db/sql-error.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

let folder: string;
let db: Database;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-db-'));
  db = await openDatabase({ file: join(folder, 'a.db') });
});

afterEach(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

function user(id: string, name = id) {
  return { id, name, password_hash: 'x', created_ms: 1_700_000_000_000 };
}

describe('opening', () => {
  test('the file is readable by its owner only', async () => {
    await db.insertInto('users').values(user('u')).execute();
    for (const name of ['a.db', 'a.db-wal', 'a.db-shm'])
      expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
  });

  test('a second opening finds everything and runs no migration again', async () => {
    await db.insertInto('users').values(user('u')).execute();
    const before = await sql`select * from kysely_migration`.execute(db);
    await db.close();
    db = await openDatabase({ file: join(folder, 'a.db') });
    expect(await db.selectFrom('users').select('id').execute()).toEqual([{ id: 'u' }]);
    expect((await sql`select * from kysely_migration`.execute(db)).rows).toEqual(before.rows);
  });

  test('a file of a newer version is refused with a hint', async () => {
    await sql`insert into kysely_migration values ('9999-later', '2030-01-01')`.execute(db);
    await db.close();
    const again = openDatabase({ file: join(folder, 'a.db') });
    await expect(again).rejects.toThrow(/made by another version/);
    db = await openDatabase({ file: join(folder, 'b.db') });
  });

  test('a file that is no database is refused with its SQL code', async () => {
    await writeFile(join(folder, 'c.db'), 'hello '.repeat(1000));
    await expect(openDatabase({ file: join(folder, 'c.db') })).rejects.toMatchObject({ sqlCode: 'SQLITE_NOTADB' });
  });

  test('the pragmas hold on each connection', async () => {
    const ask = async (on: Database | Database['relaxed'], name: string) =>
      Object.values((await sql<Record<string, unknown>>`${sql.raw(`pragma ${name}`)}`.execute(on)).rows[0] ?? {})[0];
    expect(await ask(db, 'journal_mode')).toBe('wal');
    expect(await ask(db, 'foreign_keys')).toBe(1);
    expect(await ask(db, 'synchronous')).toBe(2);
    expect(await ask(db.relaxed, 'synchronous')).toBe(1);
    expect(await ask(db.relaxed, 'foreign_keys')).toBe(1);
    expect(await ask(db.reader, 'query_only')).toBe(1);
    await expect(db.reader.insertInto('users').values(user('u')).execute()).rejects.toMatchObject({
      sqlCode: 'SQLITE_READONLY',
    });
  });
});

describe('a full disk', () => {
  test('rolls the transaction back, is told as an outage, and is over when there is room', async () => {
    await db.insertInto('users').values(user('before')).execute();
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(db);
    await sql.raw(`pragma max_page_count = ${rows[0]!.page_count + 20}`).execute(db);
    const fill = db.transaction().execute(async (trx) => {
      for (let i = 0; i < 1_000; i += 1)
        await trx
          .insertInto('users')
          .values({ ...user(`u${i}`), password_hash: 'x'.repeat(4_000) })
          .execute();
    });
    const error = await fill.catch((e: unknown) => e);
    expect(error).toMatchObject({ sqlCode: 'SQLITE_FULL' });
    expect(isOutage(error)).toBe(true);
    expect(await db.selectFrom('users').select('id').execute()).toEqual([{ id: 'before' }]);
    await sql`pragma max_page_count = 1000000`.execute(db);
    await db.insertInto('users').values(user('after')).execute();
    expect(await db.selectFrom('users').select('id').orderBy('id').execute()).toEqual([
      { id: 'after' },
      { id: 'before' },
    ]);
  });
});

describe('kill -9', () => {
  test('what was told as done is there, what was under way is not, at every kill', async () => {
    const file = join(folder, 'a.db');
    const program = `
      import { openDatabase } from ${JSON.stringify(new URL('../../../src/control/db/database.ts', import.meta.url).href)};
      const db = await openDatabase({ file: ${JSON.stringify(file)} });
      const from = Number(process.argv[1]);
      for (let i = from; ; i += 1) {
        await db.transaction().execute(async (trx) => {
          for (const half of ['a', 'b'])
            await trx.insertInto('users').values({ id: i + half, name: i + half, password_hash: 'x', created_ms: i }).execute();
        });
        process.stdout.write(i + '\\n');
      }`;
    let next = 0;
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, String(next)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let told = -1;
      await new Promise<void>((resolve) => {
        child.on('close', () => resolve());
        child.stdout.on('data', (chunk: Buffer) => {
          told = Number(chunk.toString().trimEnd().split('\n').at(-1));
          if (told >= next + 5 + round) child.kill('SIGKILL');
        });
      });
      const ids = (await db.selectFrom('users').select('id').execute()).map(({ id }) => id);
      const whole = new Set(ids.map((id) => Number.parseInt(id, 10)));
      expect(ids).toHaveLength(2 * whole.size);
      expect(Math.max(...whole)).toBeGreaterThanOrEqual(told);
      next = Math.max(...whole) + 1;
    }
  });
});

describe('concurrency', () => {
  test('closing lets a running transaction end, and nobody wait for ever', async () => {
    const other = await openDatabase({ file: join(folder, 'other.db') });
    const entered = Promise.withResolvers<void>();
    const closing = Promise.withResolvers<void>();
    const running = other.transaction().execute(async (trx) => {
      await trx.insertInto('users').values(user('inside')).execute();
      entered.resolve();
      await closing.promise;
      await trx.insertInto('users').values(user('last')).execute();
    });
    await entered.promise;
    const waiting = other.selectFrom('users').selectAll().execute();
    const refused = expect(waiting).rejects.toThrow('closed');
    const closed = other.close();
    await refused;
    closing.resolve();
    await Promise.all([running, closed]);
    await expect(other.selectFrom('users').selectAll().execute()).rejects.toThrow();
    const again = await openDatabase({ file: join(folder, 'other.db') });
    expect(await again.selectFrom('users').select('id').orderBy('id').execute()).toEqual([
      { id: 'inside' },
      { id: 'last' },
    ]);
    await again.close();
  });

  test('asking db inside a transaction of db ends in a coded error instead of a standstill', async () => {
    const narrow = new Kysely<Schema>({
      dialect: new Sqlite3Dialect({ file: join(folder, 'a.db'), synchronous: 'normal', waitMs: 2_000 }),
    });
    const wrong = narrow.transaction().execute(() => narrow.selectFrom('users').selectAll().execute());
    await expect(wrong).rejects.toMatchObject({ code: 'unavailable' });
    expect(await narrow.selectFrom('users').selectAll().execute()).toEqual([]);
    await narrow.destroy();
  });

  test('more waiting callers than the limit are refused, the others answered', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 10_050 }, () => db.selectFrom('users').select('id').execute()),
    );
    const refused = results.filter((r) => r.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(50);
    expect(refused[0]).toMatchObject({ reason: expect.any(PlatformError) });
  });
});

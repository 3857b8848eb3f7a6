import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, type DatabaseEvent, openDatabase } from '../../../src/control/db/database.ts';
import { postgresLimits } from '../../../src/control/db/dialects/postgres-pool.ts';
import { isOutage, isUnreachable } from '../../../src/control/db/sql-error.ts';
import { outageLimits } from '../../../src/protocol/limits.ts';
import { command } from '../../support/database.ts';
import { type PostgresServer, postgresMissing, postgresPassword, startPostgres } from '../../support/postgres.ts';

if (postgresMissing !== null) process.stderr.write(`skipped: PostgreSQL that fails: ${postgresMissing}\n`);

describe.skipIf(postgresMissing !== null)('PostgreSQL that fails', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
    await command(server, 'create database t');
  });
  afterAll(() => server.close());

  /** Everything that an operator or a log would see of an error. */
  const shown = (error: unknown): string => {
    const parts: string[] = [];
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      parts.push(at.message, String(at.stack), JSON.stringify({ ...at }));
    return parts.join('\n');
  };

  test('a number that is beyond the exact integers is an error, not another number', async () => {
    const db = await openDatabase({ url: server.url('t') });
    const read = (text: string) => sql<{ n: number }>`select ${sql.lit(text)}::bigint as n`.execute(db);
    for (const n of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
      expect((await read(String(n))).rows).toEqual([{ n }]);
    for (const text of ['9007199254740992', '-9007199254740993'])
      await expect(read(text)).rejects.toThrow(`the stored number ${text} is beyond the exact integers`);
    await db.close();
  });

  test.each([
    ['a wrong password', (url: string) => url.replace(postgresPassword, 'wrong-word'), /password/],
    ['a user that does not exist', (url: string) => url.replace('trisiel:', 'nobody:'), /password/],
    ['a database that does not exist', (url: string) => url.replace(/t$/, 'missing'), /createdb missing/],
    ['a port where nothing listens', (url: string) => url.replace(/:\d+\//, ':1/'), /host, port and database/],
    ['a host that does not exist', (url: string) => url.replace('127.0.0.1', 'nowhere.invalid'), /host, port/],
  ])('%s is told with a hint and without the password', async (_title, change, hint) => {
    const error = await openDatabase({ url: change(server.url('t')) }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'unavailable', hints: [expect.stringMatching(hint)] });
    expect(shown(error)).not.toMatch(new RegExp(`${postgresPassword}|wrong-word`));
  });

  test('a database in another encoding is refused', async () => {
    await command(server, "create database latin encoding 'LATIN1' template template0");
    await expect(openDatabase({ url: server.url('latin') })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('LATIN1'),
    });
  });

  test('a server that is there but late is waited for', async () => {
    let connections = 0;
    const proxy = createServer((client) => {
      connections += 1;
      client.on('error', () => {});
      // The first connection gets no answer, as from a machine that has too much to do.
      if (connections === 1) return;
      const through = connect(server.port, '127.0.0.1').on('error', () => {});
      client.pipe(through).pipe(client);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const url = server.url('t').replace(`:${server.port}/`, `:${(proxy.address() as AddressInfo).port}/`);
    const db = await openDatabase({ url });
    expect(connections).toBeGreaterThan(1);
    await db.close();
    proxy.close();
  });

  describe('later', () => {
    let db: Database;
    const events: DatabaseEvent[] = [];
    beforeAll(async () => {
      db = await openDatabase({ url: server.url('t'), onEvent: (event) => events.push(event) });
    });
    afterAll(() => db.close());

    const put = (key: string) => db.insertInto('settings').values({ key, value: 'x' }).execute();
    const failure = async (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => null,
        (e: unknown) => e,
      );

    test('a server that is killed is an outage at once, for each use; when it is back, all go on', async () => {
      await Promise.all([put('before'), db.relaxed.selectFrom('settings').selectAll().execute()]);
      await server.kill();
      for (const on of [db, db.relaxed, db.reader, db.probe]) {
        const error = await failure(on.selectFrom('settings').selectAll().execute());
        expect(isOutage(error) && isUnreachable(error), String(error)).toBe(true);
        expect(shown(error)).not.toContain(postgresPassword);
      }
      await server.start();
      await put('after');
      expect(
        await db.probe.selectFrom('settings').select('key').where('key', 'in', ['before', 'after']).execute(),
      ).toHaveLength(2);
      expect(events.every((event) => event.kind === 'failed')).toBe(true);
    });

    test('a transaction whose server dies fails with the outage, and leaves the pool usable', async () => {
      const error = await failure(
        db.transaction().execute(async (trx) => {
          await trx.insertInto('settings').values({ key: 'half', value: 'x' }).execute();
          await server.kill();
          await trx.insertInto('settings').values({ key: 'other half', value: 'x' }).execute();
        }),
      );
      expect(isUnreachable(error), String(error)).toBe(true);
      await server.start();
      expect(await db.selectFrom('settings').select('key').where('key', 'like', '%half').execute()).toEqual([]);
    });

    test('a question ends in less than the time in which a push is refused', () => {
      const { connectMs, statementMs, graceMs } = postgresLimits;
      expect(Math.max(connectMs, statementMs + graceMs)).toBeLessThan(outageLimits.pushRefusedMs);
    });

    test('a server that hangs holds nobody: each question ends with an outage', async () => {
      await put('fine');
      server.pause();
      try {
        const asked = [db, db.relaxed, db.reader, db.probe].map((on) =>
          failure(on.selectFrom('settings').selectAll().execute()),
        );
        for (const error of await Promise.all(asked)) expect(isUnreachable(error), String(error)).toBe(true);
      } finally {
        server.resume();
      }
      await put('fine again');
    });

    test('a statement that waits for a lock for too long ends with an outage, and does not happen later', async () => {
      await put('locked');
      const locked = Promise.withResolvers<void>();
      const free = Promise.withResolvers<void>();
      const holder = db.transaction().execute(async (trx) => {
        await trx.updateTable('settings').set({ value: 'mine' }).where('key', '=', 'locked').execute();
        locked.resolve();
        await free.promise;
      });
      await locked.promise;
      const late = db.updateTable('settings').set({ value: 'late' }).where('key', '=', 'locked').execute();
      expect(isOutage(await failure(late))).toBe(true);
      free.resolve();
      await holder;
      expect(await db.selectFrom('settings').select('value').where('key', '=', 'locked').executeTakeFirst()).toEqual({
        value: 'mine',
      });
    });
  });
});

/**
 * The database of control: Kysely over the tables of schema.ts, on SQLite or PostgreSQL. Stations write one code for
 * both with Kysely's builder, and take row locks (`forNoKeyUpdate`) where a transaction reads before it writes: SQLite
 * leaves them out, because its transactions hold the whole file.
 */
import { open } from 'node:fs/promises';
import { setTimeout as after } from 'node:timers/promises';
import { type Dialect, Kysely, PostgresDialect, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { type PostgresPoolOptions, postgresPool } from './dialects/postgres-pool.ts';
import { Sqlite3Dialect } from './dialects/sqlite3.ts';
import { type MigrateOptions, migrate } from './migrate.ts';
import { refuseMoving } from './moving.ts';
import type { Schema } from './schema.ts';
import { SqlError } from './sql-error.ts';
import { allowGivingBack, Vacuum } from './vacuum.ts';
import { Views, viewLimits } from './views.ts';

/** Location of the database: a SQLite file, or a postgres:// URL. */
export type DatabaseLocation = { readonly file: string } | { readonly url: string };

export type DatabaseOptions = DatabaseLocation & {
  /** Receives events of the database that belong to no statement, for the platform's own log. */
  readonly onEvent?: (event: DatabaseEvent) => void;
  /**
   * Runs before a database of an earlier version is changed; `last`: its last migration. A rejection ends the opening.
   */
  readonly beforeUpgrade?: (last: string) => Promise<void>;
};

export type DatabaseEvent =
  /** A file of an earlier version is being rewritten, once, so that it can shrink later. */
  | { readonly kind: 'rewriting_file' }
  /** A step has failed and will be tried again automatically. */
  | { readonly kind: 'failed'; readonly what: string; readonly error: unknown };

/** PostgreSQL connections of one control, by use; views have viewLimits.open more. A server allows 100 by default. */
const connections = { main: 8, relaxed: 3, reader: 6, probe: 1 } as const;

/**
 * Connections of control to its database. Inside `transaction().execute(async (trx) => …)` only `trx` may be used: on
 * SQLite a query on `db` waits for the connection that the transaction holds, and fails after `sqliteLimits.waitMs`.
 */
export class Database extends Kysely<Schema> {
  /**
   * Writes rows that may be lost in a power cut (log lines, usage). On SQLite a commit here does not wait for the disk,
   * and a batch holds up other transactions only for its own insert. On PostgreSQL it is a separate pool, so that
   * batches never take the last connection; its commits are durable.
   */
  readonly relaxed: Kysely<Schema>;
  /** Reads that may take long (log searches): they wait for no writer, and no writer waits for them. */
  readonly reader: Kysely<Schema>;
  /** Checks whether the database answers, over one connection that nothing else uses. */
  readonly probe: Kysely<Schema>;
  /** Reads for downloads: of any length, each seeing one moment. */
  readonly views: Views;
  /** Whether other controls may write to this database too; if so, no value of it may be cached as exact. */
  readonly isShared: boolean;
  /** Gives free pages of the SQLite file back to the file system; null on PostgreSQL. */
  readonly vacuum: Vacuum | null;

  constructor(options: {
    readonly dialects: {
      readonly main: Dialect;
      readonly relaxed: Dialect;
      readonly reader: Dialect;
      readonly probe: Dialect;
      /** Makes a dialect with one connection, for one view. */
      readonly view: () => Dialect;
    };
    readonly isShared: boolean;
    readonly onError: (what: string, error: unknown) => void;
  }) {
    const { main, relaxed, reader, probe } = options.dialects;
    super({ dialect: main });
    this.relaxed = new Kysely<Schema>({ dialect: relaxed });
    this.reader = new Kysely<Schema>({ dialect: reader });
    this.probe = new Kysely<Schema>({ dialect: probe });
    this.views = new Views({ connect: () => new Kysely<Schema>({ dialect: options.dialects.view() }) });
    this.isShared = options.isShared;
    this.vacuum = options.isShared
      ? null
      : new Vacuum({ db: this.relaxed, onError: (error) => options.onError('giving free pages back', error) });
  }

  /** Lets running queries finish, then closes every connection. */
  async close(): Promise<void> {
    await this.views.close();
    await this.vacuum?.close();
    await this.probe.destroy();
    await this.reader.destroy();
    await this.relaxed.destroy();
    await this.destroy();
  }
}

/**
 * Opens the database and migrates it to the newest schema. A missing SQLite file is created (mode 0600). Throws
 * PlatformError `unavailable` when a PostgreSQL server cannot be used or the schema is of a newer version, and SqlError
 * when a SQLite file cannot be used.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const onEvent = options.onEvent ?? (() => {});
  const onError = (what: string, error: unknown): void => onEvent({ kind: 'failed', what, error });
  const migration: MigrateOptions = options.beforeUpgrade === undefined ? {} : { beforeChange: options.beforeUpgrade };
  return 'url' in options
    ? openPostgres(options.url, { onError, migration })
    : openSqlite(options.file, { onError, migration, onRewrite: () => onEvent({ kind: 'rewriting_file' }) });
}

/**
 * Opens a database without changing its schema, for backups, restores and checks: one connection, without a bound on
 * the time of a statement. A missing SQLite file is created. Throws `unavailable` when a PostgreSQL server cannot be
 * used, SqlError when a SQLite file cannot.
 */
export async function openAsItIs(location: DatabaseLocation): Promise<Kysely<Schema>> {
  if ('file' in location)
    return new Kysely<Schema>({ dialect: new Sqlite3Dialect({ ...location, synchronous: 'full' }) });
  const { url } = location;
  const pool = () => postgresPool({ url, connections: 1, statementMs: null, onLost: () => {} });
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  try {
    await checkServer(db);
    return db;
  } catch (error) {
    await db.destroy();
    throw error instanceof SqlError ? unusable(url, error) : error;
  }
}

type OnError = (what: string, error: unknown) => void;

async function openSqlite(
  file: string,
  {
    onError,
    onRewrite,
    migration,
  }: { readonly onError: OnError; readonly onRewrite: () => void; readonly migration: MigrateOptions },
): Promise<Database> {
  // The file holds password hashes, so only its owner may read it. SQLite gives -wal and -shm the same mode.
  await (await open(file, 'a', 0o600)).close();
  const db = new Database({
    dialects: {
      main: new Sqlite3Dialect({ file, synchronous: 'full' }),
      relaxed: new Sqlite3Dialect({ file, synchronous: 'normal' }),
      reader: new Sqlite3Dialect({ file, synchronous: 'normal', readOnly: true }),
      probe: new Sqlite3Dialect({ file, synchronous: 'normal', readOnly: true }),
      view: () => new Sqlite3Dialect({ file, synchronous: 'normal', readOnly: true }),
    },
    isShared: false,
    onError,
  });
  try {
    await refuseMoving(db);
    await migrate(db, migration);
    // Starts even when the rewrite fails (a full disk): the file stays usable, and the next start tries again.
    await allowGivingBack(db, onRewrite).catch((error: unknown) => onError('rewriting the database file', error));
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

async function openPostgres(
  url: string,
  { onError, migration }: { readonly onError: OnError; readonly migration: MigrateOptions },
): Promise<Database> {
  const dialect = (options: Omit<PostgresPoolOptions, 'url' | 'onLost'>): PostgresDialect =>
    new PostgresDialect({
      pool: () =>
        postgresPool({ ...options, url, onLost: (error) => onError('a connection to PostgreSQL was lost', error) }),
    });
  const endMs = performance.now() + startMs;
  const migrator = new Kysely<Schema>({ dialect: dialect({ connections: 2, statementMs: null }) });
  try {
    await whenAnswering(() => checkServer(migrator), endMs);
    await whenAnswering(() => refuseMoving(migrator), endMs);
    await whenAnswering(() => migrate(migrator, migration), endMs);
  } catch (error) {
    throw error instanceof SqlError ? unusable(url, error) : error;
  } finally {
    await migrator.destroy();
  }
  const db = new Database({
    dialects: {
      main: dialect({ connections: connections.main }),
      relaxed: dialect({ connections: connections.relaxed }),
      reader: dialect({ connections: connections.reader, readOnly: true }),
      probe: dialect({ connections: connections.probe, readOnly: true, statementMs: 1_500 }),
      view: () => dialect({ connections: 1, readOnly: true, idleInTransactionMs: viewLimits.ms + 5_000 }),
    },
    isShared: true,
    onError,
  });
  try {
    // Later connections have less time: what a user waits for is refused soon.
    for (const pool of [db, db.relaxed, db.reader]) await whenAnswering(() => sql`select 1`.execute(pool), endMs);
  } catch (error) {
    await db.close();
    throw error instanceof SqlError ? unusable(url, error) : error;
  }
  return db;
}

/** Milliseconds for which a start waits for a PostgreSQL server that is there but does not take connections yet. */
const startMs = 30_000;
/** Milliseconds between two tries. */
const startPauseMs = 250;

/**
 * Runs `ask`, again and again until `endMs` (of performance.now) while the server is only late: it starts, is full, or
 * its machine has too much to do. A server that refuses, or is not there, fails at once.
 */
async function whenAnswering(ask: () => Promise<unknown>, endMs: number): Promise<void> {
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (!(error instanceof SqlError) || !isLate(error) || performance.now() > endMs) throw error;
      await after(startPauseMs);
    }
  }
}

/** Whether the server was there: it starts (57P03), has no connection left (53300), or did not answer in time. */
function isLate({ sqlCode, message }: SqlError): boolean {
  return (
    sqlCode === '57P03' || sqlCode === '53300' || (sqlCode === '08006' && /timeout|no answer within/i.test(message))
  );
}

/** Oldest version of PostgreSQL that the tests run on. */
const versionMin = 130_000;

async function checkServer(db: Kysely<Schema>): Promise<void> {
  const { rows } = await sql<{ version: string; encoding: string }>`
    select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding`.execute(
    db,
  );
  // A select without a table has exactly one row.
  const { version, encoding } = rows[0]!;
  if (Number(version) < versionMin)
    throw new PlatformError('unavailable', `PostgreSQL ${Math.floor(Number(version) / 10_000)} is too old`, {
      hints: ['version 13 or newer is needed'],
    });
  if (encoding !== 'UTF8')
    throw new PlatformError('unavailable', `the PostgreSQL database has the encoding ${encoding}`, {
      hints: ["make one with: create database trisiel encoding 'UTF8' template template0"],
    });
}

/** Makes the error that tells an operator the cause. It never contains the URL, which holds a password. */
function unusable(url: string, error: SqlError): PlatformError {
  const { hostname, port, pathname } = new URL(url);
  const server = `${hostname === '' ? 'localhost' : hostname}:${port === '' ? '5432' : port}`;
  const hint = {
    '28P01': 'check user and password in TRISIEL_DATABASE',
    '28000': 'check user and password in TRISIEL_DATABASE, and what the server allows (pg_hba.conf)',
    '3D000': `make it: createdb ${pathname.slice(1)}`,
    '42501': 'the user needs the right to make tables: grant create on schema public to …',
  }[error.sqlCode];
  return new PlatformError('unavailable', `PostgreSQL at ${server} cannot be used: ${error.message}`, {
    hints: [hint ?? 'check that it runs, and host, port and database in TRISIEL_DATABASE'],
    cause: error,
  });
}

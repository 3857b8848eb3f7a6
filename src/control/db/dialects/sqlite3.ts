/**
 * A Kysely dialect over the `sqlite3` package, whose statements run on libuv's thread pool, so that
 * a slow query never holds the event loop. One dialect owns one connection; who wants a second
 * one (src/control/db/database.ts does) makes a second dialect on the same file, which WAL allows.
 */
import {
  type DatabaseConnection,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
} from 'kysely';
import { PlatformError } from '../../../protocol/errors.ts';
import { Sqlite3Connection } from './sqlite3-connection.ts';

export const sqliteLimits = {
  /** Callers waiting for the connection. Each holds a closure; beyond it something is stuck or flooding. */
  waiting: 10_000,
  /**
   * Milliseconds a caller waits for the connection. Transactions take milliseconds; this long means one
   * that never ends, for example one that asks `db` instead of its own `trx`.
   */
  waitMs: 15_000,
  /** Milliseconds SQLite waits for the other connection's write lock. Holds a libuv thread meanwhile. */
  busyMs: 5_000,
  /** After a checkpoint the write-ahead log is cut down to this. */
  walBytes: 64 * 1024 * 1024,
} as const;

export interface Sqlite3DialectOptions {
  readonly file: string;
  /** FULL: a commit survives a power cut. NORMAL: the last commits may be lost, nothing is damaged. */
  readonly synchronous: 'full' | 'normal';
  /** Refuses every write. */
  readonly readOnly?: boolean;
  /** Default `sqliteLimits.waitMs`. */
  readonly waitMs?: number;
}

export class Sqlite3Dialect implements Dialect {
  readonly #options: Sqlite3DialectOptions;

  constructor(options: Sqlite3DialectOptions) {
    this.#options = options;
  }

  createDriver(): Driver {
    return new Sqlite3Driver(this.#options);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new Sqlite3Adapter();
  }

  createIntrospector(db: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(db);
  }
}

class Sqlite3Adapter extends SqliteAdapter {
  /** The driver below lends its one connection itself, with a bound on waiting; Kysely's own mutex has none. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** SQLite's DDL is transactional; a migration that fails leaves nothing behind. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class Sqlite3Driver implements Driver {
  readonly #options: Sqlite3DialectOptions;
  readonly #waiting: Waiter[] = [];
  #connection: Sqlite3Connection | null = null;
  #lent = false;
  /** Told when the connection comes back while the driver is being closed. */
  #returned: (() => void) | null = null;

  constructor(options: Sqlite3DialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    const { file, synchronous, readOnly } = this.#options;
    const connection = await Sqlite3Connection.open(file);
    await connection.command(`pragma busy_timeout = ${sqliteLimits.busyMs}`);
    await connection.command('pragma journal_mode = wal');
    await connection.command(`pragma journal_size_limit = ${sqliteLimits.walBytes}`);
    await connection.command(`pragma synchronous = ${synchronous}`);
    await connection.command('pragma foreign_keys = on');
    if (readOnly === true) await connection.command('pragma query_only = on');
    this.#connection = connection;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#connection === null) throw new Error('the database is closed');
    if (this.#lent) await this.#wait();
    this.#lent = true;
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    // Handed over directly: nobody who comes later can slip in between.
    if (next !== undefined) return next.go();
    this.#lent = false;
    this.#returned?.();
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    // IMMEDIATE takes the write lock now: a deferred transaction that reads first and writes later
    // fails with SQLITE_BUSY at once when the other connection has written in between.
    const begin = settings.accessMode === 'read only' ? 'begin' : 'begin immediate';
    await ours(connection).command(begin);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).command('commit');
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await ours(connection).command('rollback');
    } catch (error) {
      // A full disk makes SQLite roll back by itself; the first error is the one to tell.
      if (error instanceof Error && error.message.includes('no transaction is active')) return;
      throw error;
    }
  }

  async destroy(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    for (const waiter of this.#waiting.splice(0)) waiter.fail(new Error('the database is closed'));
    if (this.#lent) await this.#takeBack();
    await connection?.close();
  }

  /** What is running ends first, but not what never ends. */
  #takeBack(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#waitMs);
      this.#returned = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  get #waitMs(): number {
    return this.#options.waitMs ?? sqliteLimits.waitMs;
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= sqliteLimits.waiting) return Promise.reject(busy('too many queries are waiting'));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        go: () => {
          clearTimeout(timer);
          resolve();
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(busy(`no answer from the database within ${this.#waitMs} ms`));
      }, this.#waitMs);
      this.#waiting.push(waiter);
    });
  }
}

interface Waiter {
  readonly go: () => void;
  readonly fail: (error: Error) => void;
}

function ours(connection: DatabaseConnection): Sqlite3Connection {
  if (connection instanceof Sqlite3Connection) return connection;
  throw new Error('a connection of another dialect');
}

function busy(message: string): PlatformError {
  return new PlatformError('unavailable', message, { retryAfterSeconds: 1 });
}

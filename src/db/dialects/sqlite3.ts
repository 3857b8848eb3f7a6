/**
 * A Kysely dialect over the `sqlite3` package, whose statements run on libuv's thread pool, so that
 * a slow query never holds the event loop. One dialect owns one connection; who wants a second
 * one (src/db/database.ts does) makes a second dialect on the same file, which WAL allows.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  type Dialect,
  type DialectAdapter,
  type Driver,
  InsertQueryNode,
  type Kysely,
  type QueryResult,
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
  UpdateQueryNode,
} from 'kysely';
import sqlite3 from 'sqlite3';
import { PlatformError } from '../../protocol/errors.ts';
import { SqlError } from '../sql-error.ts';

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
  /** Prepared statements kept; the platform has fewer shapes than this, batches of odd sizes aside. */
  statements: 200,
  /** SQLite's own bound on `?` in one statement (SQLITE_MAX_VARIABLE_NUMBER); batches stay below. */
  parameters: 32_766,
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
    const connection = new Sqlite3Connection(await open(file));
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

class Sqlite3Connection implements DatabaseConnection {
  readonly #db: sqlite3.Database;
  /** Least recently used first. */
  readonly #statements = new Map<string, sqlite3.Statement>();

  constructor(db: sqlite3.Database) {
    this.#db = db;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = query.parameters.map(toBindable);
    if (returnsRows(query)) {
      const rows = await this.#all<R>(query.sql, parameters);
      return { rows, numAffectedRows: BigInt(rows.length) };
    }
    const { changes, lastId } = await this.#run(query.sql, parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastId) };
  }

  // biome-ignore lint/correctness/useYield: the interface asks for a generator.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    // A stream would hold the only connection for as long as its reader likes.
    throw new Error('streaming is not supported: read in pages by key');
  }

  /** A constant statement without parameters. */
  async command(sql: string): Promise<void> {
    await this.#all(sql, []);
  }

  async close(): Promise<void> {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    await new Promise<void>((resolve, reject) => {
      this.#db.close((error) => (error === null ? resolve() : reject(sqlError(error, 'close', error))));
    });
  }

  async #all<R>(sql: string, parameters: readonly unknown[]): Promise<R[]> {
    const origin = new Error('called from here');
    const statement = await this.#prepare(sql, origin);
    return new Promise((resolve, reject) => {
      statement.all<R>(parameters, (error, rows) => {
        if (error === null) return resolve(rows);
        this.#forget(sql);
        reject(sqlError(error, sql, origin));
      });
    });
  }

  async #run(sql: string, parameters: readonly unknown[]): Promise<{ changes: number; lastId: number }> {
    const origin = new Error('called from here');
    const statement = await this.#prepare(sql, origin);
    return new Promise((resolve, reject) => {
      const connection = this;
      statement.run(parameters, function (error) {
        if (error === null) return resolve({ changes: this.changes, lastId: this.lastID });
        connection.#forget(sql);
        reject(sqlError(error, sql, origin));
      });
    });
  }

  async #prepare(sql: string, origin: Error): Promise<sqlite3.Statement> {
    const known = this.#statements.get(sql);
    if (known !== undefined) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const statement = await new Promise<sqlite3.Statement>((resolve, reject) => {
      const prepared: sqlite3.Statement = this.#db.prepare(sql, (error: Error | null) =>
        error === null ? resolve(prepared) : reject(sqlError(error, sql, origin)),
      );
    });
    this.#statements.set(sql, statement);
    if (this.#statements.size > sqliteLimits.statements) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#forget(oldest);
    }
    return statement;
  }

  /** Also after an error: a statement that failed may not have been reset. */
  #forget(sql: string): void {
    this.#statements.get(sql)?.finalize();
    this.#statements.delete(sql);
  }
}

function open(file: string): Promise<sqlite3.Database> {
  return new Promise((resolve, reject) => {
    const mode = sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE | sqlite3.OPEN_FULLMUTEX;
    const db = new sqlite3.Database(file, mode, (error) =>
      error === null ? resolve(db) : reject(sqlError(error, `open ${file}`, error)),
    );
  });
}

function ours(connection: DatabaseConnection): Sqlite3Connection {
  if (connection instanceof Sqlite3Connection) return connection;
  throw new Error('a connection of another dialect');
}

/**
 * The package binds what it does not know silently as NULL or '[object Object]' (statement.cc,
 * BindParameter): such values are our mistakes and are refused here.
 */
function toBindable(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isNaN(value)) throw new Error('NaN cannot be stored');
      return value;
    case 'bigint':
      if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
        throw new Error(`${value} is beyond the exact integers`);
      return Number(value);
    default:
      if (value === null) return value;
      if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      throw new Error(`a parameter of type ${typeof value} cannot be stored`);
  }
}

function returnsRows(compiled: CompiledQuery): boolean {
  const { query } = compiled;
  if (SelectQueryNode.is(query)) return true;
  if (InsertQueryNode.is(query) || UpdateQueryNode.is(query) || DeleteQueryNode.is(query))
    return query.returning !== undefined;
  return /^\s*(?:select|with|pragma|explain|values)\b/i.test(compiled.sql) || /\breturning\b/i.test(compiled.sql);
}

function sqlError(error: Error, sql: string, origin: Error): SqlError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'SQLITE_ERROR';
  // The package's errors carry no stack of ours: they are made on another thread.
  const known = new SqlError({ message: error.message, sqlCode: code, sql });
  if (origin.stack !== undefined) known.stack = `${known.name}: ${known.message}\n${stackLines(origin.stack)}`;
  return known;
}

function stackLines(stack: string): string {
  return stack.slice(stack.indexOf('\n') + 1);
}

function busy(message: string): PlatformError {
  return new PlatformError('unavailable', message, { retryAfterSeconds: 1 });
}

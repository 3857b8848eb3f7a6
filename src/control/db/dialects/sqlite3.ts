/**
 * Kysely dialect for the package `sqlite3`, whose statements run on libuv's thread pool, so that a slow query never
 * blocks the event loop. A dialect owns one connection; for a second connection, src/control/db/database.ts makes a
 * second dialect on the same file, which WAL allows.
 */
import {
  type DatabaseConnection,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type SelectModifierNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
} from 'kysely';
import { PlatformError } from '../../../protocol/errors.ts';
import { Semaphore } from '../../../waiting/semaphore.ts';
import { Sqlite3Connection } from './sqlite3-connection.ts';

export const sqliteLimits = {
  /**
   * Callers that wait for the connection. Each one holds a closure; above this number some statement never ends, or
   * callers come too fast.
   */
  waiting: 10_000,
  /**
   * Milliseconds that a caller waits for the connection. Transactions take milliseconds; a wait this long means a
   * transaction that never ends, for example one that queries `db` instead of its own `trx`.
   */
  waitMs: 15_000,
  /** Milliseconds that SQLite waits for the write lock of the other connection. The wait holds a libuv thread. */
  busyMs: 5_000,
  /** Bytes to which the write-ahead log is truncated after a checkpoint. */
  walBytes: 64 * 1024 * 1024,
} as const;

export interface Sqlite3DialectOptions {
  readonly file: string;
  /** FULL: a commit survives a power cut. NORMAL: the last commits may be lost, nothing is damaged. */
  readonly synchronous: 'full' | 'normal';
  /** Whether every write is refused. */
  readonly readOnly?: boolean;
  /** Milliseconds, `sqliteLimits.waitMs` by default. */
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
    return new Sqlite3QueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new Sqlite3Adapter();
  }

  createIntrospector(db: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(db);
  }
}

class Sqlite3Adapter extends SqliteAdapter {
  /**
   * Tells Kysely not to use its own mutex, which has no bound on waiting: the driver below lends its one connection
   * itself.
   */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** Tells Kysely that DDL is transactional in SQLite: a migration that fails leaves nothing behind. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/**
 * Leaves row locks (`for update` and similar) out of statements: a transaction holds the write lock of the whole file
 * from its begin, so each row is already locked.
 */
class Sqlite3QueryCompiler extends SqliteQueryCompiler {
  protected override visitSelectModifier(node: SelectModifierNode): void {
    if (node.modifier === undefined || node.modifier === 'Distinct') super.visitSelectModifier(node);
  }
}

class Sqlite3Driver implements Driver {
  readonly #options: Sqlite3DialectOptions;
  readonly #turns = new Semaphore({
    running: 1,
    waiting: sqliteLimits.waiting,
    full: () => busy('too many queries are waiting'),
  });
  #connection: Sqlite3Connection | null = null;
  /** Ends the turn of the query or transaction that has the connection; null: the connection is free. */
  #endTurn: (() => void) | null = null;
  /** Is called when the connection comes back while the driver is being closed. */
  #returned: (() => void) | null = null;

  constructor(options: Sqlite3DialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    const { file, synchronous, readOnly } = this.#options;
    const connection = await Sqlite3Connection.open(file);
    await connection.command(`pragma busy_timeout = ${sqliteLimits.busyMs}`);
    // Takes effect only in a new file, before its first page is written; vacuum.ts rewrites older files.
    if (readOnly !== true) await connection.command('pragma auto_vacuum = incremental');
    await connection.command('pragma journal_mode = wal');
    await connection.command(`pragma journal_size_limit = ${sqliteLimits.walBytes}`);
    await connection.command(`pragma synchronous = ${synchronous}`);
    await connection.command('pragma foreign_keys = on');
    if (readOnly === true) await connection.command('pragma query_only = on');
    this.#connection = connection;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#connection === null) throw closed();
    const late = () => busy(`no answer from the database within ${this.#waitMs} ms`);
    const endTurn = await this.#turns.enter({ limit: { ms: this.#waitMs, error: late } });
    // The driver may have been closed between the end of the previous turn and this line.
    if (this.#connection === null) {
      endTurn();
      throw closed();
    }
    this.#endTurn = endTurn;
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    const endTurn = this.#endTurn;
    this.#endTurn = null;
    endTurn?.();
    this.#returned?.();
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    // IMMEDIATE takes the write lock now: a deferred transaction that reads first and writes later fails with
    // SQLITE_BUSY when the other connection has written in between.
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
      // On a full disk SQLite has already rolled back; the first error is the one to report.
      if (error instanceof Error && error.message.includes('no transaction is active')) return;
      throw error;
    }
  }

  async destroy(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    this.#turns.refuseWaiting(closed());
    if (this.#turns.running > 0) await this.#takeBack();
    await connection?.close();
  }

  /** Waits until the lent connection comes back, at most `waitMs`: a statement may never end. */
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
}

function ours(connection: DatabaseConnection): Sqlite3Connection {
  if (connection instanceof Sqlite3Connection) return connection;
  throw new Error('a connection of another dialect');
}

function closed(): Error {
  return new Error('the database is closed');
}

function busy(message: string): PlatformError {
  return new PlatformError('unavailable', message, { retryAfterSeconds: 1 });
}

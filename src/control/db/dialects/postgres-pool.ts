/**
 * Adapts connections of the package `pg` to Kysely's PostgresDialect and adds what the package lacks: numbers as
 * numbers, text with NUL, refused parameters, SqlError, and a bound on every wait.
 */
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { PoolClient, QueryResult } from 'pg';
import { PlatformError } from '../../../protocol/errors.ts';
import { Semaphore } from '../../../waiting/semaphore.ts';
import { SqlError } from '../sql-error.ts';
import { toBindable } from './bindable.ts';
import { escapeNul, unescapeNul } from './nul-text.ts';

export const postgresLimits = {
  /** Milliseconds within which a new connection must be made. */
  connectMs: 2_500,
  /**
   * Callers that wait for a connection. Each one holds a closure; above this number some statement never ends, or
   * callers come too fast.
   */
  waiting: 10_000,
  /** Milliseconds that a caller waits for a connection while the server answers. */
  waitMs: 15_000,
  /**
   * Milliseconds that the server may work on one statement, including waits for locks. Together with `graceMs` it stays
   * below outageLimits.pushRefusedMs.
   */
  statementMs: 3_500,
  /** Milliseconds beyond `statementMs` after which a silent server counts as gone. */
  graceMs: 500,
  /**
   * Milliseconds that a control may keep a transaction open without a statement: a stopped control must not keep its
   * locks.
   */
  idleInTransactionMs: 5_000,
  /** Milliseconds after which an unused connection is closed. */
  idleMs: 60_000,
  /** Milliseconds of silence after which TCP probes whether the server is alive. */
  keepAliveMs: 10_000,
} as const;

export interface PostgresPoolOptions {
  /** URL postgres://user:password@host:port/database?sslmode=… */
  readonly url: string;
  /** Greatest number of connections. */
  readonly connections: number;
  /** Whether every write is refused. */
  readonly readOnly?: boolean;
  /** Milliseconds, `postgresLimits.statementMs` by default; null: no bound (migrations). */
  readonly statementMs?: number | null;
  /** Milliseconds, `postgresLimits.idleInTransactionMs` by default; ignored when `statementMs` is null. */
  readonly idleInTransactionMs?: number;
  /** Is called when an unused connection was lost; the next caller gets a new one. */
  readonly onLost: (error: unknown) => void;
}

/** Number of the type int8 (pg_type.dat), the same in every installation. */
const int8 = 20;
const numeric = 1700;
const textTypes: ReadonlySet<number> = new Set([19 /* name */, 25 /* text */, 1042 /* bpchar */, 1043 /* varchar */]);

/** Makes a pool. It connects at the first query. Queries throw SqlError when the server does not answer or refuses. */
export async function postgresPool(options: PostgresPoolOptions): Promise<PostgresPool> {
  // Loads the package only when it is used: a platform on SQLite does not need it.
  const { Pool, types } = await import('pg');
  const statementMs = options.statementMs === undefined ? postgresLimits.statementMs : options.statementMs;
  const pool = new Pool({
    connectionString: options.url,
    max: options.connections,
    connectionTimeoutMillis: postgresLimits.connectMs,
    idleTimeoutMillis: postgresLimits.idleMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: postgresLimits.keepAliveMs,
    application_name: 'trisiel',
    statement_timeout: statementMs ?? false,
    idle_in_transaction_session_timeout:
      statementMs === null ? false : (options.idleInTransactionMs ?? postgresLimits.idleInTransactionMs),
    options: options.readOnly === true ? '-c default_transaction_read_only=on' : '',
    types: {
      getTypeParser: (oid, format) => {
        if (oid === int8) return exactInteger;
        if (oid === numeric) return Number;
        if (textTypes.has(oid)) return unescapeNul;
        return types.getTypeParser(oid, format);
      },
    },
  });
  pool.on('error', options.onLost);
  const answerMs = statementMs === null ? null : statementMs + postgresLimits.graceMs;
  // Callers wait here and not in the package's pool: when the server has gone, all of them fail at once, not one after
  // the other.
  const turns = new Semaphore({
    running: options.connections,
    waiting: postgresLimits.waiting,
    full: () => busy('too many queries are waiting'),
  });
  const onGone = (error: SqlError): void => turns.refuseWaiting(error);
  return {
    options: {},
    connect: async () => {
      const late = () => busy(`no connection to the database within ${postgresLimits.waitMs} ms`);
      const endTurn = await turns.enter({ limit: { ms: postgresLimits.waitMs, error: late } });
      try {
        return new BoundedClient(await pool.connect(), { answerMs, endTurn, onGone });
      } catch (error) {
        endTurn();
        const known = sqlError(error, 'connect');
        onGone(known);
        throw known;
      }
    },
    end: () => pool.end(),
  };
}

interface BoundedClientOptions {
  /** Milliseconds that a statement may take; null: no bound. */
  readonly answerMs: number | null;
  /** Gives the turn back; called once, together with the connection. */
  readonly endTurn: () => void;
  /** Is called when the server has closed the connection or does not answer. */
  readonly onGone: (error: SqlError) => void;
}

class BoundedClient implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #options: BoundedClientOptions;
  /** Whether the connection is lost, or a statement was given up on it; then its transaction is lost too. */
  #broken = false;
  #released = false;

  constructor(client: PoolClient, options: BoundedClientOptions) {
    this.#client = client;
    this.#options = options;
    client.on('error', this.#onLost);
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    sql: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    // A stream would hold a connection for as long as its reader wants.
    if (typeof sql !== 'string') throw new Error('streaming is not supported: read in pages by key');
    return this.#query(sql, parameters);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#client.removeListener('error', this.#onLost);
    this.#client.release(this.#broken);
    this.#options.endTurn();
  }

  /** Marks a connection as lost that fails between two statements of a transaction. */
  readonly #onLost = (): void => {
    this.#broken = true;
  };

  async #query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    if (this.#broken) {
      if (sql === 'rollback') return { command: 'ROLLBACK', rowCount: 0, rows: [] };
      throw sqlError(new Error('the connection was lost'), sql);
    }
    const values = parameters.map(toParameter);
    try {
      const { command, rowCount, rows } = await this.#answer(this.#client.query(sql, values));
      // Kysely gives its statements their types.
      return { command: command as PostgresQueryResult<R>['command'], rowCount: rowCount ?? 0, rows: rows as R[] };
    } catch (error) {
      const known = sqlError(error, sql);
      if (isConnectionLost(known.sqlCode)) {
        this.#broken = true;
        this.#options.onGone(known);
      }
      throw known;
    }
  }

  /** Waits for a result, at most `answerMs`: TCP's own timeout on a hanging server is far longer. */
  async #answer(running: Promise<QueryResult>): Promise<QueryResult> {
    const { answerMs } = this.#options;
    if (answerMs === null) return running;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
    });
    try {
      return await Promise.race([running, late]);
    } finally {
      clearTimeout(timer);
      running.catch(() => {}); // Closing the connection makes this promise fail later.
    }
  }
}

function toParameter(value: unknown): string | boolean | number | null | Buffer {
  const bindable = toBindable(value);
  return typeof bindable === 'string' ? escapeNul(bindable) : bindable;
}

function exactInteger(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new Error(`the stored number ${text} is beyond the exact integers`);
  return number;
}

/**
 * Returns whether a code is of SQLSTATE class 08 (connection) or 57P (the server ends): the connection is unusable
 * then.
 */
function isConnectionLost(sqlCode: string): boolean {
  return /^(?:08\d{3}|57P\d\d|25P03)$/.test(sqlCode);
}

/**
 * Makes a SqlError from an error of the driver. An error without SQLSTATE comes from the socket, so it gets 08006,
 * connection failure.
 */
function sqlError(error: unknown, sql: string): SqlError {
  if (error instanceof SqlError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isSqlState = /^[0-9A-Z]{5}$/.test(code);
  const message = error instanceof Error ? errorText(error) : String(error);
  const known = new SqlError({ message, sqlCode: isSqlState ? code : '08006', sql });
  const stack = error instanceof Error ? error.stack : undefined;
  if (stack !== undefined) known.stack = `${known.name}: ${message}\n${frames(stack)}`;
  return known;
}

/**
 * Returns the server's message without the value quoted at its end (`invalid input syntax for type bigint: "…"`), since
 * values may be secrets. Node reports several refusing addresses in `errors`, with an empty message.
 */
function errorText(error: Error): string {
  const text = error instanceof AggregateError ? error.errors.map((one) => errorText(one)).join(', ') : error.message;
  return text.replace(/: ".*"$/s, '');
}

function frames(stack: string): string {
  const at = stack.search(/^ {4}at /m);
  return at < 0 ? '' : stack.slice(at);
}

function busy(message: string): PlatformError {
  return new PlatformError('unavailable', message, { retryAfterSeconds: 1 });
}

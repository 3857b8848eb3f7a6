/** Adapts one connection of the package `sqlite3` to Kysely: promises, prepared statements, SqlError. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  InsertQueryNode,
  type QueryResult,
  SelectQueryNode,
  UpdateQueryNode,
} from 'kysely';
import sqlite3 from 'sqlite3';
import { SqlError } from '../sql-error.ts';
import { toBindable } from './bindable.ts';

/** Prepared statements kept. The platform uses fewer, except for batches of unusual sizes. */
const statementsMax = 200;

export class Sqlite3Connection implements DatabaseConnection {
  readonly #db: sqlite3.Database;
  /** Prepared statements by SQL, least recently used first. */
  readonly #statements = new Map<string, sqlite3.Statement>();

  private constructor(db: sqlite3.Database) {
    this.#db = db;
  }

  /** Opens a file, creating it when it is missing. Throws SqlError. */
  static async open(file: string): Promise<Sqlite3Connection> {
    return new Sqlite3Connection(await open(file));
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
    // A stream would hold the only connection for as long as its reader wants.
    throw new Error('streaming is not supported: read in pages by key');
  }

  /** Runs a constant statement without parameters. */
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
    if (this.#statements.size > statementsMax) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#forget(oldest);
    }
    return statement;
  }

  /** Drops the prepared statement of `sql`. Also used after an error, which may leave a statement without a reset. */
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

function returnsRows(compiled: CompiledQuery): boolean {
  const { query } = compiled;
  if (SelectQueryNode.is(query)) return true;
  if (InsertQueryNode.is(query) || UpdateQueryNode.is(query) || DeleteQueryNode.is(query))
    return query.returning !== undefined;
  return /^\s*(?:select|with|pragma|explain|values)\b/i.test(compiled.sql) || /\breturning\b/i.test(compiled.sql);
}

function sqlError(error: Error, sql: string, origin: Error): SqlError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'SQLITE_ERROR';
  // Errors of the package have no stack of this code: they are made on another thread.
  const known = new SqlError({ message: error.message, sqlCode: code, sql });
  if (origin.stack !== undefined) known.stack = `${known.name}: ${known.message}\n${stackLines(origin.stack)}`;
  return known;
}

function stackLines(stack: string): string {
  return stack.slice(stack.indexOf('\n') + 1);
}

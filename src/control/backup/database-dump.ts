/**
 * Writes all rows of a database as of one moment, one NDJSON file per table: the first line names the columns, each
 * further line is a row. SQLite and PostgreSQL give the same files, so an archive of one can be restored into the
 * other.
 *
 * A value is a JSON string, number or null; bytes are {"b": BASE64}.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import { type DatabaseLocation, openAsItIs } from '../db/database.ts';
import { appliedMigrations } from '../db/migrate.ts';

export interface DumpOptions {
  readonly location: DatabaseLocation;
  /** Empty folder in which the files TABLE.ndjson are created. */
  readonly folder: string;
  /** Is called with every row of the tables that other parts of an archive must agree with. */
  readonly onRow: (table: string, row: Row) => void;
}

export interface Dump {
  readonly tables: readonly string[];
  readonly migrations: readonly string[];
}

export type Row = Readonly<Record<string, unknown>>;

/** Tables that are not written: leases and living controls mean nothing later, and the header lists the migrations. */
export const leftOut: ReadonlySet<string> = new Set([
  'leases',
  'controls',
  'kysely_migration',
  'kysely_migration_lock',
]);

/** Rows that one FETCH brings from PostgreSQL. */
const fetchedRows = 500;
/** Characters of lines that are collected before they are written. */
const flushChars = 1024 * 1024;

/** Reads all tables in one read transaction, which blocks no writer. Throws as `openAsItIs` does. */
export async function dumpDatabase(options: DumpOptions): Promise<Dump> {
  return 'file' in options.location
    ? dumpSqlite(options.location.file, options)
    : dumpPostgres(options.location.url, options);
}

async function dumpSqlite(file: string, { folder, onRow }: DumpOptions): Promise<Dump> {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec('pragma query_only = on');
    db.exec('begin');
    const names = (query: string): string[] =>
      db
        .prepare(query)
        .all()
        .map(({ name }) => String(name));
    // The first read fixes the snapshot.
    const all = names(
      "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name",
    );
    const tables = all.filter((table) => !leftOut.has(table));
    const migrations = all.includes('kysely_migration') ? names('select name from kysely_migration order by name') : [];
    for (const table of tables) {
      const columns = names(`select name from pragma_table_info('${table}') order by cid`);
      const writer = await TableWriter.create({ folder, table, columns, onRow });
      try {
        for (const row of db.prepare(`select * from "${table}"`).iterate()) await writer.add(row);
        await writer.end();
      } finally {
        await writer.close();
      }
    }
    return { tables, migrations };
  } finally {
    db.close();
  }
}

async function dumpPostgres(url: string, { folder, onRow }: DumpOptions): Promise<Dump> {
  const db = await openAsItIs({ url });
  try {
    return await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (trx) => {
        const { rows } = await sql<{ name: string }>`select table_name::text as name from information_schema.tables
          where table_schema = current_schema() and table_type = 'BASE TABLE' order by table_name`.execute(trx);
        const tables = rows.map(({ name }) => name).filter((table) => !leftOut.has(table));
        const migrations = await appliedMigrations(trx);
        for (const table of tables) {
          const found = await sql<{ name: string }>`select column_name::text as name from information_schema.columns
            where table_schema = current_schema() and table_name = ${table} order by ordinal_position`.execute(trx);
          const columns = found.rows.map(({ name }) => name);
          const writer = await TableWriter.create({ folder, table, columns, onRow });
          try {
            await sql`declare dumped cursor for select * from ${sql.table(table)}`.execute(trx);
            for (;;) {
              const fetched = await sql.raw<Row>(`fetch ${fetchedRows} from dumped`).execute(trx);
              if (fetched.rows.length === 0) break;
              for (const row of fetched.rows) await writer.add(row);
            }
            await sql`close dumped`.execute(trx);
            await writer.end();
          } finally {
            await writer.close();
          }
        }
        return { tables, migrations };
      });
  } finally {
    await db.destroy();
  }
}

class TableWriter {
  readonly #file: FileHandle;
  readonly #table: string;
  readonly #columns: readonly string[];
  readonly #onRow: DumpOptions['onRow'];
  #text: string;

  private constructor(file: FileHandle, options: TableWriterOptions) {
    this.#file = file;
    this.#table = options.table;
    this.#columns = options.columns;
    this.#onRow = options.onRow;
    this.#text = `${JSON.stringify(options.columns)}\n`;
  }

  static async create(options: TableWriterOptions): Promise<TableWriter> {
    return new TableWriter(await open(join(options.folder, `${options.table}.ndjson`), 'wx', 0o600), options);
  }

  async add(row: Row): Promise<void> {
    this.#onRow(this.#table, row);
    this.#text += `${JSON.stringify(this.#columns.map((column) => encode(row[column])))}\n`;
    if (this.#text.length >= flushChars) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    await this.#file.writeFile(text);
  }
}

interface TableWriterOptions {
  readonly folder: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly onRow: DumpOptions['onRow'];
}

/** Returns a value as it stands in a line: text, a number, null, or `{b: BASE64}` for bytes. */
export function encode(value: unknown): unknown {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value instanceof Uint8Array)
    return { b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  throw new Error(`a value of type ${typeof value} cannot be written`);
}

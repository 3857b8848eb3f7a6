/**
 * Fills an empty database from the files of an archive: first the schema of that time, then every row, in one
 * transaction.
 */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { type Kysely, sql, type Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import type { DatabaseLocation } from '../db/database.ts';
import { migrate, migrationNames } from '../db/migrate.ts';
import type { Schema } from '../db/schema.ts';
import { SqlError } from '../db/sql-error.ts';
import { damaged } from './tar.ts';

/** Parameters of one statement, below the bounds of SQLite (32,766) and PostgreSQL (65,535). */
const parametersMax = 20_000;
const rowsMax = 200;
/** Bytes of lines in one statement. */
const statementBytes = 4 * MIB;

export interface DatabaseLoadOptions {
  readonly db: Kysely<Schema>;
  readonly location: DatabaseLocation;
  /** Folder with the files TABLE.ndjson. */
  readonly folder: string;
  /** Names of the tables' files in `folder`, without `.ndjson`. */
  readonly tables: readonly string[];
  /** Migrations that the archive's database had, in order. */
  readonly migrations: readonly string[];
  /** Runs when all rows are inserted, before the commit. */
  readonly beforeCommit: (trx: Transaction<Schema>) => Promise<void>;
}

/** Throws `archive_newer` when the archive's database had a migration that this program does not know. */
export function checkMigrations(migrations: readonly string[]): void {
  const unknown = migrations.find((name) => !migrationNames.includes(name));
  if (unknown !== undefined)
    throw new PlatformError('archive_newer', `a newer Trisiel has made this archive: its database has ${unknown}`, {
      hints: ['restore it with that version or a later one'],
    });
  // A missing migration in between would make a schema that no version ever had.
  if (!migrations.every((name, at) => name === migrationNames[at])) throw damaged('its migrations have a gap');
}

/**
 * Makes the schema and inserts the rows. Throws `conflict` when the database is not empty, `archive_invalid` when the
 * rows do not fit the schema; then the database is empty.
 */
export async function loadDatabase(options: DatabaseLoadOptions): Promise<void> {
  const { db, migrations, location } = options;
  const before = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (before.length > 0)
    throw new PlatformError('conflict', 'the database is not empty', {
      hints: ['restore into an empty one: createdb, and name it with TRISIEL_DATABASE'],
    });
  await db
    .transaction()
    .execute(async (trx) => {
      await migrate(trx, { upTo: migrations.at(-1)! });
      const columnsOf = await readColumns(trx);
      for (const table of options.tables) if (!columnsOf.has(table)) throw damaged(`it holds a table ${table}`);
      // SQLite checks foreign keys at the commit; PostgreSQL needs the tables in their order.
      if ('file' in location) await sql`pragma defer_foreign_keys = on`.execute(trx);
      const ordered = 'url' in location ? await inOrder(trx, [...columnsOf.keys()]) : [...columnsOf.keys()];
      // Removes rows that migrations have inserted: the archive has them as well.
      for (const table of ordered.toReversed()) await sql`delete from ${sql.table(table)}`.execute(trx);
      for (const table of ordered) {
        const columns = columnsOf.get(table);
        if (columns === undefined || !options.tables.includes(table)) continue;
        await loadTable(trx, { file: join(options.folder, `${table}.ndjson`), table, columns });
      }
      await options.beforeCommit(trx);
    })
    .catch((error: unknown) => {
      if (error instanceof SqlError && isRefusedRow(error)) throw damaged('its rows do not fit together', error);
      throw error;
    });
}

async function readColumns(trx: Transaction<Schema>): Promise<Map<string, ReadonlySet<string>>> {
  const tables = await trx.introspection.getTables();
  return new Map(tables.map(({ name, columns }) => [name, new Set(columns.map((column) => column.name))]));
}

/** Returns tables of PostgreSQL in an order in which each table follows those that it refers to. */
export async function inOrder(trx: Kysely<Schema>, tables: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ from: string; to: string }>`
    select child.relname::text as "from", parent.relname::text as "to" from pg_constraint
    join pg_class child on child.oid = conrelid join pg_class parent on parent.oid = confrelid
    where contype = 'f' and child.relnamespace = current_schema()::regnamespace`.execute(trx);
  const ordered: string[] = [];
  const visit = (table: string): void => {
    if (ordered.includes(table)) return;
    for (const { from, to } of rows) if (from === table && to !== table) visit(to);
    ordered.push(table);
  };
  for (const table of tables) visit(table);
  return ordered;
}

async function loadTable(
  trx: Transaction<Schema>,
  { file, table, columns }: { readonly file: string; readonly table: string; readonly columns: ReadonlySet<string> },
): Promise<void> {
  let names: readonly string[] | null = null;
  let rows: unknown[][] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (rows.length === 0 || names === null) return;
    const values = sql.join(rows.map((row) => sql`(${sql.join(row)})`));
    const into = sql.join(names.map((name) => sql.ref(name)));
    await sql`insert into ${sql.table(table)} (${into}) values ${values}`.execute(trx);
    rows = [];
    bytes = 0;
  };
  for await (const line of linesOf(file)) {
    if (names === null) {
      names = readNames(line, { table, columns });
      continue;
    }
    rows.push(readRow(line, { table, width: names.length }));
    bytes += line.length;
    if (rows.length >= rowsMax || rows.length * names.length >= parametersMax || bytes >= statementBytes) await flush();
  }
  if (names === null) throw damaged(`database/${table}.ndjson is empty`);
  await flush();
}

/** Yields the lines of a file. node:readline would also break lines at U+2028, which JSON leaves unescaped. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') throw damaged('a table ends within a row');
}

function readNames(
  line: string,
  { table, columns }: { readonly table: string; readonly columns: ReadonlySet<string> },
): readonly string[] {
  const value = parse(line, table);
  const isNames = (list: unknown): list is string[] =>
    Array.isArray(list) && list.length > 0 && list.every((name) => typeof name === 'string' && columns.has(name));
  if (!isNames(value) || new Set(value).size !== value.length) throw damaged(`the columns of ${table} are others`);
  return value;
}

function readRow(line: string, { table, width }: { readonly table: string; readonly width: number }): unknown[] {
  const value = parse(line, table);
  if (!Array.isArray(value) || value.length !== width) throw damaged(`a row of ${table} is damaged`);
  return value.map((cell: unknown) => {
    if (cell === null || typeof cell === 'string' || typeof cell === 'number') return cell;
    if (typeof cell === 'object' && 'b' in cell && typeof cell.b === 'string') return Buffer.from(cell.b, 'base64');
    throw damaged(`a row of ${table} is damaged`);
  });
}

function parse(line: string, table: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw damaged(`a row of ${table} is damaged`, error);
  }
}

/**
 * Returns whether the database refused the content of rows: constraints (SQLite; class 23 of PostgreSQL) or types
 * (class 22).
 */
function isRefusedRow({ sqlCode }: SqlError): boolean {
  return /^(?:SQLITE_(?:CONSTRAINT|MISMATCH)|2[23][0-9A-Z]{3}|42804)$/.test(sqlCode);
}

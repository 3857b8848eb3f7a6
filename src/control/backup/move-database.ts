/**
 * Moves all rows between a SQLite file and a PostgreSQL database, in steps that need little memory. Each step is one
 * transaction of the target, which also holds how far the move is: after a kill it goes on there. At the end all tables
 * of both sides are read and compared. Nothing may write to either side meanwhile.
 */
import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { appliedMigrations, migrate, migrationNames } from '../db/migrate.ts';
import { isMoving, progressTable } from '../db/moving.ts';
import type { Schema } from '../db/schema.ts';
import { encode, leftOut, type Row } from './database-dump.ts';
import { inOrder } from './database-load.ts';

/** Rows of one step: fewer where a row may hold a megabyte. */
const stepRows = { small: 500, large: 32 } as const;
/** Sums of digests are kept below this. */
const sumMax = 2n ** 128n;

export interface MoveDatabaseOptions {
  readonly from: Kysely<Schema>;
  readonly to: Kysely<Schema>;
  /** The database of the two that is PostgreSQL: it tells keys and the order of tables. */
  readonly postgres: 'from' | 'to';
  /** Tables that are not moved, besides leases and living controls. */
  readonly without: readonly string[];
  /** Is called after each step, with the rows of the table that have been moved since the start. */
  readonly onStep: (table: string, rows: number) => void;
}

export interface MovedTable {
  readonly table: string;
  readonly rows: number;
  /** Sum of the SHA-256 of all rows, hex, whatever their order. */
  readonly sum: string;
}

interface Table {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly string[];
  readonly rowsOfStep: number;
}

/**
 * Moves the rows, or goes on with a move. Returns the tables. Throws `conflict` when the target is not empty, or holds
 * a move of another platform; `unavailable` when the source is of another version; `internal` when the sides differ at
 * the end.
 */
export async function moveDatabase(options: MoveDatabaseOptions): Promise<readonly MovedTable[]> {
  const { from, to, postgres, without, onStep } = options;
  await checkSource(from);
  await begin(from, to);
  const tables = await tablesOf(postgres === 'from' ? from : to);
  const moved: MovedTable[] = [];
  const wanted = tables.filter(({ name }) => !without.includes(name));
  for (const table of wanted) await moveTable(from, to, table, (rows) => onStep(table.name, rows));
  for (const table of wanted) {
    const [before, after] = [await digest(from, table), await digest(to, table)];
    if (before.rows !== after.rows || before.sum !== after.sum)
      throw new PlatformError('internal', `the rows of ${table.name} differ after the move`, {
        details: [`${before.rows} rows ${before.sum} before, ${after.rows} rows ${after.sum} after`],
        hints: ['make sure that no server uses either side, empty the target, and move again'],
      });
    moved.push({ table: table.name, ...after });
  }
  return moved;
}

/** Makes the target a database like any other. Called last, when everything around it is done too. */
export async function endMove(to: Kysely<Schema>): Promise<void> {
  await to.schema.dropTable(progressTable).ifExists().execute();
}

/**
 * Throws `unavailable` when the source is of another version, `not_found` when it holds no platform, `conflict` when it
 * is itself the target of a move.
 */
export async function checkSource(from: Kysely<Schema>): Promise<void> {
  if (await isMoving(from))
    throw new PlatformError('conflict', 'the source is itself the target of a move that has not ended', {
      hints: ['end that move first: the same command again'],
    });
  const known = await appliedMigrations(from);
  if (known.length === 0) throw new PlatformError('not_found', 'the source holds no platform');
  if (known.join() === migrationNames.join()) return;
  throw new PlatformError('unavailable', 'the source is of another version of Trisiel', {
    hints: ['start this version once, which brings it up to date: trisiel serve'],
  });
}

/** Makes the schema of the target, empty, or finds that an earlier call has made it. */
async function begin(from: Kysely<Schema>, to: Kysely<Schema>): Promise<void> {
  const platform = await platformOf(from);
  const before = await to.introspection.getTables({ withInternalKyselyTables: true });
  if (before.length > 0 && !before.some(({ name }) => name === progressTable))
    throw new PlatformError('conflict', 'the target is not empty', {
      hints: ['move into an empty database or folder; createdb makes one'],
    });
  if (before.length === 0)
    await to.transaction().execute(async (trx) => {
      await sql`create table ${sql.table(progressTable)}
        (name text primary key, last_key text, is_done bigint not null)`.execute(trx);
      await note(trx, { name: `platform ${platform}`, lastKey: null, isDone: false });
    });
  const state = await readNote(to, `platform ${platform}`);
  if (state === undefined) throw new PlatformError('conflict', 'the target holds a move of another platform');
  if (state.isDone) return;
  await to.transaction().execute(async (trx) => {
    await migrate(trx);
    // Removes rows that migrations have inserted, none of which another one refers to: the source has them as well.
    for (const { name } of await trx.introspection.getTables())
      if (!leftOut.has(name) && name !== progressTable) await sql`delete from ${sql.table(name)}`.execute(trx);
    await note(trx, { name: `platform ${platform}`, lastKey: null, isDone: true });
  });
}

async function platformOf(db: Kysely<Schema>): Promise<string> {
  const row = db.selectFrom('settings').select('value').where('key', '=', 'platform_id');
  const value = (await row.executeTakeFirst())?.value;
  if (value === undefined) throw new PlatformError('not_found', 'the source holds no platform');
  return value;
}

/** Returns the tables in an order in which each follows those that it refers to. `db`: PostgreSQL. */
async function tablesOf(db: Kysely<Schema>): Promise<readonly Table[]> {
  const found = (await db.introspection.getTables()).filter(({ name }) => !leftOut.has(name) && name !== progressTable);
  const { rows } = await sql<{ table: string; column: string }>`
    select relname::text as "table", attname::text as "column" from pg_index
    join pg_class on pg_class.oid = indrelid
    join pg_attribute on attrelid = indrelid and attnum = any (indkey)
    where indisprimary and relnamespace = current_schema()::regnamespace
    order by relname, array_position(indkey::int2[], attnum)`.execute(db);
  const names = await inOrder(
    db,
    found.map(({ name }) => name),
  );
  const ordered = found.toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  return ordered.map(({ name, columns }) => {
    const key = rows.filter(({ table }) => table === name).map(({ column }) => column);
    if (key.length === 0) throw new Error(`the table ${name} has no primary key`);
    const hasBytes = columns.some(({ dataType }) => dataType === 'bytea');
    return {
      name,
      key,
      columns: columns.map((column) => column.name).sort(),
      rowsOfStep: hasBytes ? stepRows.large : stepRows.small,
    };
  });
}

async function moveTable(
  from: Kysely<Schema>,
  to: Kysely<Schema>,
  table: Table,
  onStep: (rows: number) => void,
): Promise<void> {
  const known = await readNote(to, table.name);
  if (known?.isDone === true) return;
  // Written below.
  let after = known === undefined || known.lastKey === null ? null : (JSON.parse(known.lastKey) as unknown[]);
  let moved = 0;
  for (;;) {
    const rows = await step(from, table, after);
    const last = rows.at(-1);
    const isDone = rows.length < table.rowsOfStep;
    if (last !== undefined) after = table.key.map((column) => last[column]);
    const lastKey = after === null ? null : JSON.stringify(after);
    await to.transaction().execute(async (trx) => {
      if (rows.length > 0) {
        const values = sql.join(
          rows.map((row) => sql`(${sql.join(table.columns.map((column) => row[column] ?? null))})`),
        );
        const into = sql.join(table.columns.map((column) => sql.ref(column)));
        await sql`insert into ${sql.table(table.name)} (${into}) values ${values}`.execute(trx);
      }
      await note(trx, { name: table.name, lastKey, isDone });
    });
    moved += rows.length;
    onStep(moved);
    if (isDone) return;
  }
}

/** Returns the next rows of a table after the key `after`, in the order of keys. */
async function step(db: Kysely<Schema>, table: Table, after: readonly unknown[] | null): Promise<readonly Row[]> {
  const key = sql.join(table.key.map((column) => sql.ref(column)));
  const condition = after === null ? sql`` : sql`where (${key}) > (${sql.join(after)})`;
  const columns = sql.join(table.columns.map((column) => sql.ref(column)));
  const query = sql<Row>`select ${columns} from ${sql.table(table.name)} ${condition}
    order by ${key} limit ${sql.lit(table.rowsOfStep)}`;
  return (await query.execute(db)).rows;
}

async function digest(db: Kysely<Schema>, table: Table): Promise<{ readonly rows: number; readonly sum: string }> {
  let rows = 0;
  let sum = 0n;
  let after: readonly unknown[] | null = null;
  for (;;) {
    const some: readonly Row[] = await step(db, table, after);
    for (const row of some) {
      const text = JSON.stringify(table.columns.map((column) => encode(row[column])));
      sum = (sum + BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 32)}`)) % sumMax;
    }
    rows += some.length;
    const last = some.at(-1);
    if (last === undefined || some.length < table.rowsOfStep) return { rows, sum: sum.toString(16).padStart(32, '0') };
    after = table.key.map((column) => last[column]);
  }
}

interface Note {
  readonly name: string;
  /** JSON of the key of the last row moved; null: none. */
  readonly lastKey: string | null;
  readonly isDone: boolean;
}

async function note(trx: Kysely<Schema>, { name, lastKey, isDone }: Note): Promise<void> {
  await sql`insert into ${sql.table(progressTable)} (name, last_key, is_done)
    values (${name}, ${lastKey}, ${isDone ? 1 : 0})
    on conflict (name) do update set last_key = excluded.last_key, is_done = excluded.is_done`.execute(trx);
}

async function readNote(db: Kysely<Schema>, name: string): Promise<Note | undefined> {
  const { rows } = await sql<{ last_key: string | null; is_done: number }>`
    select last_key, is_done from ${sql.table(progressTable)} where name = ${name}`.execute(db);
  const row = rows[0];
  return row === undefined ? undefined : { name, lastKey: row.last_key, isDone: Number(row.is_done) === 1 };
}

/**
 * A migration runs while controls of the version before still work (docs/cluster.md, upgrading): whatever those read
 * and write must go on to work. So a migration adds tables, and columns that may be left out; it takes nothing away.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openAsItIs } from '../../../src/control/db/database.ts';
import { migrate, migrationNames } from '../../../src/control/db/migrate.ts';

/** Migrations of versions that had no clusters: those are upgraded with all controls stopped. */
const beforeClusters = new Set(migrationNames.slice(0, migrationNames.indexOf('0030-nodes') + 1));

interface Table {
  /** By name: type, and whether an insert may leave the column out. */
  readonly columns: ReadonlyMap<string, { readonly type: string; readonly mayBeMissing: boolean }>;
  /** Columns of each key that two rows may not share. */
  readonly keys: ReadonlySet<string>;
}

/** What of `after` makes programs fail that know only `before`. */
function breaks(before: ReadonlyMap<string, Table>, after: ReadonlyMap<string, Table>): readonly string[] {
  const found: string[] = [];
  for (const [name, table] of before) {
    const now = after.get(name);
    if (now === undefined) {
      found.push(`${name} is gone`);
      continue;
    }
    for (const [column, { type }] of table.columns) {
      const kept = now.columns.get(column);
      if (kept === undefined) found.push(`${name}.${column} is gone`);
      else if (kept.type !== type) found.push(`${name}.${column} is ${kept.type}, was ${type}`);
      else if (table.columns.get(column)!.mayBeMissing && !kept.mayBeMissing)
        found.push(`${name}.${column} must be written`);
    }
    for (const [column, { mayBeMissing }] of now.columns)
      if (!table.columns.has(column) && !mayBeMissing) found.push(`${name}.${column} is new and must be written`);
    for (const key of now.keys) if (!table.keys.has(key)) found.push(`${name} has a new key: ${key}`);
    // An insert that names its conflict by the key would fail.
    for (const key of table.keys) if (!now.keys.has(key)) found.push(`${name} has no key any more: ${key}`);
  }
  return found;
}

type Db = Awaited<ReturnType<typeof openAsItIs>>;

async function tablesOf(db: Db): Promise<ReadonlyMap<string, Table>> {
  const read = async <Row>(text: string): Promise<readonly Row[]> => (await sql.raw<Row>(text).execute(db)).rows;
  const names = await read<{ name: string }>("select name from sqlite_master where type = 'table'");
  const tables = new Map<string, Table>();
  for (const { name } of names) {
    const columns = await read<{ name: string; type: string; notnull: number; dflt_value: unknown; pk: number }>(
      `pragma table_info('${name}')`,
    );
    const indexes = await read<{ name: string; unique: number; partial: number }>(`pragma index_list('${name}')`);
    const keys = new Set<string>();
    for (const index of indexes.filter(({ unique }) => unique === 1)) {
      const parts = await read<{ name: string }>(`pragma index_info('${index.name}')`);
      keys.add(`${parts.map((part) => part.name).join(', ')}${index.partial === 1 ? ' (of some rows)' : ''}`);
    }
    tables.set(name, {
      columns: new Map(
        columns.map(({ name: column, type, notnull, dflt_value, pk }) => [
          column,
          { type: type.toLowerCase(), mayBeMissing: dflt_value !== null || (notnull === 0 && pk === 0) },
        ]),
      ),
      keys,
    });
  }
  return tables;
}

async function onEmptyFile(work: (db: Db) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-migrations-'));
  const db = await openAsItIs({ file: join(folder, 'trisiel.db') });
  try {
    await work(db);
  } finally {
    await db.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

test('no migration since there are clusters breaks a control of the version before', async () => {
  await onEmptyFile(async (db) => {
    const broken: Record<string, readonly string[]> = {};
    let before: ReadonlyMap<string, Table> = new Map();
    for (const name of migrationNames) {
      await migrate(db, { upTo: name });
      const after = await tablesOf(db);
      const found = breaks(before, after);
      if (found.length > 0 && !beforeClusters.has(name)) broken[name] = found;
      before = after;
    }
    expect(broken).toEqual({});
  });
});

test.each([
  ['alter table users add column mood text not null default 1', []],
  ['alter table users add column mood text', []],
  ['create table weather (day text primary key)', []],
  ['create index by_mail on users (created_ms)', []],
  ['drop table kv', ['kv is gone']],
  [
    'alter table users rename column password_hash to secret',
    ['users.password_hash is gone', 'users.secret is new and must be written'],
  ],
  ['create unique index by_time on users (created_ms)', ['users has a new key: created_ms']],
])('the comparison finds what breaks: %s', async (statement, expected) => {
  await onEmptyFile(async (db) => {
    await migrate(db);
    const before = await tablesOf(db);
    await sql.raw('pragma foreign_keys = off').execute(db);
    await sql.raw(statement).execute(db);
    expect(breaks(before, await tablesOf(db))).toEqual(expected);
  });
});

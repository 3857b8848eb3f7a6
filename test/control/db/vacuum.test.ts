import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, type DatabaseEvent, openDatabase } from '../../../src/control/db/database.ts';
import { Vacuum, vacuumLimits } from '../../../src/control/db/vacuum.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { sqlite, type TemporaryDatabase } from '../../support/database.ts';

let store: TemporaryDatabase;
let db: Database;

beforeEach(async () => {
  store = await sqlite.temporary();
  db = store.db;
});

afterEach(() => store.close());

/** Writes and removes `mib` MiB of rows. */
async function fillAndEmpty(on: Database, mib: number): Promise<void> {
  const row = (i: number) => ({ key: `k${i}`, value: 'x'.repeat(MIB / 4) });
  for (let i = 0; i < mib * 4; i += 1) await on.insertInto('settings').values(row(i)).execute();
  await on.deleteFrom('settings').where('key', 'like', 'k%').execute();
  await sql`pragma wal_checkpoint(truncate)`.execute(on);
}

async function pragma(on: Database, name: string): Promise<number> {
  const { rows } = await sql.raw<Record<string, number>>(`pragma ${name}`).execute(on);
  return Number(rows[0]?.[name]);
}

test('the file shrinks to what is in it and what it keeps, while others write', async () => {
  const file = join(store.folder, 'trisiel.db');
  await fillAndEmpty(db, 24);
  const full = (await stat(file)).size;
  let isDone = false;
  const run = db.vacuum!.run().then(() => {
    isDone = true;
  });
  let written = 0;
  while (!isDone) {
    await db
      .insertInto('settings')
      .values({ key: `w${written}`, value: 'x' })
      .execute();
    written += 1;
  }
  await run;
  // One write after each step at least: a step lets writers in.
  expect(written).toBeGreaterThanOrEqual((16 * MIB) / 4096 / vacuumLimits.stepPages);
  await sql`pragma wal_checkpoint(truncate)`.execute(db);
  expect((await stat(file)).size).toBeLessThan(full - 15 * MIB);
  expect(await pragma(db, 'freelist_count')).toBeLessThanOrEqual(vacuumLimits.keptBytes / 4096);
});

test('what is kept free is not given back', async () => {
  await fillAndEmpty(db, 4);
  const free = await pragma(db, 'freelist_count');
  await db.vacuum!.run();
  expect(await pragma(db, 'freelist_count')).toBe(free);
  const vacuum = new Vacuum({ db: db.relaxed, keptBytes: 0, onError: (error) => expect.unreachable(String(error)) });
  await vacuum.run();
  await vacuum.close();
  expect(await pragma(db, 'freelist_count')).toBe(0);
});

test('closing ends a run after its step', async () => {
  await fillAndEmpty(db, 4);
  const vacuum = new Vacuum({ db: db.relaxed, keptBytes: 0, onError: () => {} });
  const running = vacuum.run();
  await vacuum.close();
  await running;
  expect(await pragma(db, 'freelist_count')).toBeGreaterThan(0);
});

test('a file of an earlier version is rewritten once, with a message, and holds everything', async () => {
  await db.insertInto('settings').values({ key: 'kept', value: 'here' }).execute();
  await sql`pragma auto_vacuum = none`.execute(db);
  await sql`vacuum`.execute(db);
  expect(await pragma(db, 'auto_vacuum')).toBe(0);
  await db.close();
  const events: DatabaseEvent[] = [];
  for (let start = 0; start < 2; start += 1) {
    const again = await openDatabase({ ...store.location, onEvent: (event) => events.push(event) });
    expect(await pragma(again, 'auto_vacuum')).toBe(2);
    expect(await again.selectFrom('settings').select('value').where('key', '=', 'kept').execute()).toHaveLength(1);
    await again.close();
  }
  expect(events).toEqual([{ kind: 'rewriting_file' }]);
});

/** Opens the database file named by its argument and prints what happened. */
const opening = `
  import { openDatabase } from ${JSON.stringify(new URL('../../../src/control/db/database.ts', import.meta.url).href)};
  const events = [];
  const db = await openDatabase({ file: process.argv[1], onEvent: ({ kind, what }) => events.push(what ?? kind) });
  const rows = await db.selectFrom('settings').select('key').where('key', 'like', 'kept%').execute();
  await db.close();
  console.log(JSON.stringify({ events, rows: rows.length }));
`;

test('a rewrite that finds no room on the disk is told, the platform starts all the same, and the next start tries again', async () => {
  for (let n = 0; n < 8; n += 1)
    await db
      .insertInto('settings')
      .values({ key: `kept${n}`, value: 'x'.repeat(MIB) })
      .execute();
  await sql`pragma auto_vacuum = none`.execute(db);
  await sql`vacuum`.execute(db);
  await db.close();
  const file = join(store.folder, 'trisiel.db');
  // No file of the process may become larger than 4 MiB (in blocks of 512 bytes).
  const script = `ulimit -f ${(4 * MIB) / 512}; exec "$0" --input-type=module --eval "$1" "$2"`;
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script, process.execPath, opening, file]);
  expect(JSON.parse(stdout)).toEqual({ events: ['rewriting_file', 'rewriting the database file'], rows: 8 });
  const again = await openDatabase(store.location);
  expect(await pragma(again, 'auto_vacuum')).toBe(2);
  expect(await again.selectFrom('settings').select('key').where('key', 'like', 'kept%').execute()).toHaveLength(8);
  await again.close();
});

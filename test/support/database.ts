/** Real databases for tests, on both dialects: `onEachDatabase` runs the same tests on each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { describe } from 'vitest';
import { type Database, type DatabaseLocation, openDatabase } from '../../src/control/db/database.ts';
import { postgresPool } from '../../src/control/db/dialects/postgres-pool.ts';
import { type PostgresServer, postgresMissing, startPostgres } from './postgres.ts';

export interface TemporaryDatabase {
  readonly db: Database;
  readonly location: DatabaseLocation;
  /** Folder for other files of a test. */
  readonly folder: string;
  /**
   * Opens another Database on the same tables: a second control, or the same control after a restart. `close` closes
   * it.
   */
  open(): Promise<Database>;
  /** Closes every Database and removes all files. */
  close(): Promise<void>;
}

export interface TestDialect {
  readonly name: 'sqlite' | 'postgres';
  /** Makes a fresh database with the newest schema. */
  temporary(): Promise<TemporaryDatabase>;
}

export const sqlite: TestDialect = { name: 'sqlite', temporary: temporaryDatabase };
export const postgres: TestDialect = { name: 'postgres', temporary: temporaryPostgres };

/** Runs `tests` for SQLite and for PostgreSQL. Without PostgreSQL its tests skip and print why. */
export function onEachDatabase(title: string, tests: (dialect: TestDialect) => void): void {
  describe(`${title}, sqlite`, () => tests(sqlite));
  onPostgres(title, tests);
}

/** Runs `tests` for PostgreSQL alone. */
export function onPostgres(title: string, tests: (dialect: TestDialect) => void): void {
  if (postgresMissing !== null) process.stderr.write(`skipped: ${title}, postgres: ${postgresMissing}\n`);
  describe.skipIf(postgresMissing !== null)(`${title}, postgres`, () => tests(postgres));
}

export async function temporaryDatabase(): Promise<TemporaryDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-db-'));
  return temporary(folder, { file: join(folder, 'trisiel.db') }, async () => {});
}

/** One server per test file; each file has its own process. */
let server: Promise<PostgresServer> | null = null;
let made = 0;
const template = 'template_trisiel';

/** Databases on PostgreSQL by the data folder that they stand for. */
const byFolder = new Map<string, string>();

/**
 * Returns the location of the database of a platform whose data folder is `folder`: a file in it, or with
 * TEST_DATABASE=postgres a database on PostgreSQL, the same one for the same folder. The project `postgres` of
 * vitest.config.ts runs tests of control so.
 */
export async function databaseOf(folder: string): Promise<DatabaseLocation> {
  if (process.env.TEST_DATABASE !== 'postgres') return { file: join(folder, 'trisiel.db') };
  const running = await postgresServer();
  let name = byFolder.get(folder);
  if (name === undefined) {
    name = await newDatabase(running);
    byFolder.set(folder, name);
  }
  return { url: running.url(name) };
}

function postgresServer(): Promise<PostgresServer> {
  server ??= startPostgres().then(async (started) => {
    await command(started, `create database ${template}`);
    await (await openDatabase({ url: started.url(template) })).close();
    return started;
  });
  return server;
}

/** Makes a database with the newest schema and returns its name. */
async function newDatabase(running: PostgresServer): Promise<string> {
  made += 1;
  const name = `t${made}`;
  await command(running, `create database ${name} template ${template}`);
  return name;
}

async function temporaryPostgres(): Promise<TemporaryDatabase> {
  const running = await postgresServer();
  const name = await newDatabase(running);
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-db-'));
  return temporary(folder, { url: running.url(name) }, () => command(running, `drop database ${name} with (force)`));
}

async function temporary(
  folder: string,
  location: DatabaseLocation,
  drop: () => Promise<void>,
): Promise<TemporaryDatabase> {
  const opened: Database[] = [];
  const open = async (): Promise<Database> => {
    const db = await openDatabase(location);
    opened.push(db);
    return db;
  };
  return {
    db: await open(),
    location,
    folder,
    open,
    async close() {
      for (const db of opened) await db.close();
      await drop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Runs a statement outside of any temporary database. */
export async function command(on: PostgresServer, statement: string): Promise<void> {
  const pool = () => postgresPool({ url: on.url('postgres'), connections: 1, statementMs: null, onLost: () => {} });
  const db = new Kysely({ dialect: new PostgresDialect({ pool }) });
  try {
    await sql.raw(statement).execute(db);
  } finally {
    await db.destroy();
  }
}

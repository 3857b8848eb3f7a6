/**
 * The database of control. `Database` is Kysely over src/control/db/schema.ts; stations write portable
 * SQL with Kysely's builder only, so that Postgres' dialect can take this place.
 */
import { open } from 'node:fs/promises';
import { type Dialect, Kysely } from 'kysely';
import { Sqlite3Dialect } from './dialects/sqlite3.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';

/**
 * Within `transaction().execute(async (trx) => …)` use `trx` only: `db` waits for the connection
 * which the transaction holds, and fails after `sqliteLimits.waitMs`.
 */
export class Database extends Kysely<Schema> {
  /**
   * For what may be lost in a power cut (log lines, usage): a commit here does not wait for the
   * disk, and a batch does not stand in the way of `this`' transactions longer than its own insert.
   */
  readonly relaxed: Kysely<Schema>;
  /** For reads that may take long (log searches): they wait for no writer, and no writer waits for them. */
  readonly reader: Kysely<Schema>;

  constructor(dialects: { main: Dialect; relaxed: Dialect; reader: Dialect }) {
    super({ dialect: dialects.main });
    this.relaxed = new Kysely<Schema>({ dialect: dialects.relaxed });
    this.reader = new Kysely<Schema>({ dialect: dialects.reader });
  }

  /** Finishes what is running, then closes every connection. */
  async close(): Promise<void> {
    await this.reader.destroy();
    await this.relaxed.destroy();
    await this.destroy();
  }
}

/**
 * Opens (or makes, mode 0600) the SQLite file and brings it to the newest schema.
 * Throws SqlError where the file cannot be used, PlatformError `unavailable` where it was made by a newer version.
 */
export async function openDatabase(options: { readonly file: string }): Promise<Database> {
  const { file } = options;
  // It holds password hashes: nobody else on the machine may read it. SQLite's -wal and -shm get the same mode.
  await (await open(file, 'a', 0o600)).close();
  const db = new Database({
    main: new Sqlite3Dialect({ file, synchronous: 'full' }),
    relaxed: new Sqlite3Dialect({ file, synchronous: 'normal' }),
    reader: new Sqlite3Dialect({ file, synchronous: 'normal', readOnly: true }),
  });
  try {
    await migrate(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

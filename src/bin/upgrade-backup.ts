/**
 * Backs up a database before its schema is changed, into the folder `upgrades` of the data folder, so that the earlier
 * version can be used again. An upgrade changes nothing else in the data folder.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { writeBackup } from '../control/backup/backup.ts';
import { openAsItIs } from '../control/db/database.ts';
import { PlatformError } from '../protocol/errors.ts';
import { programVersion } from '../protocol/program-version.ts';
import { databaseLocation } from './data-identity.ts';

export interface UpgradeBackupOptions {
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  /** Value of TRISIEL_DATABASE. */
  readonly databaseUrl: string | null;
  /** Name of the last migration that the database has. */
  readonly last: string;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
}

/**
 * Returns the path of the backup: for SQLite a database that the earlier version opens, for PostgreSQL an archive for
 * `trisiel restore`. Throws `unavailable` when it cannot be made; the database is then unchanged.
 */
export async function keepBeforeUpgrade({ dataFolder, databaseUrl, last, now }: UpgradeBackupOptions): Promise<string> {
  const folder = join(dataFolder, 'upgrades');
  const location = databaseLocation(dataFolder, databaseUrl);
  const extension = 'file' in location ? 'db' : 'trisiel';
  let file = join(folder, `after-${last}.${extension}`);
  for (let n = 2; existsSync(file); n += 1) file = join(folder, `after-${last}-${n}.${extension}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ('url' in location) {
      const program = programVersion;
      await writeBackup({ dataFolder, location, file, since: null, contents: 'database', program, now });
    } else {
      const db = await openAsItIs(location);
      await sql`vacuum into ${file}`.execute(db).finally(() => db.destroy());
      await chmod(file, 0o600);
    }
    return file;
  } catch (error) {
    throw new PlatformError(
      'unavailable',
      `the database could not be backed up before its upgrade, so it stays as it is`,
      {
        hints: [`make room in ${folder}, then start again`, 'or start the version of Trisiel that was used before'],
        cause: error,
      },
    );
  }
}

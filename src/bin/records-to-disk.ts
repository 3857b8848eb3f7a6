/**
 * Makes repositories and Artifacts on a disk from what several controls have recorded in their database: for a platform
 * that goes on with SQLite, in a folder that has few of them or none.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import { DatabaseBlobs } from '../control/artifacts/database-blobs.ts';
import type { Database } from '../control/db/database.ts';
import { LeasedHomes } from '../control/git/leased-homes.ts';
import { Repositories } from '../control/git/repositories.ts';
import { packSuffix, RepositoryKeeper } from '../control/git/repository-keeper.ts';
import { forgetRecords } from '../control/git/repository-records.ts';
import { PlatformError } from '../protocol/errors.ts';

export interface RecordsToDiskOptions {
  /** Database with the records, which it does not change. */
  readonly db: Database;
  /** Data folder to write into. Files in it stay; repositories are brought up to date. */
  readonly folder: string;
  /** Environment of git. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Makes all Artifacts and recorded repositories that the folder lacks. Throws `internal` when a record is damaged. */
export async function recordsToDisk({ db, folder, environment }: RecordsToDiskOptions): Promise<void> {
  const packs = new DatabaseBlobs({ db });
  const disk = await ArtifactStore.open(join(folder, 'artifacts'));
  for (const name of await packs.list())
    if (!name.endsWith(packSuffix) && !(await disk.has(name))) await disk.put(name, await packs.get(name));
  const all = new LeasedHomes({ db, self: 'disk', now: Date.now });
  const { self } = all;
  // Reads homes and takes none: the records stay as they are.
  const homes = {
    self,
    mine: async () => new Map<string, number>(),
    locate: (id: string) => all.locate(id),
    erase: async () => {},
    take: async (id: string) => {
      const home = await all.locate(id);
      if (home === null) throw new PlatformError('not_found', `there is no repository ${id}`);
      return { ...home, controlId: self };
    },
  };
  const repos = join(folder, 'repos');
  const keeper = await RepositoryKeeper.open({
    ...{ db, homes, packs, environment },
    spoolFolder: join(repos, `.packs-${randomBytes(4).toString('hex')}`),
    // Folds nothing, so nothing can fail later.
    report: () => {},
  });
  const hooksFolder = fileURLToPath(new URL('../../hooks', import.meta.url));
  const repositories = await Repositories.open({ folder: repos, hooksFolder, environment, keeper });
  const recorded = db.selectFrom('repository_homes').select('repository_id').where('is_recorded', '=', 1);
  for (const row of await recorded.execute()) await repositories.create(row.repository_id);
}

/**
 * Makes this folder, whose database is SQLite, the only one of its platform: what several controls had recorded before
 * (an archive of theirs was restored) becomes files, and the records are forgotten. Does nothing without records.
 */
export async function goOnAlone(options: RecordsToDiskOptions & { readonly controlId: string }): Promise<void> {
  const { db, controlId } = options;
  const blob = await db.selectFrom('blobs').select('name').limit(1).executeTakeFirst();
  const homes = db.selectFrom('repository_homes').select('home').where('is_recorded', '=', 1).limit(1);
  if (blob === undefined && (await homes.executeTakeFirst()) === undefined) return;
  await recordsToDisk(options);
  await db.updateTable('repository_homes').set({ home: controlId }).where('is_recorded', '=', 1).execute();
  await forgetRecords(db);
}

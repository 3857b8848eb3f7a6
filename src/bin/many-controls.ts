/** Joins the parts of control that let several of them work on one database. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import { DatabaseBlobs } from '../control/artifacts/database-blobs.ts';
import { SharedBlobs } from '../control/artifacts/shared-blobs.ts';
import type { Database } from '../control/db/database.ts';
import { LeasedHomes } from '../control/git/leased-homes.ts';
import type { Repositories } from '../control/git/repositories.ts';
import { RepositoryKeeper } from '../control/git/repository-keeper.ts';

/** The parts of a control that works beside others on one database. */
export interface ManyControls {
  readonly homes: LeasedHomes;
  readonly keeper: RepositoryKeeper;
  readonly artifacts: SharedBlobs;
  /** Secret that the controls of this database have, by which they recognise each other. */
  readonly key: Uint8Array;
}

/** Makes the parts; the control is not registered by it yet (Membership.join). */
export async function joinOthers(options: {
  readonly db: Database;
  readonly self: string;
  readonly disk: ArtifactStore;
  readonly dataFolder: string;
  readonly gitEnvironment: Readonly<Record<string, string>>;
  readonly now: () => number;
  readonly report: (message: string, error: unknown) => void;
}): Promise<ManyControls> {
  const { db, self, disk, dataFolder, gitEnvironment: environment, now, report } = options;
  const homes = new LeasedHomes({ db, self, now });
  const blobs = new DatabaseBlobs({ db });
  const spoolFolder = join(dataFolder, 'repos', '.packs');
  await rm(spoolFolder, { recursive: true, force: true });
  return {
    homes,
    keeper: await RepositoryKeeper.open({ db, homes, packs: blobs, environment, spoolFolder, report }),
    artifacts: new SharedBlobs({ local: disk, shared: blobs }),
    key: Buffer.from(await readSetting(db, 'control_key', () => randomBytes(32).toString('hex')), 'hex'),
  };
}

/**
 * Stores for all controls what an earlier version, or a move from SQLite, left on this disk alone. What cannot be
 * stored is reported and stays; the next start tries again. Never rejects.
 */
export async function shareOld(options: {
  readonly many: Pick<ManyControls, 'homes' | 'artifacts'>;
  readonly repositories: Pick<Repositories, 'create'>;
  /** Returns the names of the Artifacts that Deployments use. */
  readonly usedContents: () => Promise<ReadonlySet<string>>;
  readonly log: Pick<Logger, 'info'>;
  readonly report: (message: string, error: unknown) => void;
}): Promise<void> {
  const { many, repositories, usedContents, log, report } = options;
  try {
    const shared = await many.artifacts.share(await usedContents());
    if (shared > 0) log.info({ shared }, 'artifacts of an earlier version can now be read by all controls');
    for (const id of await many.homes.unrecorded())
      await repositories
        .create(id)
        .catch((error: unknown) => report(`the repository ${id} could not be stored for all controls`, error));
  } catch (error) {
    report('what only this disk has could not be stored for all controls', error);
  }
}

/** Returns the platform's setting `key` from the database; draws and stores it at the first call. */
export async function readSetting(db: Database, key: string, draw: () => string): Promise<string> {
  await db
    .insertInto('settings')
    .values({ key, value: draw() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  return (await db.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirstOrThrow()).value;
}

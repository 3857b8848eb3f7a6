/** Opens the database of a data folder, and takes both for this control alone. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type Database, type DatabaseEvent, openDatabase } from '../control/db/database.ts';
import type { HeldLease } from '../control/db/held-lease.ts';
import { openSharedClock, type SharedClock } from '../control/db/shared-clock.ts';
import type { ServerConfig } from './config.ts';
import { DataIdentity } from './data-identity.ts';
import { takeFolderLease } from './folder-lease.ts';
import { readSetting } from './many-controls.ts';
import { keepBeforeUpgrade } from './upgrade-backup.ts';

export interface OwnDatabase {
  readonly identity: DataIdentity;
  readonly db: Database;
  /** Clock that all controls of the database share. */
  readonly clock: SharedClock;
  readonly platformId: string;
  /** Lease of the data folder. */
  readonly lease: HeldLease;
}

/**
 * Opens the database; one of an earlier version is backed up and brought up to date. Throws `unavailable` where it
 * cannot be reached, is of a newer version, belongs to another data folder, or is held by a living control with a copy
 * of the folder.
 */
export async function openOwnDatabase({
  config,
  log,
  elapsedMs,
  report,
}: {
  readonly config: Pick<ServerConfig, 'dataFolder' | 'database'>;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly elapsedMs: () => number;
  readonly report: (message: string, error: unknown) => void;
}): Promise<OwnDatabase> {
  const { dataFolder, database } = config;
  const identity = DataIdentity.read(dataFolder, database);
  const db = await openDatabase({
    ...identity.location(database),
    onEvent: (event) => logDatabaseEvent(log, event),
    beforeUpgrade: async (last) => {
      const kept = await keepBeforeUpgrade({ dataFolder, databaseUrl: database, last, now: Date.now });
      log.info({ kept }, 'the database is of an earlier version: it was backed up and is brought up to date now');
    },
  });
  const clock = await openSharedClock({ db, wallMs: Date.now, elapsedMs, report });
  const platformId = await readSetting(db, 'platform_id', randomUUID);
  await identity.bind(platformId);
  return { identity, db, clock, platformId, lease: await takeFolderLease(db, identity, log) };
}

function logDatabaseEvent(log: Logger, event: DatabaseEvent): void {
  if (event.kind === 'failed') log.error({ err: event.error }, `database: ${event.what} failed`);
  else log.info('the database file is rewritten once, so that it can shrink from now on');
}

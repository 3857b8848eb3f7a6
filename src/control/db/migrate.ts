/** Brings the schema forward; there is no way back, backups are one. */
import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { PlatformError } from '../../protocol/errors.ts';
import { first } from './migrations/0001-first.ts';
import { queueMessages } from './migrations/0002-queue-messages.ts';
import { manyWriters } from './migrations/0003-many-writers.ts';
import { knownAddresses } from './migrations/0004-known-addresses.ts';
import { storedBytes } from './migrations/0005-stored-bytes.ts';
import { queuePositions } from './migrations/0006-queue-positions.ts';
import { rolesAndScopes } from './migrations/0007-roles-and-scopes.ts';
import { handlerSettings } from './migrations/0008-handler-settings.ts';
import { queues } from './migrations/0010-queues.ts';
import { audit } from './migrations/0012-audit.ts';

/** In order for ever: a migration that has been released is never edited, only followed. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-queue-messages': queueMessages,
  '0003-many-writers': manyWriters,
  '0004-known-addresses': knownAddresses,
  '0005-stored-bytes': storedBytes,
  '0006-queue-positions': queuePositions,
  '0007-roles-and-scopes': rolesAndScopes,
  '0008-handler-settings': handlerSettings,
  '0010-queues': queues,
  '0012-audit': audit,
};

/** Runs the missing ones, all in one transaction; what ran is recorded in `kysely_migration`. */
export async function migrate<DB>(db: Kysely<DB>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.startsWith('corrupted migrations'))
    throw new PlatformError('unavailable', 'the database was made by another version of Trisiel', {
      hints: ['start the newer version again, or restore the backup made before the upgrade'],
      cause: error,
    });
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  if (failed === undefined) throw error;
  throw new Error(`migration ${failed} failed`, { cause: error });
}

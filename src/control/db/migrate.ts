/** Migrates the schema forward. There is no way back; backups serve for that. */
import { type Kysely, sql } from 'kysely';
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
import { calls } from './migrations/0011-calls.ts';
import { audit } from './migrations/0012-audit.ts';
import { previews } from './migrations/0014-previews.ts';
import { queueRates } from './migrations/0015-queue-rates.ts';
import { keptAnswers } from './migrations/0017-kept-answers.ts';
import { rollouts } from './migrations/0018-rollouts.ts';
import { formerNames } from './migrations/0019-former-names.ts';
import { waiting } from './migrations/0022-waiting.ts';
import { logBlocks } from './migrations/0024-log-blocks.ts';
import { nodes } from './migrations/0030-nodes.ts';
import { controls } from './migrations/0035-controls.ts';
import { logRetention } from './migrations/0040-log-retention.ts';
import { domains } from './migrations/0050-domains.ts';
import { drains } from './migrations/0055-drains.ts';
import { homesOfControls } from './migrations/0056-homes-of-controls.ts';
import { codeTries } from './migrations/0057-code-tries.ts';
import { commitWords } from './migrations/0058-commit-words.ts';
import { deletedUsers } from './migrations/0059-deleted-users.ts';
import { domainCertificates } from './migrations/0060-domain-certificates.ts';
import { refusals } from './migrations/0061-refusals.ts';
import { relinked } from './migrations/0062-relinked.ts';

/** Migrations in order. A released migration is never edited; a later one corrects it. */
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
  '0011-calls': calls,
  '0012-audit': audit,
  '0014-previews': previews,
  '0015-queue-rates': queueRates,
  '0017-kept-answers': keptAnswers,
  '0018-rollouts': rollouts,
  '0019-former-names': formerNames,
  '0022-waiting': waiting,
  '0024-log-blocks': logBlocks,
  '0030-nodes': nodes,
  '0035-controls': controls,
  '0040-log-retention': logRetention,
  '0050-domains': domains,
  '0055-drains': drains,
  '0056-homes-of-controls': homesOfControls,
  '0057-code-tries': codeTries,
  '0058-commit-words': commitWords,
  '0059-deleted-users': deletedUsers,
  '0060-domain-certificates': domainCertificates,
  '0061-refusals': refusals,
  '0062-relinked': relinked,
};

/** Names of all migrations, in order. */
export const migrationNames: readonly string[] = Object.keys(migrations);

export interface MigrateOptions {
  /** Name of the migration to stop after; absent: the last one. */
  readonly upTo?: string;
  /** Runs before a database with content is changed; `last`: its last migration. A rejection leaves it unchanged. */
  readonly beforeChange?: (last: string) => Promise<void>;
}

/**
 * Runs the missing migrations in one transaction and records them in `kysely_migration`. Throws `unavailable` when the
 * database has migrations that this program does not know.
 */
export async function migrate<DB>(db: Kysely<DB>, options: MigrateOptions = {}): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  if (options.beforeChange !== undefined) {
    const known = await appliedMigrations(db);
    const last = known.at(-1);
    const isKnown = known.every((name) => name in migrations);
    if (last !== undefined && isKnown && known.length < migrationNames.length) await options.beforeChange(last);
  }
  const { error, results } =
    options.upTo === undefined ? await migrator.migrateToLatest() : await migrator.migrateTo(options.upTo);
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

/** Returns the names of the migrations that a database has had, in order; empty for an empty database. */
export async function appliedMigrations<DB>(db: Kysely<DB>): Promise<readonly string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === 'kysely_migration')) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

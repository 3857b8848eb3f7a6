/** Reads the records of repositories: which refs they make, and which pins belong to them. */
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import type { Refs } from './ref-files.ts';

/** Beginning of the names of pins, which keep the commits of Deployments. */
export const pinPrefix = 'refs/deployments/';

/** Refs that a push has moved: ref -> object id; null: deleted. */
export type MovedRefs = Readonly<Record<string, string | null>>;

type RecordRow = Pick<Schema['repository_records'], 'number' | 'push' | 'refs' | 'shallow' | 'blob'>;

/** Returns the records of a repository, oldest first. */
export async function readRecords(db: Database, repositoryId: string): Promise<readonly RecordRow[]> {
  return db
    .selectFrom('repository_records')
    .select(['number', 'push', 'refs', 'shallow', 'blob'])
    .where('repository_id', '=', repositoryId)
    .orderBy('number')
    .execute();
}

/** Returns the refs that `records`, oldest first, make together. */
export function mergedRefs(records: readonly Pick<RecordRow, 'refs'>[]): Refs {
  const refs = new Map<string, string>();
  for (const record of records)
    for (const [ref, oid] of Object.entries(JSON.parse(record.refs) as MovedRefs)) // written by RepositoryKeeper
      if (oid === null) refs.delete(ref);
      else refs.set(ref, oid);
  return refs;
}

/** Returns the pins that a repository must have: ref -> commit of a Deployment that is live or was. */
export async function readPins(db: Database, repositoryId: string): Promise<Refs> {
  const rows = await db
    .selectFrom('deployments')
    .select(['number', 'commit'])
    .where('handler_id', '=', repositoryId)
    .where('state', 'in', ['live', 'retired'])
    .execute();
  return new Map(rows.map(({ number, commit }) => [`${pinPrefix}${number}`, commit]));
}

/**
 * Forgets all records, in a database that has no other controls: pushes are not recorded there, so the records would be
 * outdated when the data is moved to a database of several controls later.
 */
export async function forgetRecords(db: Database): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx
      .updateTable('repository_homes')
      .set({ is_recorded: 0, last_number: 0 })
      .where('is_recorded', '=', 1)
      .execute();
    await trx.deleteFrom('repository_records').execute();
    await trx.deleteFrom('blob_pieces').execute();
    await trx.deleteFrom('blobs').execute();
  });
}

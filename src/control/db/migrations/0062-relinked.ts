/**
 * Says of Deployments of components whether a later linker than that of their push has linked them anew, or refuses
 * them.
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const relinked: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('deployments').addColumn('relinked_ms', 'bigint').execute();
    await db.schema.alterTable('deployments').addColumn('relink_refused', 'integer').execute();
  },
};

/** Keeps the row of a user who was deleted: versions that the user pushed refer to it. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const deletedUsers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('users').addColumn('deleted_ms', 'bigint').execute();
  },
};

/** Adds an index over homes of repositories: looks for lost controls and the start of a control read by it. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const homesOfControls: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.createIndex('repository_homes_home').on('repository_homes').column('home').execute();
  },
};

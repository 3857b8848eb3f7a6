/** Keeps with a Deployment what its commit says about itself, and what it may do that the version before may not. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const commitWords: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const column of ['author', 'subject', 'newly'])
      await db.schema.alterTable('deployments').addColumn(column, 'text').execute();
  },
};

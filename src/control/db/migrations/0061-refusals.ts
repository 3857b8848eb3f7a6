/** Counts calls apart that the platform refused for reasons outside of their version: they say nothing about it. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const refusals: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable('usage')
      .addColumn('refusals', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
  },
};

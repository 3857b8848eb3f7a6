/** Counts tries of codes in the users' rows, so that all controls count together. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const codeTries: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable('users')
      .addColumn('totp_tries_until_ms', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
  },
};

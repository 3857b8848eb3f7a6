/** Adds custom domains of handlers. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const domains: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('domains')
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('domain', 'text', (column) => column.notNull())
      .addColumn('token', 'text', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .addColumn('checked_ms', 'bigint')
      .addColumn('verified_ms', 'bigint')
      .addColumn('failing_ms', 'bigint')
      .addColumn('problem', 'text')
      .addColumn('served', 'text')
      .addPrimaryKeyConstraint('domains_key', ['handler_id', 'domain'])
      .execute();
    // Several handlers may claim a domain, one is served under it.
    await db.schema.createIndex('domains_served').on('domains').column('served').unique().execute();
    await db.schema.createIndex('domains_checked').on('domains').column('checked_ms').execute();
  },
};

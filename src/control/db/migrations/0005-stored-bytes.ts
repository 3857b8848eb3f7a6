/**
 * Adds the bytes that each handler stores, by kind (src/control/quota), and the time at which a Deployment was retired
 * or failed, by which old ones are removed. For Deployments that ended before, the time at which they were made counts.
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const storedBytes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('stored_bytes')
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('stored_bytes_key', ['handler_id', 'kind'])
      .execute();
    await db.schema.alterTable('deployments').addColumn('ended_ms', 'bigint').execute();
  },
};

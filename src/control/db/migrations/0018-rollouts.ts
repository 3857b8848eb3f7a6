/** Adds gradual releases: a second Deployment of a handler that gets a share of its calls. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const rollouts: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('rollouts')
      .addColumn('handler_id', 'text', (column) => column.primaryKey().references('handlers.id').onDelete('cascade'))
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('deployment_id', 'text', (column) => column.notNull().references('deployments.id').onDelete('cascade'))
      .addColumn('percent', 'integer', (column) => column.notNull())
      .addColumn('header', 'text')
      .addColumn('error_percent', 'integer', (column) => column.notNull())
      .addColumn('started_ms', 'bigint', (column) => column.notNull())
      .addColumn('baseline', 'text', (column) => column.notNull())
      .execute();
  },
};

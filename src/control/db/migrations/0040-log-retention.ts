/**
 * Adds how long and how much of a handler's log is kept, where its owner has set that
 * (src/control/logs/log-keeping.ts).
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const logRetention: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('log_retention')
      .addColumn('handler_id', 'text', (column) => column.primaryKey().references('handlers.id').onDelete('cascade'))
      .addColumn('days', 'bigint')
      .addColumn('bytes', 'bigint')
      .execute();
  },
};

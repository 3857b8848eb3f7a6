/**
 * Adds counters of the fates of a queue's messages, by the minute, and an index on asynchronous calls by their time.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const queueRates: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('queue_rates')
      .addColumn('queue_id', 'text', (column) => column.notNull())
      .addColumn('minute_ms', 'bigint', (column) => column.notNull())
      .addColumn('published', 'bigint', (column) => column.notNull())
      .addColumn('acknowledged', 'bigint', (column) => column.notNull())
      .addColumn('retried', 'bigint', (column) => column.notNull())
      .addColumn('dead', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('queue_rates_key', ['queue_id', 'minute_ms'])
      .execute();
    await db.schema.createIndex('queue_rates_minute').on('queue_rates').column('minute_ms').execute();
    await db.schema
      .createIndex('calls_accepted')
      .on('calls')
      .columns(['handler_id', 'created_ms'])
      .where(sql.ref('schedule'), 'is', null)
      .execute();
  },
};

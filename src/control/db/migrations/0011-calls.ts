/** Adds schedules, and the calls that the platform makes: ticks of schedules and asynchronous HTTP requests. */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const calls: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('schedules')
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('settings', 'text', (column) => column.notNull())
      .addColumn('is_paused', 'integer', (column) => column.notNull())
      .addColumn('anchor_ms', 'bigint', (column) => column.notNull())
      .addColumn('next_ms', 'bigint')
      .addColumn('last_ms', 'bigint')
      .addPrimaryKeyConstraint('schedules_key', ['handler_id', 'name'])
      .execute();
    await db.schema.createIndex('schedules_next').on('schedules').columns(['is_paused', 'next_ms']).execute();
    await db.schema
      .createTable('calls')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('schedule', 'text')
      .addColumn('tick_ms', 'bigint')
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('due_ms', 'bigint', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('attempts_max', 'integer', (column) => column.notNull())
      .addColumn('is_serial', 'integer', (column) => column.notNull())
      .addColumn('request', 'text', (column) => column.notNull())
      .addColumn('body', 'bytea', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .addColumn('started_ms', 'bigint')
      .addColumn('ended_ms', 'bigint')
      .addColumn('taken_id', 'text')
      .addColumn('status', 'integer')
      .addColumn('fields', 'text')
      .addColumn('answer', 'bytea')
      .addColumn('reason', 'text')
      .addColumn('invocation', 'text')
      .execute();
    // A tick exists once, however many controls fire it.
    await db.schema
      .createIndex('calls_tick')
      .on('calls')
      .columns(['handler_id', 'schedule', 'tick_ms'])
      .unique()
      .where(sql.ref('tick_ms'), 'is not', null)
      .execute();
    await db.schema.createIndex('calls_due').on('calls').columns(['state', 'due_ms']).execute();
    await db.schema.createIndex('calls_handler').on('calls').columns(['handler_id', 'state', 'schedule']).execute();
    await db.schema.createIndex('calls_ended').on('calls').column('ended_ms').execute();
  },
};

/** Adds drains, which hand log lines on to receivers outside, and how far each has come in the log of each handler. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const drains: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('drains')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('handler_id', 'text', (column) => column.references('handlers.id').onDelete('cascade'))
      // '' for a drain of the whole server: NULL would not be unique.
      .addColumn('scope', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('target', 'text', (column) => column.notNull())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .addColumn('start_cursor', 'bigint', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .addColumn('sent', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('lost', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('sent_ms', 'bigint')
      .addColumn('failures', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('error', 'text')
      .addColumn('failed_ms', 'bigint')
      .addColumn('retry_ms', 'bigint', (column) => column.notNull().defaultTo(0))
      .addUniqueConstraint('drains_name', ['scope', 'name'])
      .execute();
    await db.schema
      .createTable('drain_cursors')
      .addColumn('drain_id', 'text', (column) => column.notNull().references('drains.id').onDelete('cascade'))
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('cursor', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('drain_cursors_key', ['drain_id', 'handler_id'])
      .execute();
    await db.schema.createIndex('drain_cursors_handler').on('drain_cursors').column('handler_id').execute();
    await db.schema.createIndex('drains_handler').on('drains').column('handler_id').execute();
  },
};

/** Adds the messages that guests publish through queue:, kept until they are exported or consumed. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const queueMessages: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('queue_messages')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('queue', 'text', (column) => column.notNull())
      /** Order within a queue. */
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('message', 'bytea', (column) => column.notNull())
      .addColumn('published_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('queue_messages_order')
      .on('queue_messages')
      .columns(['handler_id', 'queue', 'position'])
      .unique()
      .execute();
  },
};

/** Adds former names of handlers, which lead to the renamed handler. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const formerNames: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('former_names')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('renamed_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('former_names_handler').on('former_names').column('handler_id').execute();
  },
};

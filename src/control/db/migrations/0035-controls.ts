/**
 * Adds what lets another control go on with a repository: the living controls with their addresses, epochs of homes,
 * the recorded pushes of each repository, and contents that every control can read.
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const controls: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('controls')
      .addColumn('control_id', 'text', (column) => column.primaryKey())
      .addColumn('boot_id', 'text', (column) => column.notNull())
      .addColumn('url', 'text', (column) => column.notNull())
      .addColumn('expires_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .alterTable('repository_homes')
      .addColumn('epoch', 'bigint', (column) => column.notNull().defaultTo(1))
      .execute();
    await db.schema
      .alterTable('repository_homes')
      .addColumn('is_recorded', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
    await db.schema
      .alterTable('repository_homes')
      .addColumn('last_number', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
    await db.schema
      .createTable('repository_records')
      .addColumn('repository_id', 'text', (column) => column.notNull())
      .addColumn('number', 'bigint', (column) => column.notNull())
      .addColumn('is_base', 'bigint', (column) => column.notNull())
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('refs', 'text', (column) => column.notNull())
      .addColumn('shallow', 'text', (column) => column.notNull())
      .addColumn('blob', 'text')
      .addPrimaryKeyConstraint('repository_records_key', ['repository_id', 'number'])
      .execute();
    await db.schema
      .createTable('blobs')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('touched_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('blob_pieces')
      .addColumn('name', 'text', (column) => column.notNull().references('blobs.name').onDelete('cascade'))
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bytea', (column) => column.notNull())
      .addPrimaryKeyConstraint('blob_pieces_key', ['name', 'position'])
      .execute();
  },
};

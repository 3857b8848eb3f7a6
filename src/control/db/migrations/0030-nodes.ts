/** Adds the nodes of a cluster, and what is released for each label, in the order of changes, for nodes to follow. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const nodes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('nodes')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('token_hash', 'text', (column) => column.notNull().unique())
      .addColumn('epoch', 'integer', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .addColumn('joined_ms', 'bigint')
      .execute();
    await db.schema
      .createTable('released')
      .addColumn('revision', 'bigint', (column) => column.primaryKey())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('is_current', 'integer', (column) => column.notNull())
      .addColumn('content', 'text')
      .addColumn('changed_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('released_key').on('released').columns(['key', 'is_current']).execute();
  },
};

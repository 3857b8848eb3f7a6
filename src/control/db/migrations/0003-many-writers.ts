/**
 * Adds the tables that several controls on one database need: totals that are counted in SQL, leases, the control that
 * holds a repository, the number of the last batch of log lines of each sender. Also adds a table with the number of
 * log lines that retention has removed.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const manyWriters: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('storage_totals')
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('items', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('storage_totals_key', ['handler_id', 'kind'])
      .execute();
    await sql`insert into storage_totals (handler_id, kind, items, bytes)
      select handler_id, 'kv', count(*), coalesce(sum(length(value)), 0) from kv group by handler_id`.execute(db);
    await sql`insert into storage_totals (handler_id, kind, items, bytes)
      select handler_id, 'queue', count(*), coalesce(sum(length(message)), 0) from queue_messages group by handler_id`.execute(
      db,
    );
    await db.schema
      .createTable('leases')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('holder', 'text', (column) => column.notNull())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('expires_ms', 'bigint', (column) => column.notNull())
      .execute();
    // No foreign key: a repository is there before the handler that its first push makes.
    await db.schema
      .createTable('repository_homes')
      .addColumn('repository_id', 'text', (column) => column.primaryKey())
      .addColumn('home', 'text', (column) => column.notNull())
      .addColumn('claimed_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('log_origins')
      .addColumn('origin', 'text', (column) => column.primaryKey())
      .addColumn('number', 'bigint', (column) => column.notNull())
      .addColumn('stored_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('log_expired')
      .addColumn('handler_id', 'text', (column) => column.notNull())
      .addColumn('last_cursor', 'bigint', (column) => column.notNull())
      .addColumn('lines', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('log_expired_key', ['handler_id', 'last_cursor'])
      .execute();
  },
};

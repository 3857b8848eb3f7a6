/** Adds the audit log, an append-only chain of entries: who did what to what (src/control/audit). */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const audit: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    // No references: an entry outlives the user, the Token and the handler that it names.
    await db.schema
      .createTable('audit_entries')
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('time_ms', 'bigint', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('token_id', 'text')
      .addColumn('address', 'text', (column) => column.notNull())
      .addColumn('operation', 'text', (column) => column.notNull())
      .addColumn('handler_id', 'text')
      .addColumn('handler', 'text')
      .addColumn('detail', 'text', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('audit_entries_handler')
      .on('audit_entries')
      .columns(['handler_id', 'number'])
      .where(sql.ref('handler_id'), 'is not', null)
      .execute();
    await db.schema.createIndex('audit_entries_user').on('audit_entries').columns(['user_name', 'number']).execute();
    await db.schema
      .createTable('audit_chain')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('last_number', 'bigint', (column) => column.notNull())
      .addColumn('last_hash', 'text', (column) => column.notNull())
      .addColumn('removed_number', 'bigint', (column) => column.notNull())
      .addColumn('removed_hash', 'text', (column) => column.notNull())
      .execute();
    await sql`insert into audit_chain (id, last_number, last_hash, removed_number, removed_hash)
      values (1, 0, '', 0, '')`.execute(db);
  },
};

/**
 * Adds blocks of log lines. The rows of `log_lines` stay: the log moves them into blocks in steps when it opens
 * (src/control/logs/old-lines.ts), because one transaction over all of them could take minutes and as much disk again.
 */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const logBlocks: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('log_blocks')
      .addColumn('handler_id', 'text', (column) => column.notNull())
      .addColumn('first_cursor', 'bigint', (column) => column.notNull())
      .addColumn('last_cursor', 'bigint', (column) => column.notNull())
      .addColumn('lines', 'bigint', (column) => column.notNull())
      .addColumn('first_ms', 'bigint', (column) => column.notNull())
      .addColumn('last_ms', 'bigint', (column) => column.notNull())
      .addColumn('levels', 'bigint', (column) => column.notNull())
      .addColumn('streams', 'bigint', (column) => column.notNull())
      .addColumn('text_chars', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addColumn('words', 'bytea', (column) => column.notNull())
      // Last, so that SQLite reads the facts without following the pages of the bytes.
      .addColumn('data', 'bytea', (column) => column.notNull())
      .addPrimaryKeyConstraint('log_blocks_key', ['handler_id', 'first_cursor'])
      .execute();
  },
};

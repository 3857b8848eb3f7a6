/** Adds the position of the last message that a handler has published: positions grow for ever, whatever is purged. */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const queuePositions: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('queue_positions')
      .addColumn('handler_id', 'text', (column) => column.primaryKey().references('handlers.id').onDelete('cascade'))
      .addColumn('last', 'bigint', (column) => column.notNull())
      .execute();
    await sql`insert into queue_positions (handler_id, last)
      select handler_id, max(position) from queue_messages group by handler_id`.execute(db);
  },
};

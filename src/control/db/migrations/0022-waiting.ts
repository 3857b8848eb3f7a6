/**
 * Adds an index that leads from handler to handler with waiting calls, and within a handler from one waiting call to
 * the next; puts the state into the index on groups of messages.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const waiting: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createIndex('calls_waiting')
      .on('calls')
      .columns(['handler_id', 'due_ms', 'created_ms', 'id'])
      // Queries write the state as a literal too: SQLite uses the index for no parameter.
      .where(sql<boolean>`state = 'ready'`)
      .execute();
    await db.schema.dropIndex('messages_group').execute();
    await db.schema
      .createIndex('messages_group')
      .on('messages')
      .columns(['queue_id', 'group_key', 'state', 'position'])
      .where(sql.ref('group_key'), 'is not', null)
      .execute();
  },
};

/**
 * Gives queues to users: adds a table of queues, a state of each message, the bytes that each owner stores in messages,
 * deduplication keys, and the consumers of a queue. Messages that handlers have published move to queues of the
 * handlers' owners.
 */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const queues: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('queues')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('owner_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('is_paused', 'integer', (column) => column.notNull())
      .addColumn('last_position', 'bigint', (column) => column.notNull())
      .addColumn('created_ms', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('queues_name').on('queues').columns(['owner_id', 'name']).unique().execute();
    await db.schema
      .createTable('messages')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('queue_id', 'text', (column) => column.notNull().references('queues.id').onDelete('cascade'))
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('due_ms', 'bigint', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('body', 'bytea', (column) => column.notNull())
      .addColumn('content_type', 'text')
      .addColumn('group_key', 'text')
      .addColumn('published_ms', 'bigint', (column) => column.notNull())
      .addColumn('taken_by', 'text')
      .addColumn('taken_id', 'text')
      .addColumn('reason', 'text')
      .addColumn('invocation', 'text')
      .addColumn('ended_ms', 'bigint')
      .execute();
    await db.schema
      .createIndex('messages_position')
      .on('messages')
      .columns(['queue_id', 'position'])
      .unique()
      .execute();
    await db.schema
      .createIndex('messages_due')
      .on('messages')
      .columns(['queue_id', 'state', 'due_ms', 'position'])
      .execute();
    await db.schema
      .createIndex('messages_group')
      .on('messages')
      .columns(['queue_id', 'group_key', 'position'])
      .where(sql.ref('group_key'), 'is not', null)
      .execute();
    await db.schema
      .createTable('message_keys')
      .addColumn('queue_id', 'text', (column) => column.notNull().references('queues.id').onDelete('cascade'))
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('message_id', 'text', (column) => column.notNull())
      .addColumn('expires_ms', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('message_keys_key', ['queue_id', 'key'])
      .execute();
    await db.schema.createIndex('message_keys_expiry').on('message_keys').column('expires_ms').execute();
    await db.schema
      .createTable('message_totals')
      .addColumn('owner_id', 'text', (column) => column.primaryKey().references('users.id').onDelete('cascade'))
      .addColumn('items', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('subscriptions')
      .addColumn('handler_id', 'text', (column) => column.notNull().references('handlers.id').onDelete('cascade'))
      .addColumn('queue', 'text', (column) => column.notNull())
      .addColumn('settings', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('subscriptions_key', ['handler_id', 'queue'])
      .execute();
    await moveMessages(db);
    await db.schema.dropTable('queue_messages').execute();
    await db.schema.dropTable('queue_positions').execute();
    await sql`delete from storage_totals where kind = 'queue'`.execute(db);
    await sql`delete from stored_bytes where kind = 'queues'`.execute(db);
  },
};

/** Two handlers of one owner may have used one name: their messages follow each other by the time of publishing. */
async function moveMessages(db: Kysely<unknown>): Promise<void> {
  await sql`insert into queues (id, owner_id, name, is_paused, last_position, created_ms)
    select 'q-' || min(m.id), h.owner_id, m.queue, 0, count(*), min(m.published_ms)
    from queue_messages m join handlers h on h.id = m.handler_id group by h.owner_id, m.queue`.execute(db);
  await sql`insert into messages (id, queue_id, position, state, due_ms, attempts, body, published_ms)
    select m.id, q.id, row_number() over (partition by q.id order by m.published_ms, m.position, m.id),
      'ready', 0, 0, m.message, m.published_ms
    from queue_messages m join handlers h on h.id = m.handler_id
    join queues q on q.owner_id = h.owner_id and q.name = m.queue`.execute(db);
  await sql`insert into message_totals (owner_id, items, bytes)
    select q.owner_id, count(*), sum(length(m.body)) from messages m join queues q on q.id = m.queue_id
    group by q.owner_id`.execute(db);
}

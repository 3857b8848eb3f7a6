/**
 * Publishes messages and lists them. A message is durable when publish() resolves; messages of a queue keep the order
 * of publishing. deliveries.ts delivers them.
 */
import type { ExpressionBuilder, Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { queueLimits } from '../../protocol/limits.ts';
import type { MessageState } from '../../protocol/nouns.ts';
import type { QueueMessageView } from '../../protocol/views.ts';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { checkMessage, type NewMessage } from './new-message.ts';
import type { QueueRow, QueueStore } from './queue-store.ts';
import { changeTotal, lockTotal } from './totals.ts';

export interface Published {
  readonly id: string;
  /** Whether a message with this key had been published before; `id` is then the id of that message. */
  readonly isDuplicate: boolean;
}

/** A message, as it is shown and exported. */
export interface Message extends Omit<QueueMessageView, 'bytes' | 'text' | 'base64'> {
  readonly body: Uint8Array;
}

const insertion = new BatchInsert({
  table: 'messages',
  columns: [
    'id',
    'queue_id',
    'position',
    'state',
    'due_ms',
    'attempts',
    'body',
    'content_type',
    'group_key',
    'published_ms',
    'taken_by',
    'taken_id',
    'reason',
    'invocation',
    'ended_ms',
  ],
});

export class MessageStore {
  readonly #db: Database;
  readonly #queues: QueueStore;
  readonly #now: () => number;
  readonly #newId: () => string;
  readonly #onPublished: (queueId: string, messages: number) => void;

  /**
   * `onPublished` is called with each queue that has new messages to deliver, once they are durable, and with their
   * number. `now` in Unix milliseconds.
   */
  constructor(options: {
    readonly db: Database;
    readonly queues: QueueStore;
    readonly now: () => number;
    readonly newId: () => string;
    readonly onPublished: (queueId: string, messages: number) => void;
  }) {
    this.#db = options.db;
    this.#queues = options.queues;
    this.#now = options.now;
    this.#newId = options.newId;
    this.#onPublished = options.onPublished;
  }

  /**
   * Adds messages to the end of a user's queue, all or none; creates the queue if it does not exist. Returns the result
   * of each message, in order. Throws `limit_exceeded` above queueLimits, `name_invalid`, `bad_request`.
   */
  async publish(ownerId: string, queue: string, messages: readonly NewMessage[]): Promise<readonly Published[]> {
    if (messages.length > queueLimits.batch) throw new Error(`more than ${queueLimits.batch} messages at once`);
    for (const message of messages) checkMessage(message);
    const { queueId, published } = await this.#db.transaction().execute(async (trx) => {
      const total = await lockTotal(trx, ownerId);
      const row = await this.#queues.ensure(trx, ownerId, queue);
      return { queueId: row.id, published: await this.#insert(trx, { ownerId, row, total: total.items, messages }) };
    });
    this.#onPublished(queueId, published.filter(({ isDuplicate }) => !isDuplicate).length);
    return published;
  }

  async #insert(
    trx: Transaction<Schema>,
    options: {
      readonly ownerId: string;
      readonly row: QueueRow;
      readonly total: number;
      readonly messages: readonly NewMessage[];
    },
  ): Promise<readonly Published[]> {
    const { ownerId, row, total, messages } = options;
    const nowMs = this.#now();
    const known = await usedKeys(trx, row.id, messages, nowMs);
    const published: Published[] = [];
    const fresh: { readonly id: string; readonly message: NewMessage }[] = [];
    for (const message of messages) {
      const before = message.key === null ? undefined : known.get(message.key);
      const id = before ?? this.#newId();
      published.push({ id, isDuplicate: before !== undefined });
      if (before !== undefined) continue;
      if (message.key !== null) known.set(message.key, id);
      fresh.push({ id, message });
    }
    if (fresh.length === 0) return published;
    if (total + fresh.length > queueLimits.messages) {
      throw new PlatformError(
        'limit_exceeded',
        `your queues are full: they hold at most ${queueLimits.messages} messages`,
        {
          hints: ['wasmcloud queue list shows them, wasmcloud queue purge NAME empties one'],
        },
      );
    }
    const { last_position: last } = await trx
      .updateTable('queues')
      .set((eb) => ({ last_position: eb('last_position', '+', fresh.length) }))
      .where('id', '=', row.id)
      .returning('last_position')
      .executeTakeFirstOrThrow();
    let position = Number(last) - fresh.length;
    let bytes = 0;
    const rows = fresh.map(({ id, message }) => {
      position += 1;
      bytes += message.body.length;
      return {
        id,
        queue_id: row.id,
        position,
        state: message.ended?.state ?? ('ready' as const),
        due_ms: message.ended === undefined && message.dueMs > nowMs ? message.dueMs : 0,
        attempts: message.ended?.attempts ?? 0,
        body: Buffer.from(message.body.buffer, message.body.byteOffset, message.body.length),
        content_type: message.contentType,
        group_key: message.group,
        published_ms: nowMs,
        taken_by: null,
        taken_id: null,
        reason: message.ended?.reason ?? null,
        invocation: message.ended?.invocation ?? null,
        ended_ms: message.ended?.endedMs ?? null,
      };
    });
    await insertion.insert(trx, rows);
    const keys = fresh.flatMap(({ id, message: { key } }) =>
      key === null ? [] : [{ queue_id: row.id, key, message_id: id, expires_ms: nowMs + queueLimits.keyMs }],
    );
    if (keys.length > 0) await trx.insertInto('message_keys').values(keys).execute();
    await changeTotal(trx, ownerId, { items: fresh.length, bytes });
    return published;
  }

  /**
   * Returns the messages after `position`, in order: at most `limit`, and at most `bytesMax` bytes, but at least one.
   * `state`: only messages in this state.
   */
  async read(
    queueId: string,
    options: {
      readonly after: number;
      readonly limit: number;
      readonly state?: MessageState | undefined;
      readonly bytesMax?: number;
    },
  ): Promise<readonly Message[]> {
    const { after, limit, state, bytesMax = Number.POSITIVE_INFINITY } = options;
    const messages = this.#db.reader
      .selectFrom('messages')
      .where('queue_id', '=', queueId)
      .where('position', '>', after)
      .$if(state !== undefined, (query) => query.where('state', '=', state!)) // asked on this line
      .orderBy('position');
    const sizes = await messages
      .select(['position', ({ fn }) => fn<number>('length', ['body']).as('bytes')])
      .limit(limit)
      .execute();
    let bytes = 0;
    const fitting = sizes.filter((one, index) => {
      bytes += Number(one.bytes);
      return index === 0 || bytes <= bytesMax;
    });
    const last = fitting.at(-1);
    if (last === undefined) return [];
    const rows = await messages.selectAll().where('position', '<=', last.position).limit(fitting.length).execute();
    return rows.map(toMessage);
  }

  /** Returns one message of a queue. Throws `not_found`. */
  async find(queueId: string, id: string): Promise<Message> {
    const row = await this.#db
      .selectFrom('messages')
      .selectAll()
      .where('queue_id', '=', queueId)
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', 'there is no such message in this queue');
    return toMessage(row);
  }

  /**
   * Makes dead letters ready again, with all their attempts. `id`: only the message with this id. Returns the number of
   * messages.
   */
  async retry(queueId: string, id?: string): Promise<number> {
    const { numUpdatedRows } = await this.#db
      .updateTable('messages')
      .set({ state: 'ready', due_ms: 0, attempts: 0, ended_ms: null })
      .where('queue_id', '=', queueId)
      .where('state', '=', 'dead')
      .$if(id !== undefined, (query) => query.where('id', '=', id!)) // asked on this line
      .executeTakeFirst();
    if (numUpdatedRows > 0n) this.#onPublished(queueId, 0);
    return Number(numUpdatedRows);
  }
}

/** Returns the message ids of the keys that have been used within their time. Expired keys are removed. */
async function usedKeys(
  trx: Transaction<Schema>,
  queueId: string,
  messages: readonly NewMessage[],
  nowMs: number,
): Promise<Map<string, string>> {
  const keys = messages.flatMap(({ key }) => (key === null ? [] : [key]));
  if (keys.length === 0) return new Map();
  const own = (eb: ExpressionBuilder<Schema, 'message_keys'>) =>
    eb.and([eb('queue_id', '=', queueId), eb('key', 'in', keys)]);
  await trx.deleteFrom('message_keys').where(own).where('expires_ms', '<=', nowMs).execute();
  const rows = await trx.selectFrom('message_keys').select(['key', 'message_id']).where(own).execute();
  return new Map(rows.map(({ key, message_id }) => [key, message_id]));
}

function toMessage(row: Schema['messages']): Message {
  const due = Number(row.due_ms);
  return {
    id: row.id,
    position: Number(row.position),
    state: row.state,
    body: new Uint8Array(row.body),
    contentType: row.content_type,
    group: row.group_key,
    attempts: Number(row.attempts),
    publishedMs: Number(row.published_ms),
    dueMs: row.state === 'ready' && due > 0 ? due : null,
    endedMs: row.ended_ms === null ? null : Number(row.ended_ms),
    reason: row.reason,
    invocation: row.invocation,
  };
}

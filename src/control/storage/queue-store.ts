/**
 * Stores the messages that guests publish through `queue:`. A message is durable when publish() returns; the messages
 * of a queue keep the order in which they were published.
 */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { lockTotal, setTotal } from './totals.ts';

export interface QueueAddress {
  readonly handlerId: string;
  readonly queue: string;
}

/** One queue of a handler, as far as it holds messages. */
export interface QueueSummary {
  readonly name: string;
  readonly messages: number;
  /** Of all messages together. */
  readonly bytes: number;
  /** Unix milliseconds at which the oldest message was published. */
  readonly oldestMs: number;
}

export interface QueueMessage {
  /** Grows with each message of the handler, for ever; gaps are usual. */
  readonly position: number;
  readonly message: Uint8Array;
  /** Unix milliseconds. */
  readonly publishedMs: number;
}

/** Messages removed by one transaction, so that a purge holds up nobody's writes for long. */
const purgedAtOnce = 500;

export class QueueStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #newId: () => string;

  /** Makes a view of the queues in `db`. `now` in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly newId: () => string }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#newId = options.newId;
  }

  /** Adds a message to the end of its queue. Throws `limit_exceeded` past queueLimits. */
  async publish(options: QueueAddress & { readonly message: Uint8Array }): Promise<void> {
    const { handlerId, queue, message } = options;
    if (message.length > queueLimits.messageBytes) {
      throw new PlatformError('limit_exceeded', `a message has at most ${queueLimits.messageBytes} bytes`);
    }
    await this.#db.transaction().execute(async (trx) => {
      const total = await lockTotal(trx, handlerId, 'queue');
      const items = total.items + 1;
      const bytes = total.bytes + message.length;
      if (items > queueLimits.waiting || bytes > queueLimits.handlerBytes) {
        const most = `${queueLimits.waiting} messages and ${queueLimits.handlerBytes / MIB} MiB`;
        throw new PlatformError(
          'limit_exceeded',
          `the queues of this handler are full, they hold at most ${most}: wasmcloud queue lists and purges them`,
        );
      }
      const position = await nextPosition(trx, handlerId);
      const row = { handler_id: handlerId, queue, position, message: Buffer.from(message), published_ms: this.#now() };
      await trx
        .insertInto('queue_messages')
        .values({ id: this.#newId(), ...row })
        .execute();
      await setTotal(trx, handlerId, 'queue', { items, bytes });
    });
  }

  /** Returns at most `limit` queues that hold messages, by name, those after the name `after`. */
  async list(options: {
    readonly handlerId: string;
    readonly after: string;
    readonly limit: number;
  }): Promise<readonly QueueSummary[]> {
    const rows = await this.#db.reader
      .selectFrom('queue_messages')
      .select([
        'queue',
        ({ fn }) => fn.countAll<number>().as('messages'),
        ({ fn }) => fn.min('published_ms').as('oldest'),
      ])
      .select(({ fn }) => fn.sum<number>(fn('length', ['message'])).as('bytes'))
      .where('handler_id', '=', options.handlerId)
      .where('queue', '>', options.after)
      .groupBy('queue')
      .orderBy('queue')
      .limit(options.limit)
      .execute();
    return rows.map(({ queue, messages, bytes, oldest }) => ({
      name: queue,
      messages: Number(messages),
      bytes: Number(bytes),
      oldestMs: Number(oldest),
    }));
  }

  /**
   * Returns the messages after `position`, in order: at most `limit`, and as many as fit into `bytesMax` bytes, but
   * always the first.
   */
  async read(
    options: QueueAddress & { readonly after: number; readonly limit: number; readonly bytesMax?: number },
  ): Promise<readonly QueueMessage[]> {
    const { handlerId, queue, after, limit, bytesMax = Number.POSITIVE_INFINITY } = options;
    const messages = this.#db.reader
      .selectFrom('queue_messages')
      .where('handler_id', '=', handlerId)
      .where('queue', '=', queue)
      .where('position', '>', after)
      .orderBy('position');
    const sizes = await messages
      .select(['position', ({ fn }) => fn<number>('length', ['message']).as('bytes')])
      .limit(limit)
      .execute();
    let bytes = 0;
    const fitting = sizes.filter((one, index) => {
      bytes += Number(one.bytes);
      return index === 0 || bytes <= bytesMax;
    });
    const last = fitting.at(-1);
    if (last === undefined) return [];
    const rows = await messages
      .select(['position', 'message', 'published_ms'])
      .where('position', '<=', last.position)
      .limit(fitting.length)
      .execute();
    return rows.map((row) => ({
      position: row.position,
      message: new Uint8Array(row.message),
      publishedMs: row.published_ms,
    }));
  }

  /** Removes every message that the queue held when the call began. Returns how many, and their bytes. */
  async purge({ handlerId, queue }: QueueAddress): Promise<{ readonly messages: number; readonly bytes: number }> {
    const newest = await this.#db.reader
      .selectFrom('queue_messages')
      .select(({ fn }) => fn.max('position').as('position'))
      .where('handler_id', '=', handlerId)
      .where('queue', '=', queue)
      .executeTakeFirst();
    const upTo = Number(newest?.position ?? 0);
    let messages = 0;
    let bytes = 0;
    for (;;) {
      const removed = await this.#db.transaction().execute((trx) => removeSome(trx, { handlerId, queue }, upTo));
      messages += removed.messages;
      bytes += removed.bytes;
      if (removed.messages < purgedAtOnce) return { messages, bytes };
    }
  }
}

/** Positions are counted per handler, not per queue: a counter for each name that was ever used would only grow. */
async function nextPosition(trx: Transaction<Schema>, handlerId: string): Promise<number> {
  const { last } = await trx
    .insertInto('queue_positions')
    .values({ handler_id: handlerId, last: 1 })
    .onConflict((oc) => oc.column('handler_id').doUpdateSet((eb) => ({ last: eb('queue_positions.last', '+', 1) })))
    .returning('last')
    .executeTakeFirstOrThrow();
  return Number(last);
}

async function removeSome(
  trx: Transaction<Schema>,
  { handlerId, queue }: QueueAddress,
  upTo: number,
): Promise<{ readonly messages: number; readonly bytes: number }> {
  const total = await lockTotal(trx, handlerId, 'queue');
  const rows = await trx
    .selectFrom('queue_messages')
    .select(['id', ({ fn }) => fn<number>('length', ['message']).as('bytes')])
    .where('handler_id', '=', handlerId)
    .where('queue', '=', queue)
    .where('position', '<=', upTo)
    .orderBy('position')
    .limit(purgedAtOnce)
    .execute();
  if (rows.length === 0) return { messages: 0, bytes: 0 };
  const ids = rows.map(({ id }) => id);
  await trx.deleteFrom('queue_messages').where('id', 'in', ids).execute();
  const bytes = rows.reduce((sum, row) => sum + Number(row.bytes), 0);
  await setTotal(trx, handlerId, 'queue', { items: total.items - rows.length, bytes: total.bytes - bytes });
  return { messages: rows.length, bytes };
}

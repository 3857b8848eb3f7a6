/** The queues of users: created by their first message, listed with their contents, paused, deleted. */

import type { Kysely, Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { queueLimits } from '../../protocol/limits.ts';
import { storeNamePattern } from '../../protocol/names.ts';
import { type MessageState, messageStates, queueEvents } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { QueueView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { pruneRates, recentCounts } from './queue-rates.ts';
import { changeTotal, lockTotal } from './totals.ts';
import { asideMs, bringBack, lockQueue } from './waiting-messages.ts';

/** A queue, as stored in the tables. */
export interface QueueRow {
  readonly id: string;
  readonly name: string;
  readonly isPaused: boolean;
}

/** What all queues together hold. */
export interface Backlog {
  readonly messages: number;
  /**
   * Unix milliseconds at which the oldest message was published that waits in a queue with a consumer; null: none does.
   */
  readonly oldestMs: number | null;
}

/** Messages removed by one transaction, so that a purge does not delay other writes for long. */
const removedAtOnce = 500;

export class QueueStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #newId: () => string;

  /** `now`: clock in Unix milliseconds. `newId`: draws an id that was never given. */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly newId: () => string }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#newId = options.newId;
  }

  /** Returns a user's queue. Throws `not_found`. */
  async find(ownerId: string, name: string): Promise<QueueRow> {
    const row = await this.#find(this.#db, ownerId, name);
    if (row === null) throw new PlatformError('not_found', 'there is no queue of this name');
    return row;
  }

  /** Returns the queue, and creates it if there is none. Throws `name_invalid`, `limit_exceeded`. */
  async ensure(trx: Transaction<Schema>, ownerId: string, name: string): Promise<QueueRow> {
    const found = await this.#find(trx, ownerId, name);
    if (found !== null) return found;
    if (!storeNamePattern.test(name)) {
      throw new PlatformError('name_invalid', 'this cannot name a queue', {
        hints: ['a name has 1 to 64 letters, digits, dots, underscores and hyphens'],
      });
    }
    // The row of the totals is the lock for all limits per user.
    await lockTotal(trx, ownerId);
    const { count } = await trx
      .selectFrom('queues')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('owner_id', '=', ownerId)
      .executeTakeFirstOrThrow();
    if (Number(count) >= queueLimits.queues) {
      throw new PlatformError('limit_exceeded', `a user has at most ${queueLimits.queues} queues`, {
        hints: ['wasmcloud queue list shows them, wasmcloud queue delete NAME removes one'],
      });
    }
    await trx
      .insertInto('queues')
      .values({
        id: this.#newId(),
        owner_id: ownerId,
        name,
        is_paused: 0,
        last_position: 0,
        created_ms: this.#now(),
      })
      // Another control may have created it since the query above.
      .onConflict((oc) => oc.columns(['owner_id', 'name']).doNothing())
      .execute();
    const made = await this.#find(trx, ownerId, name);
    if (made === null) throw new Error('a queue that was made is there');
    return made;
  }

  /** Creates the queue if there is none. `isPaused` undefined: unchanged. */
  async put(ownerId: string, name: string, { isPaused }: { readonly isPaused?: boolean | undefined }): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const { id } = await this.ensure(trx, ownerId, name);
      if (isPaused === undefined) return;
      await trx
        .updateTable('queues')
        .set({ is_paused: isPaused ? 1 : 0 })
        .where('id', '=', id)
        .execute();
    });
  }

  /** Returns at most `limit` queues of a user, by name, those after the name `after`. */
  async list(options: {
    readonly ownerId: string;
    readonly after: string;
    readonly limit: number;
  }): Promise<readonly QueueView[]> {
    const rows = await this.#db.reader
      .selectFrom('queues')
      .select(['id', 'name', 'is_paused'])
      .where('owner_id', '=', options.ownerId)
      .where('name', '>', options.after)
      .orderBy('name')
      .limit(options.limit)
      .execute();
    return this.#summaries(options.ownerId, rows);
  }

  /** Returns one queue with a summary of its messages. Throws `not_found`. */
  async summary(ownerId: string, name: string): Promise<QueueView> {
    const { id, isPaused } = await this.find(ownerId, name);
    const [summary] = await this.#summaries(ownerId, [{ id, name, is_paused: isPaused ? 1 : 0 }]);
    if (summary === undefined) throw new Error('a summary for each queue');
    return summary;
  }

  /**
   * Removes the messages that the queue holds when the call begins, all or those in one state; messages in flight stay,
   * unless `inflight` is asked for. Returns their number and bytes.
   */
  async purge(
    ownerId: string,
    queueId: string,
    state?: MessageState,
  ): Promise<{ readonly messages: number; readonly bytes: number }> {
    const newest = await this.#db
      .selectFrom('messages')
      .select(({ fn }) => fn.max('position').as('position'))
      .where('queue_id', '=', queueId)
      .executeTakeFirst();
    const upTo = Number(newest?.position ?? 0);
    const states = state === undefined ? (['ready', 'dead', 'done'] as const) : [state];
    let messages = 0;
    let bytes = 0;
    for (;;) {
      const removed = await this.#db
        .transaction()
        .execute((trx) => removeSome(trx, { ownerId, queueId, states, upTo }));
      messages += removed.messages;
      bytes += removed.bytes;
      if (removed.messages < removedAtOnce) return { messages, bytes };
    }
  }

  /**
   * Removes the queue with all its messages. A Deployment that consumes it continues when the queue is created again.
   */
  async delete(ownerId: string, name: string): Promise<void> {
    const { id } = await this.find(ownerId, name);
    for (const state of messageStates) await this.purge(ownerId, id, state);
    await this.#db.transaction().execute(async (trx) => {
      await lockTotal(trx, ownerId);
      const rest = await trx
        .selectFrom('messages')
        .select(({ fn }) => [fn.countAll<number>().as('items'), fn.sum<number>(fn('length', ['body'])).as('bytes')])
        .where('queue_id', '=', id)
        .executeTakeFirstOrThrow();
      await trx.deleteFrom('queues').where('id', '=', id).execute();
      await changeTotal(trx, ownerId, { items: -Number(rest.items), bytes: -Number(rest.bytes ?? 0) });
    });
  }

  /** Returns what all queues of the platform hold. Looks at two messages of each queue with a consumer. */
  async backlog(): Promise<Backlog> {
    const { items } = await this.#db.reader
      .selectFrom('message_totals')
      .select(({ fn }) => fn.sum<number | null>('items').as('items'))
      .executeTakeFirstOrThrow();
    const found = await this.#db.reader
      .selectFrom((from) =>
        from
          .selectFrom('subscriptions')
          .innerJoin('handlers', 'handlers.id', 'subscriptions.handler_id')
          .innerJoin('queues', (join) =>
            join.onRef('queues.owner_id', '=', 'handlers.owner_id').onRef('queues.name', '=', 'subscriptions.queue'),
          )
          .select(({ selectFrom }) => {
            const first = (compared: '=' | '>') =>
              selectFrom('messages')
                .select('published_ms')
                .whereRef('messages.queue_id', '=', 'queues.id')
                .where('state', '=', 'ready')
                .where('due_ms', compared, asideMs)
                .orderBy('due_ms')
                .orderBy('position')
                .limit(1);
            return [first('=').as('aside'), first('>').as('due')];
          })
          .where('handlers.deleted_ms', 'is', null)
          .as('first'),
      )
      .select(({ fn }) => [fn.min<number | null>('aside').as('aside'), fn.min<number | null>('due').as('due')])
      .executeTakeFirstOrThrow();
    const times = [found.aside, found.due].flatMap((ms) => (ms === null ? [] : [Number(ms)]));
    return { messages: Number(items ?? 0), oldestMs: times.length === 0 ? null : Math.min(...times) };
  }

  /** Removes acknowledged messages that are old or too many, and expired deduplication keys. */
  async prune(): Promise<void> {
    const nowMs = this.#now();
    await pruneRates(this.#db, nowMs);
    await this.#db.relaxed.deleteFrom('message_keys').where('expires_ms', '<=', nowMs).execute();
    const queues = await this.#db.reader.selectFrom('queues').select(['id', 'owner_id']).execute();
    for (const { id, owner_id } of queues) await this.pruneDone(owner_id, id);
  }

  /** Removes a queue's acknowledged messages beyond queueLimits. */
  async pruneDone(ownerId: string, queueId: string): Promise<void> {
    const beyond = await this.#db.reader
      .selectFrom('messages')
      .select('position')
      .where('queue_id', '=', queueId)
      .where('state', '=', 'done')
      .orderBy('position', 'desc')
      .offset(queueLimits.doneMessages)
      .limit(1)
      .executeTakeFirst();
    const old = await this.#db.reader
      .selectFrom('messages')
      .select(({ fn }) => fn.max('position').as('position'))
      .where('queue_id', '=', queueId)
      .where('state', '=', 'done')
      .where('ended_ms', '<', this.#now() - queueLimits.doneMs)
      .executeTakeFirst();
    const upTo = Math.max(Number(beyond?.position ?? 0), Number(old?.position ?? 0));
    if (upTo === 0) return;
    for (;;) {
      const removed = await this.#db
        .transaction()
        .execute((trx) => removeSome(trx, { ownerId, queueId, states: ['done'], upTo }));
      if (removed.messages < removedAtOnce) return;
    }
  }

  async #find(db: Kysely<Schema>, ownerId: string, name: string): Promise<QueueRow | null> {
    const row = await db
      .selectFrom('queues')
      .select(['id', 'name', 'is_paused'])
      .where('owner_id', '=', ownerId)
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? null : { id: row.id, name: row.name, isPaused: row.is_paused === 1 };
  }

  async #summaries(
    ownerId: string,
    queues: readonly { readonly id: string; readonly name: string; readonly is_paused: number }[],
  ): Promise<readonly QueueView[]> {
    if (queues.length === 0) return [];
    const states = await this.#db.reader
      .selectFrom('messages')
      .select(({ fn }) => [
        'queue_id',
        'state',
        fn.countAll<number>().as('messages'),
        fn.min('published_ms').as('oldest'),
        fn.sum<number>(fn('length', ['body'])).as('bytes'),
      ])
      .where(
        'queue_id',
        'in',
        queues.map(({ id }) => id),
      )
      .groupBy(['queue_id', 'state'])
      .execute();
    const consumers = await this.#db.reader
      .selectFrom('subscriptions')
      .innerJoin('handlers', 'handlers.id', 'subscriptions.handler_id')
      .select(['subscriptions.queue', 'handlers.name'])
      .where('handlers.owner_id', '=', ownerId)
      .where('handlers.deleted_ms', 'is', null)
      .orderBy('handlers.name')
      .execute();
    const counts = await recentCounts(
      this.#db,
      queues.map(({ id }) => id),
      this.#now(),
    );
    return queues.map(({ id, name, is_paused }) => {
      const own = states.filter(({ queue_id }) => queue_id === id);
      const waiting = own.find(({ state }) => state === 'ready');
      return {
        name,
        isPaused: is_paused === 1,
        messages: recordOf(messageStates, (state) => Number(own.find((row) => row.state === state)?.messages ?? 0)),
        bytes: own.reduce((sum, row) => sum + Number(row.bytes), 0),
        oldestMs: waiting === undefined ? null : Number(waiting.oldest),
        recent: counts.get(id) ?? recordOf(queueEvents, () => 0),
        consumers: consumers.filter(({ queue }) => queue === name).map((row) => row.name),
      };
    });
  }
}

async function removeSome(
  trx: Transaction<Schema>,
  {
    ownerId,
    queueId,
    states,
    upTo,
  }: {
    readonly ownerId: string;
    readonly queueId: string;
    readonly states: readonly MessageState[];
    readonly upTo: number;
  },
): Promise<{ readonly messages: number; readonly bytes: number }> {
  // Messages in these states hold others of their group back.
  const isHolding = states.includes('ready') || states.includes('inflight');
  await lockTotal(trx, ownerId);
  if (isHolding) await lockQueue(trx, queueId);
  const rows = await trx
    .selectFrom('messages')
    .select(['id', 'group_key', ({ fn }) => fn<number>('length', ['body']).as('bytes')])
    .where('queue_id', '=', queueId)
    .where('state', 'in', states)
    .where('position', '<=', upTo)
    .limit(removedAtOnce)
    .execute();
  if (rows.length === 0) return { messages: 0, bytes: 0 };
  await trx
    .deleteFrom('messages')
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute();
  const groups = rows.map(({ group_key }) => group_key);
  if (isHolding) await bringBack(trx, queueId, groups);
  const bytes = rows.reduce((sum, row) => sum + Number(row.bytes), 0);
  await changeTotal(trx, ownerId, { items: -rows.length, bytes: -bytes });
  return { messages: rows.length, bytes };
}

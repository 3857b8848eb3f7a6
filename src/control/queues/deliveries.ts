/**
 * Hands messages to consumers, at least once. The database decides who gets a message; the
 * deliveries of a control that ends are given up by another (lost-controls.ts), or time out.
 *
 *     ready --take--> inflight --done--> done
 *       ^               |    \--failed, attempts used up--> dead --retry--> ready
 *       +---------------+  failed (after a while), given up, or not extended in time
 *
 * Nothing here waits for the disk: what a power cut undoes is delivered once more.
 */
import type { Kysely, Transaction } from 'kysely';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { Acknowledgements, store } from './acknowledgements.ts';
import { type Taker, takenBy } from './taker.ts';
import { bringBack, findMessages, lockQueue } from './waiting-messages.ts';

/** A message that has been taken for a consumer. */
export interface TakenMessage {
  readonly id: string;
  /** Position in the queue, which grows with each published message. */
  readonly position: number;
  readonly body: Uint8Array;
  readonly contentType: string | null;
  /** Key of the message's group; null: it has none. */
  readonly group: string | null;
  /** Number of this delivery, from 1. */
  readonly attempt: number;
  readonly publishedMs: number;
}

export interface Taken {
  /** Messages in the order of publishing. */
  readonly messages: readonly TakenMessage[];
  /** Whether another take may find messages at once, although this one found fewer than it may. */
  readonly hasMore: boolean;
  /** Unix milliseconds at which a further message may become available; null: only when one is published. */
  readonly nextMs: number | null;
  /** Numbers of messages that earlier takers lost: of those that come again, and of those that are dead letters now. */
  readonly lost: { readonly retried: number; readonly dead: number };
}

/** One take of a consumer, whose messages are settled together or one by one. */
export interface Delivery {
  readonly queueId: string;
  readonly takenId: string;
}

const noneLost = { retried: 0, dead: 0 } as const;

export const deliveryLimits = {
  /** Milliseconds for which a taken message is reserved; its consumer extends them while it works. */
  visibleMs: 30_000,
  /**
   * Milliseconds: a delivery whose reservation ends later than visibleMs plus this was taken before the clock was put
   * back.
   */
  clockBackMs: 60_000,
  /** Bytes of the messages of one take, which control holds until they are settled; at least one message is taken. */
  takenBytes: 8 * MIB,
  /**
   * Milliseconds before the second delivery; they double with each one, up to the value below. Half of them are random.
   */
  retryMs: 1_000,
  retryMostMs: 15 * 60_000,
} as const;

/** Reason of failed messages and calls that were not settled in time. */
export const lostReason = 'the control or runner that had it ended';

/**
 * Returns the milliseconds between attempt number `attempt`, from 1, and the next one: exponential, half of it random.
 * `random`: number in [0, 1).
 */
export function retryDelayMs(attempt: number, random: number): number {
  const most = Math.min(deliveryLimits.retryMostMs, deliveryLimits.retryMs * 2 ** (attempt - 1));
  return Math.ceil(most / 2 + (most / 2) * random);
}

export class Deliveries {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #acknowledgements: Acknowledgements;

  /** `now`: clock in Unix milliseconds; `random`: number in [0, 1). */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly random: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#random = options.random;
    this.#acknowledgements = new Acknowledgements({ db: options.db.relaxed, now: options.now });
  }

  /**
   * Takes at most `limit` messages for the delivery `takenId` to `handlerId`, while the handler has fewer than
   * `inFlightMax` messages of this queue in flight on all controls. Takes none from a paused queue.
   */
  async take(options: {
    readonly queueId: string;
    readonly handlerId: HandlerId;
    readonly takenId: string;
    readonly limit: number;
    readonly inFlightMax: number;
    readonly maxAttempts: number;
  }): Promise<Taken> {
    const { queueId, handlerId, takenId } = options;
    return this.#db.relaxed.transaction().execute(async (trx) => {
      // Takers of one queue run one after the other, so that limits hold and groups keep their order.
      const queue = await lockQueue(trx, queueId);
      if (queue === null || queue.isPaused) return { messages: [], hasMore: false, nextMs: null, lost: noneLost };
      const nowMs = this.#now();
      let times = await dueTimes(trx, queueId, handlerId);
      let lost: Taken['lost'] = noneLost;
      if (isPast(times, nowMs)) {
        lost = await this.#settleLost(trx, queueId, options.maxAttempts, nowMs);
        await trx
          .updateTable('messages')
          .set({ due_ms: 0 })
          .where('queue_id', '=', queueId)
          .where('state', '=', 'ready')
          .where('due_ms', '>', 0)
          .where('due_ms', '<=', nowMs)
          .execute();
        times = await dueTimes(trx, queueId, handlerId);
      }
      const room = Math.min(options.limit, options.inFlightMax - times.inFlight);
      const { messages, hasMore } =
        room <= 0
          ? { messages: [], hasMore: false }
          : await takeSome(trx, { queueId, handlerId, takenId, room, nowMs });
      const next = [times.readyMs, times.reservedMs, messages.length > 0 ? nowMs + deliveryLimits.visibleMs : null];
      const nextMs = next.reduce((min, ms) => (ms !== null && (min === null || ms < min) ? ms : min), null);
      return { messages, hasMore, nextMs, lost };
    });
  }

  /** Extends the reservation of these deliveries' messages to visibleMs from now. */
  async extend(deliveries: readonly Delivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    await this.#db.relaxed
      .updateTable('messages')
      .set({ due_ms: this.#now() + deliveryLimits.visibleMs })
      // Names the queues because the index on states begins with the queue.
      .where('queue_id', 'in', [...new Set(deliveries.map(({ queueId }) => queueId))])
      .where('state', '=', 'inflight')
      .where(
        'taken_id',
        'in',
        deliveries.map(({ takenId }) => takenId),
      )
      .execute();
  }

  /**
   * Ends the reservations of earlier processes of this control: the next take settles them as lost, without waiting for
   * visibleMs.
   */
  async giveUpBefore({ controlId, bootId }: Taker): Promise<void> {
    await this.#givenUp(this.#db.relaxed, controlId)
      .where('taken_id', 'not like', takenBy({ controlId, bootId }))
      .execute();
  }

  /** Ends the reservations of a control that has ended, in a transaction of the caller. Returns their number. */
  async giveUp(trx: Kysely<Schema>, controlId: string): Promise<number> {
    return Number((await this.#givenUp(trx, controlId).executeTakeFirst()).numUpdatedRows);
  }

  #givenUp(db: Kysely<Schema>, controlId: string) {
    return (
      db
        .updateTable('messages')
        .set({ due_ms: 0 })
        // Names the queues because the index on states begins with the queue.
        .where('queue_id', 'in', (from) => from.selectFrom('queues').select('id'))
        .where('state', '=', 'inflight')
        .where('taken_id', 'like', takenBy({ controlId }))
    );
  }

  /** Stores that the consumer has acknowledged messages of a delivery. Returns their number. */
  async done(
    { queueId, takenId }: Delivery,
    messages: readonly Pick<TakenMessage, 'id' | 'group'>[],
    invocation: string | null,
  ): Promise<number> {
    const groups = groupsOf(messages);
    const acknowledgement = { takenId, ids: messages.map(({ id }) => id), invocation };
    if (groups.length === 0) return this.#acknowledgements.add(acknowledgement);
    return this.#settle(queueId, groups, async (db) => (await store(db, [acknowledgement], this.#now())).size);
  }

  /**
   * Stores that the delivery has failed: its messages are delivered again after a while, or become dead letters after
   * their last attempt.
   */
  async failed(
    { queueId, takenId }: Delivery,
    failure: {
      readonly messages: readonly Pick<TakenMessage, 'id' | 'group' | 'attempt'>[];
      readonly reason: string;
      readonly invocation: string | null;
      readonly maxAttempts: number;
    },
  ): Promise<void> {
    const nowMs = this.#now();
    const reason = failure.reason.slice(0, queueLimits.reasonChars);
    const { messages, invocation, maxAttempts } = failure;
    const fail = async (db: Kysely<Schema>): Promise<void> => {
      for (const { id, attempt } of messages) {
        const isLast = attempt >= maxAttempts;
        await db
          .updateTable('messages')
          .set({
            state: isLast ? 'dead' : 'ready',
            due_ms: isLast ? 0 : nowMs + retryDelayMs(attempt, this.#random()),
            ended_ms: isLast ? nowMs : null,
            reason,
            invocation,
          })
          .where('id', '=', id)
          .where('state', '=', 'inflight')
          .where('taken_id', '=', takenId)
          .execute();
      }
    };
    await this.#settle(queueId, groupsOf(messages), fail);
  }

  /** Returns messages that were not delivered: they are ready again after `delayMs`, and the attempt is not counted. */
  async giveBack({ takenId }: Delivery, messages: readonly Pick<TakenMessage, 'id'>[], delayMs: number): Promise<void> {
    await this.#db.relaxed
      .updateTable('messages')
      .set((eb) => ({
        state: 'ready',
        due_ms: delayMs === 0 ? 0 : this.#now() + delayMs,
        attempts: eb('attempts', '-', 1),
      }))
      .where(
        'id',
        'in',
        messages.map(({ id }) => id),
      )
      .where('state', '=', 'inflight')
      .where('taken_id', '=', takenId)
      .execute();
  }

  /** Runs `change`, which settles messages, in a transaction that brings the next messages of their groups back. */
  async #settle<Result>(
    queueId: string,
    groups: readonly string[],
    change: (db: Kysely<Schema>) => Promise<Result>,
  ): Promise<Result> {
    return this.#db.relaxed.transaction().execute(async (trx) => {
      if (groups.length > 0) await lockQueue(trx, queueId);
      const result = await change(trx);
      await bringBack(trx, queueId, groups);
      return result;
    });
  }

  /** Settles deliveries whose reservation has expired: their messages are delivered again, or become dead letters. */
  async #settleLost(
    trx: Transaction<Schema>,
    queueId: string,
    maxAttempts: number,
    nowMs: number,
  ): Promise<Taken['lost']> {
    // Such a delivery was taken before the clock was put back: its consumer extends it by then, or it is lost.
    await trx
      .updateTable('messages')
      .set({ due_ms: nowMs + deliveryLimits.visibleMs })
      .where('queue_id', '=', queueId)
      .where('state', '=', 'inflight')
      .where('due_ms', '>', latestMs(nowMs))
      .execute();
    const rows = await trx
      .updateTable('messages')
      .set((eb) => ({
        state: eb
          .case()
          .when('attempts', '>=', maxAttempts)
          .then(eb.cast<'dead'>(eb.val('dead'), 'text'))
          .else(eb.cast<'ready'>(eb.val('ready'), 'text'))
          .end(),
        ended_ms: eb
          .case()
          .when('attempts', '>=', maxAttempts)
          .then(eb.cast<number | null>(eb.val(nowMs), 'bigint'))
          .else(null)
          .end(),
        due_ms: 0,
        reason: lostReason,
      }))
      .where('queue_id', '=', queueId)
      .where('state', '=', 'inflight')
      .where('due_ms', '<=', nowMs)
      .returning(['state', 'group_key'])
      .execute();
    await bringBack(
      trx,
      queueId,
      rows.map(({ group_key }) => group_key),
    );
    const dead = rows.filter(({ state }) => state === 'dead').length;
    return { retried: rows.length - dead, dead };
  }
}

function groupsOf(messages: readonly Pick<TakenMessage, 'group'>[]): readonly string[] {
  return messages.flatMap(({ group }) => group ?? []);
}

async function takeSome(
  trx: Transaction<Schema>,
  options: {
    readonly queueId: string;
    readonly handlerId: HandlerId;
    readonly takenId: string;
    readonly room: number;
    readonly nowMs: number;
  },
): Promise<{ readonly messages: readonly TakenMessage[]; readonly hasMore: boolean }> {
  const found = await findMessages(trx, options.queueId, options.room);
  let bytes = 0;
  const ids = found.messages
    .filter((one, index) => {
      bytes += one.bytes;
      return index === 0 || bytes <= deliveryLimits.takenBytes;
    })
    .map(({ id }) => id);
  if (ids.length === 0) return { messages: [], hasMore: found.hasMore };
  const rows = await trx
    .updateTable('messages')
    .set((eb) => ({
      state: 'inflight',
      due_ms: options.nowMs + deliveryLimits.visibleMs,
      attempts: eb('attempts', '+', 1),
      taken_by: options.handlerId,
      taken_id: options.takenId,
    }))
    .where('id', 'in', ids)
    .returning(['id', 'position', 'body', 'content_type', 'group_key', 'attempts', 'published_ms'])
    .execute();
  const messages = rows
    .map((row) => ({
      id: row.id,
      position: Number(row.position),
      body: new Uint8Array(row.body),
      contentType: row.content_type,
      group: row.group_key,
      attempt: Number(row.attempts),
      publishedMs: Number(row.published_ms),
    }))
    .sort((a, b) => a.position - b.position);
  return { messages, hasMore: found.hasMore };
}

/** What a take must know of a queue, in Unix milliseconds; null: there is no such message. */
interface DueTimes {
  /** When the next delayed message is due. */
  readonly readyMs: number | null;
  /** When the first and the last reservation end. */
  readonly reservedMs: number | null;
  readonly lastReservedMs: number | null;
  /** Number of messages in flight to the handler. */
  readonly inFlight: number;
}

async function dueTimes(trx: Transaction<Schema>, queueId: string, handlerId: HandlerId): Promise<DueTimes> {
  const inFlight = trx.selectFrom('messages').where('queue_id', '=', queueId).where('state', '=', 'inflight');
  const found = await trx
    .selectNoFrom([
      trx
        .selectFrom('messages')
        .select(({ fn }) => fn.min<number | null>('due_ms').as('ms'))
        .where('queue_id', '=', queueId)
        .where('state', '=', 'ready')
        .where('due_ms', '>', 0)
        .as('ready'),
      inFlight.select(({ fn }) => fn.min<number | null>('due_ms').as('ms')).as('reserved'),
      inFlight.select(({ fn }) => fn.max<number | null>('due_ms').as('ms')).as('last'),
      inFlight
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('taken_by', '=', handlerId)
        .as('count'),
    ])
    .executeTakeFirstOrThrow();
  const time = (ms: number | null): number | null => (ms === null ? null : Number(ms));
  return {
    readyMs: time(found.ready),
    reservedMs: time(found.reserved),
    lastReservedMs: time(found.last),
    inFlight: Number(found.count),
  };
}

/** Whether a delayed message is due, a reservation has ended, or one ends so late that the clock was put back since. */
function isPast({ readyMs, reservedMs, lastReservedMs }: DueTimes, nowMs: number): boolean {
  return (
    (readyMs !== null && readyMs <= nowMs) ||
    (reservedMs !== null && reservedMs <= nowMs) ||
    (lastReservedMs !== null && lastReservedMs > latestMs(nowMs))
  );
}

/** Latest end of a reservation that was made by this clock. */
function latestMs(nowMs: number): number {
  return nowMs + deliveryLimits.visibleMs + deliveryLimits.clockBackMs;
}

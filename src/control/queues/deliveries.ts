/**
 * Hands messages to consumers, at least once. The database decides who gets a message; a control that ends leaves its
 * deliveries to time out.
 *
 *     ready --take--> inflight --done--> done
 *       ^               |    \--failed, attempts used up--> dead --retry--> ready
 *       +---------------+  failed (after a while), given up, or not extended in time
 *
 * Nothing here waits for the disk: what a power cut undoes is delivered once more.
 */
import type { Transaction } from 'kysely';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { type Taker, takenPatterns } from './taker.ts';

/** A message that has been taken for a consumer. */
export interface TakenMessage {
  readonly id: string;
  readonly position: number;
  readonly body: Uint8Array;
  readonly contentType: string | null;
  /** Number of this delivery, from 1. */
  readonly attempt: number;
  readonly publishedMs: number;
}

export interface Taken {
  /** Messages in the order of publishing. */
  readonly messages: readonly TakenMessage[];
  /** Unix milliseconds at which a further message may become available; null: only when one is published. */
  readonly nextMs: number | null;
  /** Messages that earlier takers lost: those that come again, and those that are dead letters now. */
  readonly lost: { readonly retried: number; readonly dead: number };
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

  /** `now`: clock in Unix milliseconds; `random`: number in [0, 1). */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly random: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#random = options.random;
  }

  /**
   * Takes at most `limit` messages for the delivery `takenId` to `handlerId`, while the handler has fewer than
   * `inFlightMax` messages of this queue in flight on all controls. Takes none from a paused queue.
   */
  async take(options: {
    readonly queueId: string;
    readonly handlerId: string;
    readonly takenId: string;
    readonly limit: number;
    readonly inFlightMax: number;
    readonly maxAttempts: number;
  }): Promise<Taken> {
    const { queueId, handlerId, takenId } = options;
    return this.#db.relaxed.transaction().execute(async (trx) => {
      // Takers of one queue run one after the other, so that limits hold and groups keep their order.
      const queue = await trx
        .selectFrom('queues')
        .select('is_paused')
        .where('id', '=', queueId)
        .forNoKeyUpdate()
        .executeTakeFirst();
      if (queue === undefined || queue.is_paused === 1) return { messages: [], nextMs: null, lost: noneLost };
      const nowMs = this.#now();
      const lost = await this.#settleLost(trx, queueId, options.maxAttempts, nowMs);
      await trx
        .updateTable('messages')
        .set({ due_ms: 0 })
        .where('queue_id', '=', queueId)
        .where('state', '=', 'ready')
        .where('due_ms', '>', 0)
        .where('due_ms', '<=', nowMs)
        .execute();
      const { count } = await trx
        .selectFrom('messages')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('queue_id', '=', queueId)
        .where('state', '=', 'inflight')
        .where('taken_by', '=', handlerId)
        .executeTakeFirstOrThrow();
      const room = Math.min(options.limit, options.inFlightMax - Number(count));
      const messages = room <= 0 ? [] : await takeSome(trx, { queueId, handlerId, takenId, room, nowMs });
      return { messages, nextMs: await nextDue(trx, queueId), lost };
    });
  }

  /** Extends the reservation of these deliveries' messages to visibleMs from now. */
  async extend(takenIds: readonly string[]): Promise<void> {
    if (takenIds.length === 0) return;
    await this.#db.relaxed
      .updateTable('messages')
      .set({ due_ms: this.#now() + deliveryLimits.visibleMs })
      .where('state', '=', 'inflight')
      .where('taken_id', 'in', takenIds)
      .execute();
  }

  /**
   * Ends the reservations of earlier processes of this control: the next take settles them as lost, without waiting for
   * visibleMs.
   */
  async giveUpBefore(taker: Taker): Promise<void> {
    const { control, process } = takenPatterns(taker);
    await this.#db.relaxed
      .updateTable('messages')
      .set({ due_ms: 0 })
      // Names the queues because the index on states begins with the queue.
      .where('queue_id', 'in', (from) => from.selectFrom('queues').select('id'))
      .where('state', '=', 'inflight')
      .where('taken_id', 'like', control)
      .where('taken_id', 'not like', process)
      .execute();
  }

  /** Stores that the consumer has acknowledged messages of a delivery. Returns their number. */
  async done(takenId: string, ids: readonly string[], invocation: string | null): Promise<number> {
    const { numUpdatedRows } = await this.#db.relaxed
      .updateTable('messages')
      .set({ state: 'done', due_ms: 0, ended_ms: this.#now(), reason: null, invocation })
      .where('id', 'in', ids)
      .where('state', '=', 'inflight')
      .where('taken_id', '=', takenId)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  /**
   * Stores that the delivery has failed: its messages are delivered again after a while, or become dead letters after
   * their last attempt.
   */
  async failed(
    takenId: string,
    failure: {
      readonly messages: readonly Pick<TakenMessage, 'id' | 'attempt'>[];
      readonly reason: string;
      readonly invocation: string | null;
      readonly maxAttempts: number;
    },
  ): Promise<void> {
    const nowMs = this.#now();
    const reason = failure.reason.slice(0, queueLimits.reasonChars);
    await this.#db.relaxed.transaction().execute(async (trx) => {
      for (const { id, attempt } of failure.messages) {
        const isLast = attempt >= failure.maxAttempts;
        await trx
          .updateTable('messages')
          .set({
            state: isLast ? 'dead' : 'ready',
            due_ms: isLast ? 0 : nowMs + retryDelayMs(attempt, this.#random()),
            ended_ms: isLast ? nowMs : null,
            reason,
            invocation: failure.invocation,
          })
          .where('id', '=', id)
          .where('state', '=', 'inflight')
          .where('taken_id', '=', takenId)
          .execute();
      }
    });
  }

  /** Returns messages that were not delivered: they are ready again after `delayMs`, and the attempt is not counted. */
  async giveBack(takenId: string, ids: readonly string[], delayMs: number): Promise<void> {
    await this.#db.relaxed
      .updateTable('messages')
      .set((eb) => ({
        state: 'ready',
        due_ms: delayMs === 0 ? 0 : this.#now() + delayMs,
        attempts: eb('attempts', '-', 1),
      }))
      .where('id', 'in', ids)
      .where('state', '=', 'inflight')
      .where('taken_id', '=', takenId)
      .execute();
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
      .where('due_ms', '>', nowMs + deliveryLimits.visibleMs + deliveryLimits.clockBackMs)
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
      .returning('state')
      .execute();
    const dead = rows.filter(({ state }) => state === 'dead').length;
    return { retried: rows.length - dead, dead };
  }
}

async function takeSome(
  trx: Transaction<Schema>,
  options: {
    readonly queueId: string;
    readonly handlerId: string;
    readonly takenId: string;
    readonly room: number;
    readonly nowMs: number;
  },
): Promise<readonly TakenMessage[]> {
  const candidates = await trx
    .selectFrom('messages as m')
    .select(['m.id', ({ fn }) => fn<number>('length', ['m.body']).as('bytes')])
    .where('m.queue_id', '=', options.queueId)
    .where('m.state', '=', 'ready')
    .where('m.due_ms', '=', 0)
    .where(({ or, not, exists, selectFrom, eb: own }) =>
      or([
        own('m.group_key', 'is', null),
        not(
          exists(
            selectFrom('messages as before')
              .select('before.id')
              .whereRef('before.queue_id', '=', 'm.queue_id')
              .whereRef('before.group_key', '=', 'm.group_key')
              .whereRef('before.position', '<', 'm.position')
              .where('before.state', 'in', ['ready', 'inflight']),
          ),
        ),
      ]),
    )
    .orderBy('m.position')
    .limit(options.room)
    .execute();
  let bytes = 0;
  const ids = candidates
    .filter((one, index) => {
      bytes += Number(one.bytes);
      return index === 0 || bytes <= deliveryLimits.takenBytes;
    })
    .map(({ id }) => id);
  if (ids.length === 0) return [];
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
    .returning(['id', 'position', 'body', 'content_type', 'attempts', 'published_ms'])
    .execute();
  return rows
    .map((row) => ({
      id: row.id,
      position: Number(row.position),
      body: new Uint8Array(row.body),
      contentType: row.content_type,
      attempt: Number(row.attempts),
      publishedMs: Number(row.published_ms),
    }))
    .sort((a, b) => a.position - b.position);
}

/** Returns when the next delayed message is due or the next reservation expires. */
async function nextDue(trx: Transaction<Schema>, queueId: string): Promise<number | null> {
  const row = await trx
    .selectFrom('messages')
    .select(({ fn }) => fn.min('due_ms').as('due'))
    .where('queue_id', '=', queueId)
    .where('state', 'in', ['ready', 'inflight'])
    .where('due_ms', '>', 0)
    .executeTakeFirst();
  return row?.due == null ? null : Number(row.due);
}

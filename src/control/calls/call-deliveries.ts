/**
 * Takes calls that wait, for one control each, and stores how they ended. Each call is made at least once.
 *
 *     ready --take--> inflight --done--> done
 *       ^               |    \--failed, attempts used up--> failed
 *       +---------------+  failed (after a while), refused, or not extended in time
 *
 * No commit here waits for the disk: a call whose result a power cut undoes is made once more.
 */
import type { Kysely } from 'kysely';
import type { CallRequest } from '../../protocol/call-request.ts';
import { callLimits } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { deliveryLimits, lostReason, retryDelayMs } from '../queues/deliveries.ts';
import { type Taker, takenBy } from '../queues/taker.ts';
import type { StoredAnswer } from './call-store.ts';
import { type CallPlaces, chooseCalls, type WaitingCall } from './waiting-calls.ts';

/** A call that this control has taken. */
export interface TakenCall {
  readonly id: string;
  readonly takenId: string;
  readonly handlerId: HandlerId;
  readonly handler: string;
  readonly ownerId: string;
  /** Name of the schedule; null: an asynchronous request. */
  readonly schedule: string | null;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly request: CallRequest;
  readonly body: Uint8Array;
  readonly createdMs: number;
}

/** Columns of a call whose request is not kept. */
const withoutRequest = { body: new Uint8Array(), request: '{}' } as const;

/** Calls removed by one statement. */
const removedAtOnce = 500;

export class CallDeliveries {
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
   * Takes calls that are due, chosen fairly (chooseCalls). Each keeps the place that it got, until its taker gives it
   * back. `running`: number of calls that this control makes, by handler.
   */
  async take(options: {
    readonly takenId: string;
    readonly running: ReadonlyMap<string, number>;
    readonly places: CallPlaces;
  }): Promise<readonly TakenCall[]> {
    const { takenId, running, places } = options;
    const nowMs = this.#now();
    await this.#settleLost(nowMs);
    const chosen = await chooseCalls(this.#db.reader, { nowMs, running, places });
    const kept = new Set<string>();
    try {
      const taken = await this.#takeChosen(chosen, takenId, nowMs);
      for (const { id } of taken) kept.add(id);
      return taken;
    } finally {
      for (const { id, ownerId } of chosen) if (!kept.has(id)) places.give(ownerId, 1);
    }
  }

  async #takeChosen(chosen: readonly WaitingCall[], takenId: string, nowMs: number): Promise<readonly TakenCall[]> {
    const handlers = new Map(chosen.map((one) => [one.handlerId, one]));
    const ids = chosen.map(({ id }) => id);
    if (ids.length === 0) return [];
    // Another control may have taken some of them meanwhile: those are not returned here.
    const rows = await this.#db.relaxed
      .updateTable('calls')
      .set((eb) => ({
        state: 'inflight',
        due_ms: nowMs + deliveryLimits.visibleMs,
        attempts: eb('attempts', '+', 1),
        taken_id: takenId,
        started_ms: nowMs,
      }))
      .where('id', 'in', ids)
      .where('state', '=', 'ready')
      .returning(['id', 'handler_id', 'schedule', 'attempts', 'attempts_max', 'request', 'body', 'created_ms'])
      .execute();
    return rows.map((row) => ({
      id: row.id,
      takenId,
      handlerId: row.handler_id,
      handler: handlers.get(row.handler_id)?.handler ?? '',
      ownerId: handlers.get(row.handler_id)?.ownerId ?? '',
      schedule: row.schedule,
      attempt: Number(row.attempts),
      attemptsMax: Number(row.attempts_max),
      request: JSON.parse(row.request) as CallRequest, // `accept` and `insertRun` have written this JSON.
      body: new Uint8Array(row.body),
      createdMs: Number(row.created_ms),
    }));
  }

  /** Extends the claim on the calls of these takes to deliveryLimits.visibleMs from now. */
  async extend(takenIds: readonly string[]): Promise<void> {
    if (takenIds.length === 0) return;
    await this.#db.relaxed
      .updateTable('calls')
      .set({ due_ms: this.#now() + deliveryLimits.visibleMs })
      .where('state', '=', 'inflight')
      .where('taken_id', 'in', takenIds)
      .execute();
  }

  /**
   * Ends the claims of earlier processes of this control: the next take settles them as lost, without waiting for
   * visibleMs.
   */
  async giveUpBefore({ controlId, bootId }: Taker): Promise<void> {
    await this.#givenUp(this.#db.relaxed, controlId)
      .where('taken_id', 'not like', takenBy({ controlId, bootId }))
      .execute();
  }

  /** Ends the claims of a control that has ended, in a transaction of the caller. Returns their number. */
  async giveUp(trx: Kysely<Schema>, controlId: string): Promise<number> {
    return Number((await this.#givenUp(trx, controlId).executeTakeFirst()).numUpdatedRows);
  }

  #givenUp(db: Kysely<Schema>, controlId: string) {
    return db
      .updateTable('calls')
      .set({ due_ms: 0 })
      .where('state', '=', 'inflight')
      .where('taken_id', 'like', takenBy({ controlId }));
  }

  /** Stores that a call has succeeded. `answer`: the part that is kept; null: nothing. */
  async done(
    call: TakenCall,
    ended: { readonly invocation: string | null; readonly answer: StoredAnswer | null },
  ): Promise<void> {
    await this.#end(call, 'done', { ...ended, reason: null });
  }

  /**
   * Stores that a call has failed. It is made again after a while, or has failed for good when it was the last attempt.
   */
  async failed(
    call: TakenCall,
    failure: {
      readonly reason: string;
      readonly invocation: string | null;
      readonly answer: StoredAnswer | null;
      /** Whether the runner ended, and not the function. */
      readonly isInterrupted: boolean;
      /** Whether another attempt would have the same result. */
      readonly isFinal?: boolean;
    },
  ): Promise<void> {
    const attemptsMax = failure.isInterrupted ? Math.max(call.attemptsMax, callLimits.interrupted) : call.attemptsMax;
    if (failure.isFinal === true || call.attempt >= attemptsMax) return this.#end(call, 'failed', failure);
    await this.#db.relaxed
      .updateTable('calls')
      .set({
        state: 'ready',
        due_ms: this.#now() + retryDelayMs(call.attempt, this.#random()),
        reason: failure.reason.slice(0, callLimits.reasonChars),
        invocation: failure.invocation,
      })
      .where('id', '=', call.id)
      .where('state', '=', 'inflight')
      .where('taken_id', '=', call.takenId)
      .execute();
  }

  /**
   * Stores that the function was not called: the attempt does not count. After callLimits.patienceMs the call fails for
   * good.
   */
  async refused(call: TakenCall, reason: string, delayMs: number): Promise<void> {
    const nowMs = this.#now();
    if (nowMs - call.createdMs > callLimits.patienceMs)
      return this.#end(call, 'failed', { reason, invocation: null, answer: null });
    await this.#db.relaxed
      .updateTable('calls')
      .set((eb) => ({
        state: 'ready',
        due_ms: nowMs + delayMs,
        attempts: eb('attempts', '-', 1),
        reason: reason.slice(0, callLimits.reasonChars),
      }))
      .where('id', '=', call.id)
      .where('state', '=', 'inflight')
      .where('taken_id', '=', call.takenId)
      .execute();
  }

  /** Removes calls that ended long ago, and of each schedule all but the newest runs. */
  async prune(): Promise<void> {
    const before = this.#now() - callLimits.keptMs;
    for (;;) {
      const { numDeletedRows } = await this.#db
        .deleteFrom('calls')
        .where('id', 'in', (from) =>
          from
            .selectFrom('calls')
            .select('id')
            .where('schedule', 'is', null)
            .where('ended_ms', '<', before)
            .limit(removedAtOnce),
        )
        .executeTakeFirst();
      if (numDeletedRows < BigInt(removedAtOnce)) break;
    }
    for (;;) {
      const { numDeletedRows } = await this.#db
        .deleteFrom('calls')
        .where('id', 'in', (from) =>
          from
            .selectFrom((inner) =>
              inner
                .selectFrom('calls')
                .select('id')
                .select(({ fn }) =>
                  fn
                    .agg<number>('row_number')
                    .over((over) => over.partitionBy(['handler_id', 'schedule']).orderBy('ended_ms', 'desc'))
                    .as('place'),
                )
                .where('schedule', 'is not', null)
                .where('ended_ms', 'is not', null)
                .as('ended'),
            )
            .select('id')
            .where('place', '>', callLimits.keptRuns)
            .limit(removedAtOnce),
        )
        .executeTakeFirst();
      if (numDeletedRows < BigInt(removedAtOnce)) return;
    }
  }

  async #end(
    call: TakenCall,
    state: 'done' | 'failed',
    ended: { readonly reason: string | null; readonly invocation: string | null; readonly answer: StoredAnswer | null },
  ): Promise<void> {
    const { answer } = ended;
    await this.#db.relaxed
      .updateTable('calls')
      .set({
        state,
        due_ms: 0,
        ended_ms: this.#now(),
        reason: ended.reason?.slice(0, callLimits.reasonChars) ?? null,
        invocation: ended.invocation,
        status: answer?.status ?? null,
        fields: answer === null ? null : JSON.stringify(answer.fields),
        answer: answer?.body ?? null,
        // Removes the request, which may be secret, where it is no longer needed: a failed one may be tried again.
        ...(state === 'done' || call.schedule !== null ? withoutRequest : {}),
      })
      .where('id', '=', call.id)
      .where('state', '=', 'inflight')
      .where('taken_id', '=', call.takenId)
      .execute();
  }

  /** Corrects calls whose times are later than any that could be set now: the clock has been put back since. */
  async #clockPutBack(nowMs: number): Promise<void> {
    const latest = { ready: deliveryLimits.retryMostMs, inflight: deliveryLimits.visibleMs } as const;
    for (const state of ['ready', 'inflight'] as const) {
      const dueMs = state === 'ready' ? nowMs : nowMs + deliveryLimits.visibleMs;
      const from = nowMs + latest[state] + deliveryLimits.clockBackMs;
      const ahead = await this.#db.reader
        .selectFrom('calls')
        .select('id')
        .where('state', '=', state)
        .where('due_ms', '>', from)
        .limit(1)
        .executeTakeFirst();
      if (ahead === undefined) continue;
      await this.#db.relaxed
        .updateTable('calls')
        .set({ due_ms: dueMs })
        .where('state', '=', state)
        .where('due_ms', '>', from)
        .execute();
    }
  }

  /** Settles calls whose claim has expired: they are made again, or have failed for good. */
  async #settleLost(nowMs: number): Promise<void> {
    await this.#clockPutBack(nowMs);
    const isLost = this.#db.reader
      .selectFrom('calls')
      .select('id')
      .where('state', '=', 'inflight')
      .where('due_ms', '<=', nowMs);
    // Reads before it writes: most looks find no such call, and a write would cost a transaction.
    if ((await isLost.limit(1).executeTakeFirst()) === undefined) return;
    const lost = this.#db.relaxed.updateTable('calls').where('state', '=', 'inflight').where('due_ms', '<=', nowMs);
    await lost
      .set({ state: 'failed', due_ms: 0, ended_ms: nowMs, reason: lostReason })
      .where('attempts', '>=', callLimits.interrupted)
      .whereRef('attempts', '>=', 'attempts_max')
      .execute();
    await lost.set({ state: 'ready', due_ms: nowMs, reason: lostReason }).execute();
  }
}

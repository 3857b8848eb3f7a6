/**
 * Stores the calls that the platform makes itself. One control at a time takes a call; each is made at least once.
 *
 *     ready --take--> inflight --done--> done
 *       ^               |    \--failed, attempts used up--> failed
 *       +---------------+  failed (after a while), refused, or not extended in time
 *
 * Only accept() waits for the disk: a call whose result a power cut undoes is made once more.
 */
import { sql } from 'kysely';
import type { CallRequest } from '../../protocol/call-request.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { callLimits, MIB } from '../../protocol/limits.ts';
import type { CallState } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { deliveryLimits, lostReason, retryDelayMs } from '../queues/deliveries.ts';
import { type Taker, takenPatterns } from '../queues/taker.ts';

/** A call that this control has taken. */
export interface TakenCall {
  readonly id: string;
  readonly takenId: string;
  readonly handlerId: string;
  readonly handler: string;
  readonly ownerId: string;
  /** Name of the schedule; null: an asynchronous request. */
  readonly schedule: string | null;
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly request: CallRequest;
  readonly body: Uint8Array;
  readonly createdMs: number;
}

/** Answer of the function, as stored. */
export interface StoredAnswer {
  readonly status: number;
  /** Pairs of name and value; each character stands for one octet (latin1). */
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** A call, as its caller sees it. Times are Unix milliseconds. */
export interface CallView {
  readonly id: string;
  readonly state: CallState;
  readonly attempts: number;
  readonly acceptedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly reason: string | null;
  readonly invocation: string | null;
  /** Status of the answer; null without an answer. */
  readonly status: number | null;
}

/** Columns of a CallView, except its id. */
const shownColumns = [
  'state',
  'attempts',
  'created_ms',
  'started_ms',
  'ended_ms',
  'reason',
  'invocation',
  'status',
] as const;

/** Bytes of the bodies in one take; at least one call is taken. */
const takenBytes = 8 * MIB;
/** Calls removed by one statement. */
const removedAtOnce = 500;

export class CallStore {
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
   * Stores an asynchronous request of a handler; durable when it resolves. Throws `overloaded` when callLimits.waiting
   * of them have not ended, `not_found` when the handler no longer exists.
   */
  async accept(call: {
    readonly id: string;
    readonly handlerId: string;
    readonly request: CallRequest;
    readonly body: Uint8Array;
    readonly attemptsMax: number;
  }): Promise<void> {
    const nowMs = this.#now();
    await this.#db.transaction().execute(async (trx) => {
      if (!(await lockHandler(trx, call.handlerId)))
        throw new PlatformError('not_found', 'this handler has been deleted');
      const { count } = await trx
        .selectFrom('calls')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('handler_id', '=', call.handlerId)
        .where('state', 'in', ['ready', 'inflight'])
        .where('schedule', 'is', null)
        .executeTakeFirstOrThrow();
      if (Number(count) >= callLimits.waiting)
        throw new PlatformError('overloaded', `${callLimits.waiting} asynchronous requests have not ended yet`, {
          retryAfterSeconds: 10,
        });
      await trx
        .insertInto('calls')
        .values({
          id: call.id,
          handler_id: call.handlerId,
          schedule: null,
          tick_ms: null,
          state: 'ready',
          due_ms: nowMs,
          attempts: 0,
          attempts_max: call.attemptsMax,
          is_serial: 0,
          request: JSON.stringify(call.request),
          body: call.body,
          created_ms: nowMs,
          started_ms: null,
          ended_ms: null,
          taken_id: null,
          status: null,
          fields: null,
          answer: null,
          reason: null,
          invocation: null,
        })
        .execute();
    });
  }

  /** Returns an asynchronous call of a handler. Throws `not_found`. */
  async show(handlerId: string, id: string): Promise<CallView> {
    const row = await this.#db.reader
      .selectFrom('calls')
      .select(shownColumns)
      .where('id', '=', id)
      .where('handler_id', '=', handlerId)
      .where('schedule', 'is', null)
      .executeTakeFirst();
    if (row === undefined) throw noCall();
    return viewOf(id, row);
  }

  /**
   * Returns at most `limit` asynchronous calls of a handler, newest first, those after the cursor `after` (callCursor).
   * Ids are shortened: a user who may see the list may not read the answers. `state`: only calls in this state.
   */
  async list(
    handlerId: string,
    options: { readonly after?: string | undefined; readonly limit: number; readonly state?: CallState | undefined },
  ): Promise<readonly CallView[]> {
    const shortId = sql<string>`substr(id, 1, ${sql.lit(callLimits.shownIdChars)})`;
    const { afterMs, afterId } = cursorParts(options.after);
    const rows = await this.#db.reader
      .selectFrom('calls')
      .select([shortId.as('id'), ...shownColumns])
      .where('handler_id', '=', handlerId)
      .where('schedule', 'is', null)
      .$if(options.state !== undefined, (query) => query.where('state', '=', options.state!))
      .where((eb) =>
        eb.or([eb('created_ms', '<', afterMs), eb.and([eb('created_ms', '=', afterMs), eb(shortId, '<', afterId)])]),
      )
      .orderBy('created_ms', 'desc')
      .orderBy(shortId, 'desc')
      .limit(options.limit)
      .execute();
    return rows.map((row) => viewOf(row.id, row));
  }

  /** Returns the answer of an asynchronous call. Throws `not_found` when there is no answer, or none yet. */
  async answer(handlerId: string, id: string): Promise<StoredAnswer> {
    const row = await this.#db.reader
      .selectFrom('calls')
      .select(['status', 'fields', 'answer'])
      .where('id', '=', id)
      .where('handler_id', '=', handlerId)
      .where('schedule', 'is', null)
      .executeTakeFirst();
    if (row === undefined) throw noCall();
    if (row.status === null || row.fields === null || row.answer === null)
      throw new PlatformError('not_found', 'there is no answer of this call', {
        hints: ['its state stands at the address without /answer'],
      });
    const fields = JSON.parse(row.fields) as StoredAnswer['fields']; // `done` has written this JSON.
    return { status: Number(row.status), fields, body: new Uint8Array(row.answer) };
  }

  /**
   * Takes calls that are due, if `reserve` gives their owner a place, and at most callLimits.concurrency of a handler,
   * less `running` of it. Owners take turns, and so do the handlers of an owner. Serial runs of one schedule are taken
   * one at a time. Places reserved for calls that are not returned are given back with `release`.
   */
  async take(options: {
    readonly takenId: string;
    readonly running: ReadonlyMap<string, number>;
    /** Number of calls to read; more than can be taken at once. */
    readonly candidates: number;
    readonly reserve: (ownerId: string) => boolean;
    readonly release: (ownerId: string) => void;
  }): Promise<readonly TakenCall[]> {
    const nowMs = this.#now();
    await this.#settleLost(nowMs);
    const chosen: Candidate[] = [];
    try {
      chosen.push(...choose(await this.#candidates(nowMs, options.candidates), options));
      const taken = await this.#takeChosen(chosen, options.takenId, nowMs);
      const ids = new Set(taken.map(({ id }) => id));
      for (const { id, owner_id } of chosen) if (!ids.has(id)) options.release(owner_id);
      return taken;
    } catch (error) {
      for (const { owner_id } of chosen) options.release(owner_id);
      throw error;
    }
  }

  /** Returns calls that are due, the calls of different owners alternating. */
  #candidates(nowMs: number, limit: number): Promise<readonly Candidate[]> {
    return this.#db.reader
      .selectFrom((from) =>
        from
          .selectFrom((inner) =>
            inner
              .selectFrom('calls as c')
              .innerJoin('handlers', 'handlers.id', 'c.handler_id')
              .innerJoin('users', 'users.id', 'handlers.owner_id')
              .select(['c.id', 'c.handler_id', 'c.schedule', 'c.is_serial', 'c.due_ms'])
              .select(['handlers.name', 'handlers.owner_id'])
              .select(({ fn }) => [
                fn<number>('length', ['c.body']).as('bytes'),
                fn
                  .agg<number>('row_number')
                  .over((over) =>
                    over.partitionBy('c.handler_id').orderBy('c.due_ms').orderBy('c.created_ms').orderBy('c.id'),
                  )
                  .as('place'),
              ])
              .where('c.state', '=', 'ready')
              .where('c.due_ms', '<=', nowMs)
              .where('handlers.deleted_ms', 'is', null)
              .where('users.suspended_ms', 'is', null)
              .where(({ or, not, exists, selectFrom, eb }) =>
                or([
                  eb('c.is_serial', '=', 0),
                  not(
                    exists(
                      selectFrom('calls as other')
                        .select('other.id')
                        .whereRef('other.handler_id', '=', 'c.handler_id')
                        .whereRef('other.schedule', '=', 'c.schedule')
                        .where('other.state', '=', 'inflight'),
                    ),
                  ),
                ]),
              )
              .as('waiting'),
          )
          .selectAll()
          .select(({ fn }) =>
            fn
              .agg<number>('row_number')
              .over((over) => over.partitionBy('owner_id').orderBy('place').orderBy('due_ms').orderBy('id'))
              .as('turn'),
          )
          .where('place', '<=', callLimits.concurrency)
          .as('turns'),
      )
      .selectAll()
      .orderBy('turn')
      .orderBy('due_ms')
      .limit(limit)
      .execute();
  }

  async #takeChosen(chosen: readonly Candidate[], takenId: string, nowMs: number): Promise<readonly TakenCall[]> {
    const handlers = new Map(chosen.map((one) => [one.handler_id, one]));
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
      handler: handlers.get(row.handler_id)?.name ?? '',
      ownerId: handlers.get(row.handler_id)?.owner_id ?? '',
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
  async giveUpBefore(taker: Taker): Promise<void> {
    const { control, process } = takenPatterns(taker);
    await this.#db.relaxed
      .updateTable('calls')
      .set({ due_ms: 0 })
      .where('state', '=', 'inflight')
      .where('taken_id', 'like', control)
      .where('taken_id', 'not like', process)
      .execute();
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
        // Removes the request, which is no longer needed and may be secret.
        body: new Uint8Array(),
        request: '{}',
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
      .set({ state: 'failed', due_ms: 0, ended_ms: nowMs, reason: lostReason, body: new Uint8Array(), request: '{}' })
      .where('attempts', '>=', callLimits.interrupted)
      .whereRef('attempts', '>=', 'attempts_max')
      .execute();
    await lost.set({ state: 'ready', due_ms: nowMs, reason: lostReason }).execute();
  }
}

/** A call that may be taken. */
interface Candidate {
  readonly id: string;
  readonly handler_id: string;
  readonly owner_id: string;
  readonly name: string;
  readonly schedule: string | null;
  readonly is_serial: number;
  readonly bytes: number;
}

/** Returns the calls for which there is a place, in their order; each keeps the place that `reserve` gave. */
function choose(
  candidates: readonly Candidate[],
  options: {
    readonly running: ReadonlyMap<string, number>;
    readonly reserve: (ownerId: string) => boolean;
  },
): readonly Candidate[] {
  const running = new Map(options.running);
  const schedules = new Set<string>();
  const chosen: Candidate[] = [];
  let bytes = 0;
  for (const one of candidates) {
    const others = running.get(one.handler_id) ?? 0;
    const schedule = `${one.handler_id} ${one.schedule}`;
    if (others >= callLimits.concurrency || (one.is_serial === 1 && schedules.has(schedule))) continue;
    bytes += Number(one.bytes);
    if (chosen.length > 0 && bytes > takenBytes) break;
    if (!options.reserve(one.owner_id)) continue;
    running.set(one.handler_id, others + 1);
    schedules.add(schedule);
    chosen.push(one);
  }
  return chosen;
}

function viewOf(id: string, row: Pick<Schema['calls'], (typeof shownColumns)[number]>): CallView {
  return {
    id,
    state: row.state,
    attempts: Number(row.attempts),
    acceptedMs: Number(row.created_ms),
    startedMs: row.started_ms === null ? null : Number(row.started_ms),
    endedMs: row.ended_ms === null ? null : Number(row.ended_ms),
    reason: row.reason,
    invocation: row.invocation,
    status: row.status === null ? null : Number(row.status),
  };
}

/** Returns the cursor for the calls after this one in the list. */
export function callCursor({ acceptedMs, id }: Pick<CallView, 'acceptedMs' | 'id'>): string {
  return `${acceptedMs}.${id}`;
}

/** Returns the parts of a cursor. Throws `bad_request` if callCursor did not make it. */
function cursorParts(cursor: string | undefined): { readonly afterMs: number; readonly afterId: string } {
  if (cursor === undefined) return { afterMs: Number.MAX_SAFE_INTEGER, afterId: '' };
  const [, ms, id] = /^(\d{1,15})\.([\w-]{1,40})$/.exec(cursor) ?? [];
  if (ms === undefined || id === undefined)
    throw new PlatformError('bad_request', 'after is no cursor of this list: take `next` of the page before');
  return { afterMs: Number(ms), afterId: id };
}

function noCall(): PlatformError {
  return new PlatformError('not_found', 'there is no such call, or it ended long ago');
}

/**
 * Stores asynchronous requests of handlers, durable before their caller is told so, and shows what became of them.
 * call-deliveries.ts has them made.
 */

import { type Kysely, sql } from 'kysely';
import type { CallRequest } from '../../protocol/call-request.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { callLimits } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { CallState } from '../../protocol/nouns.ts';
import type { CallView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';

/** Answer of the function, as stored. */
export interface StoredAnswer {
  readonly status: number;
  /** Pairs of name and value; each character stands for one octet (latin1). */
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** Columns of a CallView, except its id. */
const shownColumns = [
  'state',
  'attempts',
  'due_ms',
  'created_ms',
  'started_ms',
  'ended_ms',
  'reason',
  'invocation',
  'status',
] as const;

/** The part of an id that is shown. */
const shortId = sql<string>`substr(id, 1, ${sql.lit(callLimits.shownIdChars)})`;

export class CallStore {
  readonly #db: Database;
  readonly #now: () => number;

  /** `now`: clock in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /**
   * Stores an asynchronous request of a handler; durable when it resolves. Throws `overloaded` when callLimits.waiting
   * of them have not ended, `not_found` when the handler no longer exists.
   */
  async accept(call: {
    readonly id: string;
    readonly handlerId: HandlerId;
    readonly request: CallRequest;
    readonly body: Uint8Array;
    readonly attemptsMax: number;
  }): Promise<void> {
    const nowMs = this.#now();
    await this.#db.transaction().execute(async (trx) => {
      if (!(await lockHandler(trx, call.handlerId)))
        throw new PlatformError('not_found', 'this handler has been deleted');
      await checkRoom(trx, call.handlerId);
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

  /**
   * Fails an asynchronous call that waits. `shownId`: the id as `list` shows it. Returns whether it waited: one that
   * runs ends with its Invocation. Throws `not_found`, and `conflict` when it has ended.
   */
  async cancelWaiting(handlerId: HandlerId, shownId: string): Promise<boolean> {
    const { state } = await this.#find(handlerId, shownId);
    if (state === 'inflight') return false;
    const { numUpdatedRows } = await this.#of(handlerId, shownId)
      .where('state', '=', 'ready')
      .set({ state: 'failed', due_ms: 0, ended_ms: this.#now(), reason: 'cancelled: by a member of the team' })
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return true;
    // It has been taken, or has ended, since it was looked at.
    if ((await this.#find(handlerId, shownId)).state === 'inflight') return false;
    throw new PlatformError('conflict', 'this call has ended');
  }

  /**
   * Makes a failed asynchronous call wait again, with all its attempts. Throws `not_found`, `conflict` when it has not
   * failed or its request is not kept, and `overloaded` as `accept` does.
   */
  async retry(handlerId: HandlerId, shownId: string): Promise<void> {
    const { state, request } = await this.#find(handlerId, shownId);
    if (state !== 'failed') throw new PlatformError('conflict', 'this call has not failed');
    if (request === '{}') throw new PlatformError('conflict', 'the request of this call is not kept any more');
    await this.#db.transaction().execute(async (trx) => {
      if (!(await lockHandler(trx, handlerId))) throw noCall();
      await checkRoom(trx, handlerId);
      await this.#of(handlerId, shownId, trx)
        .where('state', '=', 'failed')
        .set({
          ...{ state: 'ready', due_ms: this.#now(), attempts: 0, started_ms: null, ended_ms: null, reason: null },
          ...{ invocation: null, status: null, fields: null, answer: null },
        })
        .execute();
    });
  }

  async #find(handlerId: HandlerId, shownId: string): Promise<Pick<Schema['calls'], 'state' | 'request'>> {
    const row = await this.#db.reader
      .selectFrom('calls')
      .select(['state', 'request'])
      .where('handler_id', '=', handlerId)
      .where(shortId, '=', shownId)
      .where('schedule', 'is', null)
      .executeTakeFirst();
    if (row === undefined) throw noCall();
    return row;
  }

  #of(handlerId: HandlerId, shownId: string, db: Kysely<Schema> = this.#db) {
    return db
      .updateTable('calls')
      .where('handler_id', '=', handlerId)
      .where(shortId, '=', shownId)
      .where('schedule', 'is', null);
  }

  /** Returns an asynchronous call of a handler. Throws `not_found`. */
  async show(handlerId: HandlerId, id: string): Promise<CallView> {
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
    handlerId: HandlerId,
    options: { readonly after?: string | undefined; readonly limit: number; readonly state?: CallState | undefined },
  ): Promise<readonly CallView[]> {
    const { afterMs, afterId } = cursorParts(options.after);
    const rows = await this.#db.reader
      .selectFrom('calls')
      .select([shortId.as('id'), ...shownColumns])
      .where('handler_id', '=', handlerId)
      .where('schedule', 'is', null)
      .$if(options.state !== undefined, (query) => query.where('state', '=', options.state!)) // asked on this line
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
  async answer(handlerId: HandlerId, id: string): Promise<StoredAnswer> {
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
}

/** Throws `overloaded` when callLimits.waiting asynchronous calls of a handler have not ended. */
async function checkRoom(trx: Kysely<Schema>, handlerId: HandlerId): Promise<void> {
  const { count } = await trx
    .selectFrom('calls')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('handler_id', '=', handlerId)
    .where('state', 'in', ['ready', 'inflight'])
    .where('schedule', 'is', null)
    .executeTakeFirstOrThrow();
  if (Number(count) >= callLimits.waiting)
    throw new PlatformError('overloaded', `${callLimits.waiting} asynchronous requests have not ended yet`, {
      retryAfterSeconds: 10,
    });
}

function viewOf(id: string, row: Pick<Schema['calls'], (typeof shownColumns)[number]>): CallView {
  return {
    id,
    state: row.state,
    attempts: Number(row.attempts),
    dueMs: row.state === 'ready' ? Number(row.due_ms) : null,
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

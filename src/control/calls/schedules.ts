/**
 * Stores the schedules of live Deployments: writes them with each Release, fires due ticks, pauses and shows them.
 *
 * Firing a tick moves `next_ms` to the next tick, in the transaction that stores the tick's call. So only one of
 * several controls can move it, and no second call for the same tick can be stored.
 */

import type { Kysely, Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { ScheduleSettings } from '../../protocol/nouns.ts';
import type { ScheduleRun, ScheduleView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { newestTicks, nextTick } from './due-times.ts';
import { insertRun } from './runs.ts';

export const scheduleLimits = {
  /** Milliseconds after which a tick that has not been fired counts as missed. */
  lateMs: 10_000,
  /**
   * Milliseconds: when the clock has been put back by more, the next tick is computed anew. Below that, a tick that was
   * fired is not fired again when its time comes a second time.
   */
  clockBackMs: 60 * 60_000,
  /** Schedules that one look fires. */
  firedAtOnce: 200,
  /** Runs of one schedule that wait or are made, with overlap = "allow". */
  runsMost: 16,
  /** Coming ticks that are shown. */
  shownNext: 3,
  /** Runs that are shown. */
  shownRuns: 5,
} as const;

/** A row; `name` is the key of the schedule: its name, and SLUG/NAME for one of a preview. */
interface ScheduleRow {
  readonly handler_id: string;
  readonly name: string;
  readonly settings: string;
  readonly anchor_ms: number;
  readonly next_ms: number | null;
}

/**
 * Replaces the schedules of a handler, or of its preview with the slug `preview`, in the transaction that makes the
 * Release. A schedule whose ticks are unchanged keeps its next tick and its pause. `nowMs` in Unix milliseconds.
 */
export async function replaceSchedules(
  trx: Kysely<Schema>,
  handlerId: HandlerId,
  schedules: readonly ScheduleSettings[],
  nowMs: number,
  preview: string | null = null,
): Promise<void> {
  const all = await trx.selectFrom('schedules').selectAll().where('handler_id', '=', handlerId).execute();
  const before = all.filter(({ name }) => previewOfKey(name) === preview);
  if (before.length === 0 && schedules.length === 0) return;
  const keys = schedules.map(({ name }) => keyOf(preview, name));
  const old = before.map(({ name }) => name);
  if (old.length > 0)
    await trx.deleteFrom('schedules').where('handler_id', '=', handlerId).where('name', 'in', old).execute();
  // Runs of removed schedules that have not begun.
  const removed = old.filter((key) => !keys.includes(key));
  if (removed.length > 0)
    await trx
      .deleteFrom('calls')
      .where('handler_id', '=', handlerId)
      .where('schedule', 'in', removed)
      .where('state', '=', 'ready')
      .execute();
  if (schedules.length === 0) return;
  await trx
    .insertInto('schedules')
    .values(
      schedules.map((settings) => {
        const name = keyOf(preview, settings.name);
        const old = before.find((row) => row.name === name);
        const isSame = old !== undefined && sameTicks(readSettings(old.settings), settings);
        return {
          handler_id: handlerId,
          name,
          settings: JSON.stringify(settings),
          is_paused: old?.is_paused ?? 0,
          anchor_ms: isSame ? old.anchor_ms : nowMs,
          next_ms: isSame ? old.next_ms : nextTick(settings, nowMs, nowMs),
          last_ms: isSame ? old.last_ms : null,
        };
      }),
    )
    .execute();
}

export class Schedules {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #newId: () => string;

  /** `now`: clock in Unix milliseconds. `newId`: draws an id that was never given. */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly newId: () => string }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#newId = options.newId;
  }

  /**
   * Stores the calls of all due ticks, each once. Schedules of suspended users and of deleted handlers are skipped.
   * Returns the time of the next tick; null: none is known.
   */
  async fire(): Promise<number | null> {
    const nowMs = this.#now();
    await this.#clockPutBack(nowMs);
    const due = await this.#active()
      .selectAll('schedules')
      .where('schedules.next_ms', '<=', nowMs)
      .orderBy('schedules.next_ms')
      .limit(scheduleLimits.firedAtOnce)
      .execute();
    for (const row of due) await this.#fire(row, nowMs);
    const next = await this.#active()
      .select(({ fn }) => fn.min('schedules.next_ms').as('next'))
      .executeTakeFirst();
    return next?.next == null ? null : Number(next.next);
  }

  /** Returns the schedules of a handler, by name. */
  async list(handlerId: HandlerId): Promise<readonly ScheduleView[]> {
    const rows = await this.#db.reader
      .selectFrom('schedules')
      .selectAll()
      .where('handler_id', '=', handlerId)
      .orderBy('name')
      .execute();
    const views: ScheduleView[] = [];
    for (const row of rows) {
      const { timeoutMs: _, ...settings } = readSettings(row.settings);
      const nextMs = row.is_paused === 1 ? [] : comingTicks(settings, Number(row.anchor_ms), row.next_ms);
      views.push({
        ...settings,
        name: row.name,
        isPaused: row.is_paused === 1,
        nextMs,
        runs: await this.#runs(handlerId, row.name),
      });
    }
    return views;
  }

  /** Returns one schedule of a handler. Throws `not_found`. */
  async show(handlerId: HandlerId, name: string): Promise<ScheduleView> {
    const found = (await this.list(handlerId)).find((one) => one.name === name);
    if (found === undefined) throw noSchedule();
    return found;
  }

  /** Runs a schedule now, even when it is paused. Throws `not_found`, and `conflict` when too many runs wait. */
  async runNow(handlerId: HandlerId, name: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const row = await this.#find(trx, handlerId, name);
      const settings = readSettings(row.settings);
      if ((await unsettled(trx, row)) >= scheduleLimits.runsMost)
        throw new PlatformError('conflict', `${scheduleLimits.runsMost} runs of this schedule have not ended`);
      const nowMs = this.#now();
      await insertRun(trx, {
        id: this.#newId(),
        handlerId,
        key: row.name,
        preview: previewOfKey(row.name),
        settings,
        tickMs: null,
        state: 'ready',
        reason: null,
        nowMs,
      });
    });
  }

  /** Pauses a schedule or resumes it. Ticks that were due during the pause are not caught up. Throws `not_found`. */
  async pause(handlerId: HandlerId, name: string, isPaused: boolean): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const row = await this.#find(trx, handlerId, name);
      const settings = readSettings(row.settings);
      const next = isPaused ? row.next_ms : nextTick(settings, this.#now(), Number(row.anchor_ms));
      await trx
        .updateTable('schedules')
        .set({ is_paused: isPaused ? 1 : 0, next_ms: next })
        .where('handler_id', '=', handlerId)
        .where('name', '=', name)
        .where('is_paused', '=', isPaused ? 0 : 1)
        .execute();
    });
  }

  async #fire(row: ScheduleRow, nowMs: number): Promise<void> {
    const settings = readSettings(row.settings);
    const dueMs = Number(row.next_ms);
    const anchorMs = Number(row.anchor_ms);
    const most = settings.catchUp + scheduleLimits.lateMs / 1_000 + 1;
    const ticks = newestTicks(settings, { fromMs: dueMs, untilMs: nowMs, anchorMs, most });
    const missed = ticks.filter((tick) => tick < nowMs - scheduleLimits.lateMs);
    const caughtUp = settings.catchUp === 0 ? [] : missed.slice(-settings.catchUp);
    const fired = [...caughtUp, ...ticks.slice(missed.length)];
    const lastMs = ticks.at(-1) ?? dueMs;
    const nextMs = nextTick(settings, Math.max(lastMs, nowMs), anchorMs);
    await this.#db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('schedules')
        .set({ next_ms: nextMs, last_ms: lastMs })
        .where('handler_id', '=', row.handler_id)
        .where('name', '=', row.name)
        .where('next_ms', '=', dueMs)
        .where('is_paused', '=', 0)
        .executeTakeFirst();
      // Another control has fired the tick, or the schedule has changed since.
      if (numUpdatedRows === 0n) return;
      const waiting = await unsettled(trx, row);
      const run = (tickMs: number, reason: string | null) =>
        insertRun(trx, {
          ...{ id: this.#newId(), handlerId: row.handler_id, settings, tickMs, reason, nowMs },
          key: row.name,
          preview: previewOfKey(row.name),
          state: reason === null ? 'ready' : 'skipped',
        });
      if (fired.length === 0) await run(lastMs, 'it was missed, and catch-up is used up');
      for (const tickMs of fired) await run(tickMs, whySkipped(settings, waiting));
    });
  }

  /** Corrects schedules after the clock was far ahead: otherwise they would not tick until that time comes. */
  async #clockPutBack(nowMs: number): Promise<void> {
    const ahead = await this.#db.reader
      .selectFrom('schedules')
      .selectAll()
      .where('last_ms', '>', nowMs + scheduleLimits.clockBackMs)
      .limit(scheduleLimits.firedAtOnce)
      .execute();
    for (const row of ahead)
      await this.#db
        .updateTable('schedules')
        .set({ next_ms: nextTick(readSettings(row.settings), nowMs, Number(row.anchor_ms)), last_ms: null })
        .where('handler_id', '=', row.handler_id)
        .where('name', '=', row.name)
        .where('last_ms', '=', row.last_ms)
        .execute();
  }

  #active() {
    return this.#db.reader
      .selectFrom('schedules')
      .innerJoin('handlers', 'handlers.id', 'schedules.handler_id')
      .innerJoin('users', 'users.id', 'handlers.owner_id')
      .where('schedules.is_paused', '=', 0)
      .where('handlers.deleted_ms', 'is', null)
      .where('users.suspended_ms', 'is', null);
  }

  async #find(trx: Transaction<Schema>, handlerId: HandlerId, name: string): Promise<ScheduleRow> {
    const row = await trx
      .selectFrom('schedules')
      .selectAll()
      .where('handler_id', '=', handlerId)
      .where('name', '=', name)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (row === undefined) throw noSchedule();
    return row;
  }

  async #runs(handlerId: HandlerId, name: string): Promise<readonly ScheduleRun[]> {
    const rows = await this.#db.reader
      .selectFrom('calls')
      .select(['tick_ms', 'state', 'started_ms', 'ended_ms', 'attempts', 'reason', 'invocation'])
      .where('handler_id', '=', handlerId)
      .where('schedule', '=', name)
      .orderBy('created_ms', 'desc')
      .orderBy('tick_ms', 'desc')
      .limit(scheduleLimits.shownRuns)
      .execute();
    return rows.map((row) => ({
      tickMs: numberOf(row.tick_ms),
      state: row.state,
      startedMs: numberOf(row.started_ms),
      endedMs: numberOf(row.ended_ms),
      attempts: Number(row.attempts),
      reason: row.reason,
      invocation: row.invocation,
    }));
  }
}

/** Returns the key of a schedule. Names have no slash, so keys of a handler and of its previews differ. */
function keyOf(preview: string | null, name: string): string {
  return preview === null ? name : `${preview}/${name}`;
}

/** Returns the slug of the preview that a schedule belongs to; null: it belongs to the handler itself. */
function previewOfKey(key: string): string | null {
  const end = key.indexOf('/');
  return end < 0 ? null : key.slice(0, end);
}

/**
 * Returns why a tick is skipped; null when it is not. Ticks that are caught up wait for each other: only runs of an
 * earlier firing count as an overlap.
 */
function whySkipped({ overlap }: ScheduleSettings, waiting: number): string | null {
  if (overlap === 'skip') return waiting > 0 ? 'the run before has not ended' : null;
  return waiting >= scheduleLimits.runsMost ? `${scheduleLimits.runsMost} runs have not ended` : null;
}

async function unsettled(trx: Transaction<Schema>, row: Pick<ScheduleRow, 'handler_id' | 'name'>): Promise<number> {
  const { count } = await trx
    .selectFrom('calls')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('handler_id', '=', row.handler_id)
    .where('schedule', '=', row.name)
    .where('state', 'in', ['ready', 'inflight'])
    .executeTakeFirstOrThrow();
  return Number(count);
}

function comingTicks(
  settings: Omit<ScheduleSettings, 'timeoutMs'>,
  anchorMs: number,
  firstMs: number | null,
): readonly number[] {
  const ticks: number[] = [];
  for (
    let tick = firstMs === null ? null : Number(firstMs);
    tick !== null && ticks.length < scheduleLimits.shownNext;
  ) {
    ticks.push(tick);
    tick = nextTick(settings, tick, anchorMs);
  }
  return ticks;
}

function sameTicks(before: ScheduleSettings, after: ScheduleSettings): boolean {
  return before.cron === after.cron && before.timezone === after.timezone && before.everyMs === after.everyMs;
}

/** Returns the settings in `text`, which replaceSchedules has written. */
function readSettings(text: string): ScheduleSettings {
  return JSON.parse(text) as ScheduleSettings; // see above
}

function numberOf(value: number | null): number | null {
  return value === null ? null : Number(value);
}

function noSchedule(): PlatformError {
  return new PlatformError('not_found', 'this handler has no schedule of this name', {
    hints: ['wasmcloud schedules NAME lists them'],
  });
}

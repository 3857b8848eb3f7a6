/** Stores the call for a tick of a schedule. */
import type { Transaction } from 'kysely';
import type { CallRequest } from '../../protocol/call-request.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { ScheduleSettings } from '../../protocol/nouns.ts';
import { previewLabel } from '../../protocol/previews.ts';
import type { Schema } from '../db/schema.ts';

/** Stores a run, unless one for the same tick exists. `nowMs` in Unix milliseconds. */
export async function insertRun(
  trx: Transaction<Schema>,
  run: {
    readonly id: string;
    readonly handlerId: HandlerId;
    /** Names the schedule in the database. */
    readonly key: string;
    /** Slug of the preview that is called; null: the handler itself. */
    readonly preview: string | null;
    readonly settings: ScheduleSettings;
    /** The tick, in Unix milliseconds; null: a user started the run. */
    readonly tickMs: number | null;
    readonly state: 'ready' | 'skipped';
    readonly reason: string | null;
    readonly nowMs: number;
  },
): Promise<void> {
  const { settings, nowMs } = run;
  const request: CallRequest = {
    method: 'POST',
    path: settings.path,
    // The control that makes the call puts the handler's present name in.
    label: run.preview === null ? null : previewLabel(run.preview, ''),
    authority: null,
    fields: [['content-type', 'text/plain; charset=utf-8']],
    env: {
      TRISIEL_TRIGGER: 'schedule',
      SCHEDULE_NAME: settings.name,
      SCHEDULE_TIME: new Date(run.tickMs ?? nowMs).toISOString(),
    },
    timeoutMs: settings.timeoutMs,
  };
  await trx
    .insertInto('calls')
    .values({
      id: run.id,
      handler_id: run.handlerId,
      schedule: run.key,
      tick_ms: run.tickMs,
      state: run.state,
      // The due times of ticks that are caught up keep their order.
      due_ms: run.tickMs ?? nowMs,
      attempts: 0,
      attempts_max: 1,
      is_serial: settings.overlap === 'skip' ? 1 : 0,
      request: JSON.stringify(request),
      body: Buffer.from(settings.body),
      created_ms: nowMs,
      started_ms: null,
      ended_ms: run.state === 'ready' ? null : nowMs,
      taken_id: null,
      status: null,
      fields: null,
      answer: null,
      reason: run.reason,
      invocation: null,
    })
    .onConflict((oc) => oc.columns(['handler_id', 'schedule', 'tick_ms']).where('tick_ms', 'is not', null).doNothing())
    .execute();
}

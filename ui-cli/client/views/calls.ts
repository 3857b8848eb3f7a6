/** Schemas of calls that the platform makes: asynchronous requests, runs of schedules. */
import * as z from 'zod/mini';
import { callStates, scheduleOverlaps } from '../../../src/protocol/nouns.ts';
import type { CallView, ScheduleView } from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

export const callAnswer: z.ZodMiniType<CallView> = z.object({
  id: plain,
  state: z.enum(callStates),
  attempts: number,
  dueMs: orNull(number),
  acceptedMs: number,
  startedMs: orNull(number),
  endedMs: orNull(number),
  reason: orNull(text),
  invocation: orNull(plain),
  status: orNull(number),
});

export const scheduleAnswer: z.ZodMiniType<ScheduleView> = z.object({
  name: text,
  cron: orNull(text),
  timezone: text,
  everyMs: orNull(number),
  path: text,
  body: text,
  overlap: z.enum(scheduleOverlaps),
  catchUp: number,
  isPaused: z.boolean(),
  nextMs: z.array(number),
  runs: z.array(
    z.object({
      tickMs: orNull(number),
      state: z.enum(callStates),
      startedMs: orNull(number),
      endedMs: orNull(number),
      attempts: number,
      reason: orNull(text),
      invocation: orNull(plain),
    }),
  ),
});

/** Schemas of calls that the platform makes: queues with their messages, schedules, asynchronous calls. */
import { z } from 'zod';
import { callStates, messageStates, queueEvents, scheduleOverlaps } from '../../../protocol/nouns.ts';
import { recordOf } from '../../../protocol/record-of.ts';
import type { CallView, QueueMessageView, QueueView, ScheduleView } from '../../../protocol/views.ts';
import { ms } from './parts.ts';

export const queueSchema: z.ZodType<QueueView> = z
  .object({
    name: z.string(),
    isPaused: z.boolean(),
    messages: z.object(recordOf(messageStates, () => z.number())).describe('messages by state'),
    bytes: z.number(),
    oldestMs: ms.nullable().describe('when the oldest message that waits was published'),
    recent: z.object(recordOf(queueEvents, () => z.number())).describe('messages of the last 5 minutes'),
    consumers: z.array(z.string()).describe('handlers whose live version consumes it'),
  })
  .meta({ id: 'Queue' });

export const scheduleSchema: z.ZodType<ScheduleView> = z
  .object({
    name: z.string(),
    cron: z.string().nullable().describe('null: everyMs counts'),
    timezone: z.string().describe('that cron is read in'),
    everyMs: z.number().nullable(),
    path: z.string().describe('that the function is called with'),
    body: z.string(),
    overlap: z.enum(scheduleOverlaps),
    catchUp: z.number().describe('missed ticks that are run late'),
    isPaused: z.boolean(),
    nextMs: z.array(ms).describe('the coming ticks'),
    runs: z
      .array(
        z.object({
          tickMs: ms.nullable().describe('null: somebody asked for it'),
          state: z.enum(callStates),
          startedMs: ms.nullable(),
          endedMs: ms.nullable(),
          attempts: z.number(),
          reason: z.string().nullable().describe('why it failed or was skipped'),
          invocation: z.string().nullable(),
        }),
      )
      .describe('the newest runs, newest first'),
  })
  .meta({ id: 'Schedule' });

export const callSchema: z.ZodType<CallView> = z
  .object({
    id: z.string().describe('the beginning of its id: the whole one gives access to the answer'),
    state: z.enum(callStates),
    attempts: z.number(),
    dueMs: ms.nullable().describe('before which the next attempt does not begin; null: none waits'),
    acceptedMs: ms,
    startedMs: ms.nullable().describe('of the last attempt'),
    endedMs: ms.nullable(),
    reason: z.string().nullable().describe('why the last attempt failed'),
    invocation: z.string().nullable(),
    status: z.number().nullable().describe('of the answer; null: there is none'),
  })
  .meta({ id: 'Call' });

export const queueMessageSchema: z.ZodType<QueueMessageView> = z
  .object({
    id: z.string(),
    position: z.number().describe('grows with each message of the queue; gaps are usual'),
    state: z.enum(messageStates),
    contentType: z.string().nullable(),
    group: z.string().nullable(),
    attempts: z.number().describe('deliveries that have begun'),
    publishedMs: ms,
    dueMs: ms.nullable().describe('not delivered before; null: at once'),
    endedMs: ms.nullable().describe('when it was done, or failed for good'),
    reason: z.string().nullable().describe('why the last delivery failed'),
    invocation: z.string().nullable().describe('that dealt with it last'),
    bytes: z.number(),
    text: z.string().nullable().describe('the body where it is UTF-8; else null'),
    base64: z.string().nullable().describe('the body where it is not UTF-8; else null'),
  })
  .meta({ id: 'QueueMessage' });

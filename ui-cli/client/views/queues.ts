/** Schemas of queues and their messages. */
import * as z from 'zod/mini';
import { messageStates, queueEvents } from '../../../src/protocol/nouns.ts';
import { recordOf } from '../../../src/protocol/record-of.ts';
import type { PublishedView, QueueMessageView, QueueView } from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

export const queueAnswer: z.ZodMiniType<QueueView> = z.object({
  name: text,
  isPaused: z.boolean(),
  messages: z.object(recordOf(messageStates, () => number)),
  bytes: number,
  oldestMs: orNull(number),
  recent: z.object(recordOf(queueEvents, () => number)),
  consumers: z.array(plain),
});

export const queueMessageAnswer: z.ZodMiniType<QueueMessageView> = z.object({
  id: plain,
  position: number,
  state: z.enum(messageStates),
  contentType: orNull(text),
  group: orNull(text),
  attempts: number,
  publishedMs: number,
  dueMs: orNull(number),
  endedMs: orNull(number),
  reason: orNull(text),
  invocation: orNull(plain),
  bytes: number,
  text: orNull(text),
  base64: orNull(text),
});

export const publishedAnswer: z.ZodMiniType<PublishedView> = z.object({
  id: orNull(plain),
  published: number,
  duplicates: number,
});

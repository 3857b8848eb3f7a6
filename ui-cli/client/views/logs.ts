/** Schemas of log lines, how long they are kept, and drains. */
import * as z from 'zod/mini';
import { type LogFrame, type LogLine, logStreams } from '../../../src/protocol/nouns.ts';
import type { DrainView, LogRetentionView } from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

export const logLineAnswer: z.ZodMiniType<LogLine> = z.object({
  handler: text,
  deployment: number,
  invocation: text,
  seq: number,
  timeMs: number,
  gas: number,
  stream: z.enum(logStreams),
  level: number,
  text,
  cursor: number,
  preview: z.optional(plain),
  status: z.optional(number),
  fields: z.optional(z.record(text, z.union([text, number, z.boolean(), z.null()]))),
});

export const logFrameAnswer: z.ZodMiniType<LogFrame> = z.object({
  lines: z.array(logLineAnswer),
  dropped: number,
  caughtUp: z.optional(number),
});

export const logRetentionAnswer: z.ZodMiniType<LogRetentionView> = z.object({
  days: orNull(number),
  bytes: orNull(number),
  server: z.object({ days: number, bytes: number }),
});

export const drainAnswer: z.ZodMiniType<DrainView> = z.object({
  name: plain,
  kind: plain,
  target: text,
  createdMs: number,
  sent: number,
  lost: number,
  sentMs: orNull(number),
  failures: number,
  error: orNull(text),
  failedMs: orNull(number),
  retryMs: orNull(number),
});

/** Schemas of figures, invocations and gas profiles. */
import * as z from 'zod/mini';
import { type ErrorCode, errorStatus } from '../../../src/protocol/errors.ts';
import type { GasProfile } from '../../../src/protocol/gas-profile.ts';
import { type InvocationOutcome, type InvocationRecord, invocationTriggers } from '../../../src/protocol/nouns.ts';
import type { UsageMinute, UsageSummary } from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

export const usageAnswer: z.ZodMiniType<UsageSummary> = z.object({
  windowMs: number,
  invocations: number,
  failures: number,
  gas: number,
  requestsPerSecond: number,
  failuresPerSecond: number,
  p50Ms: orNull(number),
  p99Ms: orNull(number),
});

export const usageMinuteAnswer: z.ZodMiniType<UsageMinute> = z.object({
  minuteMs: number,
  invocations: number,
  failures: number,
  gas: number,
  durationMs: number,
  bytesIn: number,
  bytesOut: number,
});

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorStatus, code);

const outcomes: readonly InvocationOutcome[] = [
  'running',
  'ok',
  'aborted',
  ...Object.keys(errorStatus).filter(isErrorCode),
];

export const invocationAnswer: z.ZodMiniType<InvocationRecord> = z.object({
  id: text,
  handler: text,
  deployment: number,
  startedMs: number,
  durationMs: number,
  method: text,
  path: text,
  status: number,
  outcome: z.enum(outcomes),
  gas: number,
  memoryPages: number,
  bytesIn: number,
  bytesOut: number,
  syscalls: z.record(text, z.object({ count: number, waitMs: number })),
  io: z.record(text, z.object({ bytesIn: number, bytesOut: number })),
  logLines: number,
  trigger: z.optional(z.object({ kind: z.enum(invocationTriggers), name: text })),
  commit: z.optional(plain),
  traceId: z.optional(plain),
  error: z.optional(text),
  stack: z.optional(z.array(text)),
});

export const profileAnswer: z.ZodMiniType<GasProfile> = z.object({
  gas: number,
  calls: number,
  samples: number,
  functions: z.array(text),
  nodes: z.array(z.tuple([number, number, number])),
});

/** Schemas of what functions leave: log lines with their queries, invocations, usage. */
import { z } from 'zod';
import { fieldLimits } from '../../../protocol/log-fields.ts';
import {
  type InvocationRecord,
  invocationTriggers,
  type LogLine,
  logLevelsText,
  logStreams,
  storedKinds,
} from '../../../protocol/nouns.ts';
import { previewLimits } from '../../../protocol/previews.ts';
import { recordOf } from '../../../protocol/record-of.ts';
import type { LogRetentionView, QuotaView, UsageMinute, UsageSummary } from '../../../protocol/views.ts';
import { grepCharsMax, parseField, parseLevel, parseStatus } from '../../logs/log-filter.ts';
import { queryLimits } from '../../logs/log-query.ts';
import { compileRegex, regexLimits } from '../../logs/regex.ts';
import { ms, wholeNumber } from './parts.ts';

export const logLineSchema: z.ZodType<LogLine> = z
  .object({
    cursor: z.number().describe('grows with every line; where a reader goes on from'),
    handler: z.string(),
    deployment: z.number(),
    invocation: z.string(),
    seq: z.number(),
    timeMs: ms,
    gas: z.number(),
    stream: z.enum(logStreams),
    level: z.number().describe(`${logLevelsText}; others as the guest gave them`),
    text: z.string().describe('as written: may hold control characters'),
    preview: z.string().optional().describe('slug of the preview that it is of'),
    status: z.number().optional().describe('status of the call, in lines of the stream `request`'),
    fields: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .optional()
      .describe('fields of a line that was a JSON object'),
  })
  .meta({ id: 'LogLine' });

export const invocationSchema = z
  .object({
    id: z.string(),
    handler: z.string(),
    deployment: z.number(),
    startedMs: z.number(),
    durationMs: z.number(),
    method: z.string(),
    path: z.string(),
    status: z.number(),
    outcome: z.string().describe('ok, aborted, or the code the caller saw'),
    gas: z.number(),
    memoryPages: z.number(),
    bytesIn: z.number(),
    bytesOut: z.number(),
    syscalls: z.record(z.string(), z.object({ count: z.number(), waitMs: z.number() })),
    io: z.record(z.string(), z.object({ bytesIn: z.number(), bytesOut: z.number() })),
    logLines: z.number(),
    trigger: z
      .object({ kind: z.enum(invocationTriggers), name: z.string() })
      .optional()
      .describe('what made it run: name of the queue or schedule, id of the asynchronous call; absent: a caller'),
    commit: z.string().optional(),
    traceId: z.string().optional().describe("trace id of the caller's traceparent"),
    error: z.string().optional().describe('why it failed'),
    stack: z
      .array(z.string())
      .optional()
      .describe(
        'functions of the guest that were running when it failed, innermost first; with (FILE:LINE) where the module tells it',
      ),
  } satisfies Record<keyof InvocationRecord, z.ZodType>)
  .meta({ id: 'Invocation' });

export const summarySchema: z.ZodType<UsageSummary> = z
  .object({
    windowMs: z.number(),
    invocations: z.number(),
    failures: z.number(),
    gas: z.number(),
    requestsPerSecond: z.number(),
    failuresPerSecond: z.number(),
    p50Ms: z.number().nullable(),
    p99Ms: z.number().nullable(),
  })
  .meta({ id: 'UsageSummary', description: 'Of the last minutes.' });

export const quotaSchema = z
  .object({
    quotaBytes: z.number(),
    usedBytes: z.number().describe('as last measured'),
    byKind: z.object(recordOf(storedKinds, () => z.number())),
    handlers: z.array(z.object({ name: z.string(), bytes: z.number(), deleted: z.boolean() })),
    domains: z
      .object({ count: z.number(), max: z.number() })
      .describe('custom domains of all handlers, proven or not, and how many a user may have'),
  } satisfies Record<keyof QuotaView, z.ZodType>)
  .meta({ id: 'Quota', description: 'Bytes. A deleted handler stores until it is purged.' });

export const logRetentionSchema: z.ZodType<LogRetentionView> = z.object({
  days: z.number().nullable().describe('days that its lines are kept; null: as long as the server keeps lines'),
  bytes: z.number().nullable().describe('bytes that are kept, as stored; null: as many as the server keeps'),
  server: z.object({ days: z.number(), bytes: z.number() }).describe('what the server keeps at most'),
});

export const minuteSchema: z.ZodType<UsageMinute> = z
  .object({
    minuteMs: ms,
    invocations: z.number(),
    failures: z.number(),
    gas: z.number(),
    durationMs: z.number(),
    bytesIn: z.number(),
    bytesOut: z.number(),
  })
  .meta({ id: 'UsageMinute' });

const cursor = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Conditions on fields in one question. */
const fieldsMax = 8;

/** The longest field in full: its name, `=`, its value. */
const fieldText = z.string().max(fieldLimits.nameChars + 1 + fieldLimits.valueChars);

/** Filters that the log query and the log stream share. */
export const logFilterShape = {
  level: z
    .string()
    .refine((text) => /^(?:error|warning|info|\d{1,3})$/.test(text), 'error, warning, info or a number')
    .transform(parseLevel)
    .optional()
    .describe('this severe or worse: error, warning, info or a number'),
  stream: z
    .enum(logStreams)
    .optional()
    .describe('log: written by system call; stderr; platform: by Trisiel; request: calls'),
  requests: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .describe('true: lines of calls too, which are left out otherwise'),
  status: z
    .string()
    .transform(parseStatus)
    .optional()
    .describe('only lines of calls with this status: 404, or 5xx for a class'),
  regex: z
    .string()
    .max(regexLimits.patternChars)
    .transform((pattern) => {
      compileRegex(pattern);
      return pattern;
    })
    .optional()
    .describe('a regular expression (RE2) that the text contains a match of'),
  field: z
    .union([fieldText, z.array(fieldText).max(fieldsMax)])
    .transform((given) => [given].flat().map(parseField))
    .optional()
    .describe('NAME=VALUE: only lines with this field; NAME: with any value; may come several times'),
  deployment: wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }).optional().describe('number of the version'),
  invocation: z.string().max(100).optional(),
  grep: z.string().max(grepCharsMax).optional().describe('a plain substring, not a pattern; A-Z counts as a-z'),
  preview: z.string().max(previewLimits.slugChars).optional().describe('slug of a preview; empty: only lines of none'),
};

/** Further handlers in one question. */
const alsoMax = 19;

export const logQuerySchema = z.strictObject({
  after: cursor.optional().describe('lines above this cursor, oldest first'),
  before: cursor.optional().describe('lines below this cursor'),
  limit: wholeNumber({ min: 1, max: queryLimits.lines }).optional(),
  ...logFilterShape,
  also: z
    .string()
    .max(1_000)
    .transform((text) => text.split(','))
    .refine((names) => names.length <= alsoMax, `at most ${alsoMax} further handlers`)
    .optional()
    .describe('names of further handlers, with commas between them: their lines too'),
  sinceMs: cursor.optional().describe('lines of this time or later, Unix milliseconds'),
  untilMs: cursor.optional().describe('lines before this time, Unix milliseconds'),
});

export const logStreamQuerySchema = z.strictObject({
  after: cursor.optional().describe('lines above this cursor, then live ones; without it only live ones'),
  ...logFilterShape,
});

/** The nouns as zod schemas: requests are checked with them, and the OpenAPI document is made from them. */
import { z } from 'zod';
import { type DomainView, domainStates } from '../../protocol/domains.ts';
import { limitMeanings, limitNames } from '../../protocol/limits.ts';
import {
  abiNames,
  callStates,
  collaboratorRoles,
  handlerRoles,
  type InvocationRecord,
  invocationTriggers,
  type LogLine,
  logLevelsText,
  logStreams,
  messageStates,
  policyLists,
  queueEvents,
  scheduleOverlaps,
  storedKinds,
  tokenScopes,
  type User,
} from '../../protocol/nouns.ts';
import { previewLimits } from '../../protocol/previews.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type {
  AccountView,
  AuditEntry,
  CallView,
  CollaboratorView,
  DeploymentView,
  HandlerView,
  InviteView,
  LogRetentionView,
  PreviewView,
  QueueMessageView,
  QueueView,
  QuotaView,
  RolloutView,
  ScheduleView,
  TokenView,
  TransferView,
  UsageMinute,
  UsageSummary,
  VariableView,
} from '../../protocol/views.ts';
import { grepCharsMax, parseField, parseLevel, parseStatus } from '../logs/log-filter.ts';
import { queryLimits } from '../logs/log-query.ts';
import { compileRegex, regexLimits } from '../logs/regex.ts';

const ms = z.number().describe('Unix milliseconds');

export const userSchema: z.ZodType<User> = z
  .object({ id: z.string(), name: z.string(), createdMs: ms })
  .meta({ id: 'User' });

export const handlerSchema: z.ZodType<HandlerView> = z
  .object({
    name: z.string(),
    owner: z.string(),
    role: z.enum(handlerRoles).describe('what the caller is to it'),
    url: z.string().describe('where the function answers, under its own host name'),
    pathUrl: z.string().describe("where it answers too, under a path of the platform's host"),
    gitUrl: z.string(),
    deployBranch: z.string().nullable().describe('null until the first push'),
    settings: z
      .object({
        limits: z.object(recordOf(limitNames, (name) => z.number().optional().describe(limitMeanings[name]))),
        policy: z.object(recordOf(policyLists, () => z.array(z.string()))),
        previews: z.boolean().describe('whether pushes of other branches make previews'),
      })
      .describe('set without a push: limits win over those of the manifest, patterns are added to its policy'),
    state: z.enum(['empty', 'live', 'failed', 'deleted']),
    version: z.number().nullable().describe('number of the live deployment'),
    createdMs: ms,
    deployedMs: ms.nullable(),
    formerNames: z
      .array(
        z.object({
          name: z.string(),
          keptUntilMs: ms.describe('until then only the owner can take the name, from then on every user'),
        }),
      )
      .describe('names that it had before, newest first: git and callers that use one are sent to its name now'),
  })
  .meta({ id: 'Handler' });

export const deploymentSchema: z.ZodType<DeploymentView> = z
  .object({
    number: z.number(),
    state: z.enum(['staged', 'live', 'retired', 'failed']),
    commit: z.string(),
    author: z.string().nullable().describe('who wrote the commit, as it says itself; null: not known'),
    subject: z.string().nullable().describe("first paragraph of the commit's message, cut; null: not known"),
    ref: z.string(),
    preview: z.string().nullable().describe('branch of the preview that it belongs to; null: the handler itself'),
    pushedBy: z.string(),
    createdMs: ms,
    modulePath: z.string(),
    moduleBytes: z.number(),
    moduleSha256: z.string(),
    abis: z.array(z.enum(abiNames)),
    interfaces: z.array(z.string()).describe('interfaces of the platform that the module imports'),
    limits: z.object(recordOf(limitNames, (name) => z.number().describe(limitMeanings[name]))),
    policy: z.object(recordOf(policyLists, () => z.array(z.string()))).nullable(),
    newlyAllowed: z
      .array(z.string())
      .describe('what it may do that the version that was live at its push may not, one sentence each'),
    vetMs: z.number(),
    failure: z.string().nullable(),
  })
  .meta({ id: 'Deployment' });

export const previewSchema: z.ZodType<PreviewView> = z
  .object({
    branch: z.string(),
    slug: z.string().describe('what stands for the branch in SLUG--NAME and marks log lines'),
    url: z.string(),
    pathUrl: z.string(),
    version: z.number().describe('number of the live deployment'),
    commit: z.string(),
    pushedMs: ms,
    calledMs: ms.nullable().describe('last call, to the minute; null: never'),
    endsMs: ms.describe('when it ends unless somebody calls it or pushes to it'),
  })
  .meta({ id: 'Preview' });

const rolloutFigures = z.object({
  invocations: z.number(),
  failures: z.number().describe('calls that ended otherwise than ok'),
  meanMs: z.number().nullable().describe('null: no calls'),
});

export const rolloutSchema: z.ZodType<RolloutView> = z
  .object({
    from: z.number().describe('number of the live deployment'),
    to: z.number().describe('number of the deployment that gets a share of the calls'),
    percent: z.number(),
    header: z.string().nullable().describe('header by whose value callers are told apart; null: by a cookie alone'),
    errorPercent: z
      .number()
      .describe('failures of the new version, in percent of its calls, above which it is aborted'),
    startedMs: ms,
    figures: z.object({ from: rolloutFigures, to: rolloutFigures }).describe('since the start'),
  })
  .meta({ id: 'Rollout' });

/** Name of a branch, in a query or a path. */
export const branchText = z.string().min(1).max(previewLimits.branchBytes);

export const variableSchema: z.ZodType<VariableView> = z
  .object({
    key: z.string(),
    bytes: z.number(),
    tail: z.string().describe("the last 4 characters of a value of at least 16; else ''"),
    updatedMs: ms,
  })
  .meta({ id: 'Variable', description: 'Never the whole value.' });

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
      .describe('functions of the guest that were running when it failed, innermost first'),
  } satisfies Record<keyof InvocationRecord, z.ZodType>)
  .meta({ id: 'Invocation' });

export const tokenSchema: z.ZodType<TokenView> = z
  .object({
    id: z.string(),
    label: z.string(),
    scope: z.enum(tokenScopes),
    handler: z.string().nullable().describe('the one handler that it is good for; null: all'),
    createdMs: ms,
    lastUsedMs: ms.nullable(),
    expiresMs: ms.nullable().describe('null: it never ends by itself'),
  })
  .meta({ id: 'Token' });

export const inviteSchema: z.ZodType<InviteView> = z
  .object({
    id: z.string(),
    createdMs: ms,
    usesMax: z.number().describe('people who may sign up with it'),
    uses: z.number(),
    expiresMs: ms.nullable(),
    usedBy: z.array(z.string()),
  })
  .meta({ id: 'Invite' });

export const collaboratorSchema: z.ZodType<CollaboratorView> = z
  .object({ user: z.string(), role: z.enum(collaboratorRoles), addedMs: ms })
  .meta({ id: 'Collaborator' });

export const transferSchema: z.ZodType<TransferView> = z
  .object({
    handler: z.string(),
    from: z.string(),
    to: z.string(),
    offeredMs: ms,
    expiresMs: ms,
  })
  .meta({ id: 'Transfer' });

export const accountSchema: z.ZodType<AccountView> = z
  .object({
    name: z.string(),
    createdMs: ms,
    admin: z.boolean(),
    suspendedMs: ms.nullable().describe('since when; null: not suspended'),
    secondFactor: z.boolean(),
    handlers: z.number(),
    usedBytes: z.number().describe('as last measured'),
    handlersMax: z.number().nullable().describe("null: the platform's limit"),
    quotaBytes: z.number().nullable().describe("null: the platform's limit"),
    callsMax: z.number().nullable().describe('invocations in flight; null: no limit of the user'),
  })
  .meta({ id: 'Account', description: 'A user as administrators see it.' });

export const auditEntrySchema: z.ZodType<AuditEntry> = z
  .object({
    number: z.number().describe('from 1, without gaps'),
    timeMs: ms,
    user: z.string().describe('who did it, by the name of that time'),
    tokenId: z.string().nullable().describe('the Token it was done with; null: a name and a password'),
    address: z.string().describe('where from'),
    operation: z.string().describe("the operation's id in this document, or gitPush"),
    handler: z.string().nullable().describe('what it was done to, by the name of that time'),
    detail: z.string().describe('what was asked for, as JSON without secrets'),
    outcome: z.string().describe('ok, or the code of a failure that may have changed something'),
    hash: z.string().describe('SHA-256 over the entry and the hash of the one before'),
  })
  .meta({ id: 'AuditEntry' });

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

const recordSchema = z.object({ name: z.string(), value: z.string() });

export const domainSchema: z.ZodType<DomainView> = z
  .object({
    domain: z.string().describe('ASCII form; international names in punycode'),
    state: z.enum(domainStates).describe('served while it is verified or failing'),
    txt: recordSchema.describe('TXT record that proves it'),
    cname: recordSchema.describe('CNAME record that proves it too'),
    problem: z.string().nullable().describe('what the last check found; null: it did not fail'),
    createdMs: ms,
    checkedMs: ms.nullable().describe('last check'),
    verifiedMs: ms.nullable().describe('first check that succeeded'),
  })
  .meta({ id: 'Domain' });

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

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.string().describe('stable; compare this'),
    detail: z.string(),
    hints: z.array(z.string()).optional(),
    details: z.array(z.string()).optional(),
    id: z.string().optional().describe('the key into the log of the platform'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

/** Makes the schema of a whole number in a query: decimal digits only, no sign, exponent, NaN or blank. */
export function wholeNumber(range: { readonly min: number; readonly max: number }) {
  return z
    .string()
    .regex(/^\d{1,16}$/, 'a whole number')
    .transform(Number)
    .refine((n) => n >= range.min && n <= range.max, `a number from ${range.min} to ${range.max}`)
    .meta({ type: 'integer', minimum: range.min, maximum: range.max });
}

const cursor = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Conditions on fields in one question. */
const fieldsMax = 8;
const fieldText = z.string().max(grepCharsMax);

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

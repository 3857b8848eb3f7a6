/**
 * Schemas of the API's nouns, which check answers once, when they arrive. Unknown keys are ignored: a newer server may
 * send more.
 */
import * as z from 'zod/mini';
import { type DomainView, domainStates } from '../../src/protocol/domains.ts';
import { type ErrorCode, errorStatus } from '../../src/protocol/errors.ts';
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
import { limitNames } from '../../src/protocol/limits.ts';
import {
  abiNames,
  type CallState,
  type CollaboratorRole,
  callStates,
  collaboratorRoles,
  type DeploymentView,
  type HandlerView,
  handlerRoles,
  type InvocationOutcome,
  type InvocationRecord,
  invocationTriggers,
  type LogFrame,
  type LogLine,
  logStreams,
  type MessageState,
  messageStates,
  type Policy,
  type PreviewView,
  policyLists,
  type QueueEvent,
  type QuotaView,
  queueEvents,
  type RolloutView,
  storedKinds,
  type TokenScope,
  tokenScopes,
} from '../../src/protocol/nouns.ts';
import { recordOf } from '../../src/protocol/record-of.ts';

const text = z.string();
const number = z.number();
/**
 * Text that is printed unchanged, so it must not contain characters that control a terminal; free text is printed
 * through `visible` instead.
 */
const plain = z.string().check(z.regex(/^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/));
const orNull = <T extends z.ZodMiniType>(type: T) => z.nullable(type);

const abi = z.enum(abiNames);
const policy: z.ZodMiniType<Policy> = z.object(recordOf(policyLists, () => z.array(text)));
const limits = z.object(recordOf(limitNames, () => number));

export const handlerAnswer: z.ZodMiniType<HandlerView> = z.object({
  name: plain,
  owner: plain,
  role: z.enum(handlerRoles),
  url: plain,
  pathUrl: plain,
  gitUrl: plain,
  deployBranch: orNull(plain),
  settings: z.object({
    limits: z.object(recordOf(limitNames, () => z.optional(number))),
    policy,
    previews: z.boolean(),
  }),
  state: z.enum(['empty', 'live', 'failed', 'deleted']),
  version: orNull(number),
  createdMs: number,
  deployedMs: orNull(number),
  formerNames: z.array(z.object({ name: plain, keptUntilMs: number })),
});

export const deploymentAnswer: z.ZodMiniType<DeploymentView> = z.object({
  number,
  state: z.enum(['staged', 'live', 'retired', 'failed']),
  commit: plain,
  ref: text,
  preview: orNull(text),
  pushedBy: text,
  createdMs: number,
  modulePath: text,
  moduleBytes: number,
  moduleSha256: plain,
  abis: z.array(abi),
  interfaces: z.array(text),
  limits,
  policy: orNull(policy),
  vetMs: number,
  failure: orNull(text),
});

export const previewAnswer: z.ZodMiniType<PreviewView> = z.object({
  branch: text,
  slug: plain,
  url: plain,
  pathUrl: plain,
  version: number,
  commit: plain,
  pushedMs: number,
  calledMs: orNull(number),
  endsMs: number,
});

const rolloutFigures = z.object({ invocations: number, failures: number, meanMs: orNull(number) });

export const rolloutAnswer: z.ZodMiniType<RolloutView> = z.object({
  from: number,
  to: number,
  percent: number,
  header: orNull(plain),
  errorPercent: number,
  startedMs: number,
  figures: z.object({ from: rolloutFigures, to: rolloutFigures }),
});

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

const optionalNumber = orNull(number);

/** Figures of the last minutes. */
export interface UsageView {
  readonly windowMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface UsageMinute {
  readonly minuteMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export const usageAnswer: z.ZodMiniType<UsageView> = z.object({
  windowMs: number,
  invocations: number,
  failures: number,
  gas: number,
  requestsPerSecond: number,
  failuresPerSecond: number,
  p50Ms: optionalNumber,
  p99Ms: optionalNumber,
});

export const quotaAnswer: z.ZodMiniType<QuotaView> = z.object({
  quotaBytes: number,
  usedBytes: number,
  byKind: z.object(recordOf(storedKinds, () => number)),
  handlers: z.array(z.object({ name: plain, bytes: number, deleted: z.boolean() })),
  domains: z.object({ count: number, max: number }),
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

export interface QueueView {
  readonly name: string;
  readonly isPaused: boolean;
  readonly messages: Readonly<Record<MessageState, number>>;
  readonly bytes: number;
  readonly oldestMs: number | null;
  /** Messages of the last five minutes, by what became of them. */
  readonly recent: Readonly<Record<QueueEvent, number>>;
  readonly consumers: readonly string[];
}

export const queueAnswer: z.ZodMiniType<QueueView> = z.object({
  name: text,
  isPaused: z.boolean(),
  messages: z.object(recordOf(messageStates, () => number)),
  bytes: number,
  oldestMs: orNull(number),
  recent: z.object(recordOf(queueEvents, () => number)),
  consumers: z.array(plain),
});

/** An asynchronous call; `id` is the beginning of its id. */
export interface CallView {
  readonly id: string;
  readonly state: CallState;
  readonly attempts: number;
  /** Unix milliseconds of the next attempt; null: none waits. */
  readonly dueMs: number | null;
  readonly acceptedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly reason: string | null;
  readonly invocation: string | null;
  readonly status: number | null;
}

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

export const profileAnswer: z.ZodMiniType<GasProfile> = z.object({
  gas: number,
  calls: number,
  samples: number,
  functions: z.array(text),
  nodes: z.array(z.tuple([number, number, number])),
});

export interface DrainView {
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly createdMs: number;
  readonly sent: number;
  readonly lost: number;
  readonly sentMs: number | null;
  readonly failures: number;
  readonly error: string | null;
  readonly failedMs: number | null;
  readonly retryMs: number | null;
}

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

export interface ScheduleRunView {
  readonly tickMs: number | null;
  readonly state: CallState;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly invocation: string | null;
}

export interface ScheduleView {
  readonly name: string;
  readonly cron: string | null;
  readonly timezone: string;
  readonly everyMs: number | null;
  readonly isPaused: boolean;
  readonly nextMs: readonly number[];
  readonly runs: readonly ScheduleRunView[];
}

const recordAnswer = z.object({ name: plain, value: plain });

export const domainAnswer: z.ZodMiniType<DomainView> = z.object({
  domain: plain,
  state: z.enum(domainStates),
  txt: recordAnswer,
  cname: recordAnswer,
  problem: orNull(text),
  createdMs: number,
  checkedMs: orNull(number),
  verifiedMs: orNull(number),
});

export const scheduleAnswer: z.ZodMiniType<ScheduleView> = z.object({
  name: text,
  cron: orNull(text),
  timezone: text,
  everyMs: orNull(number),
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

/** A message; exactly one of `text` and `base64` is null. */
export interface QueueMessageView {
  readonly id: string;
  readonly position: number;
  readonly state: MessageState;
  readonly contentType: string | null;
  readonly group: string | null;
  readonly attempts: number;
  readonly publishedMs: number;
  /** Unix milliseconds before which it is not delivered; null: at once. */
  readonly dueMs: number | null;
  /** Unix milliseconds at which it was done, or failed for good. */
  readonly endedMs: number | null;
  readonly reason: string | null;
  /** Id of the invocation that dealt with it last. */
  readonly invocation: string | null;
  readonly bytes: number;
  readonly text: string | null;
  readonly base64: string | null;
}

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

/** Outcome of published messages. */
export interface PublishedView {
  readonly id: string | null;
  readonly published: number;
  readonly duplicates: number;
}

export const publishedAnswer: z.ZodMiniType<PublishedView> = z.object({
  id: orNull(plain),
  published: number,
  duplicates: number,
});

export interface QueueMessagePage {
  readonly messages: readonly QueueMessageView[];
  /** Value of `after` for the next page; null: this is the last one. */
  readonly next: number | null;
}

/** How long and how much of a handler's log is kept. */
export interface LogRetentionView {
  /** Days, followed by bytes as they are stored; null: as the server keeps. */
  readonly days: number | null;
  readonly bytes: number | null;
  readonly server: { readonly days: number; readonly bytes: number };
}

export const logRetentionAnswer: z.ZodMiniType<LogRetentionView> = z.object({
  days: orNull(number),
  bytes: orNull(number),
  server: z.object({ days: number, bytes: number }),
});

export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Cursor to continue forward from, also as `after` of a tail. */
  readonly cursor: number;
  /** Cursor to continue backward from; null: no older line is kept. */
  readonly before: number | null;
  /** Whether the search ended at the server's limit, so more lines may follow in its direction. */
  readonly stopped: boolean;
  /** Number of lines between `after` and the first of `lines` that are not kept any more. */
  readonly expired: number;
}

export interface TokenView {
  readonly id: string;
  readonly label: string;
  readonly scope: TokenScope;
  /** Name of the only handler that the Token is valid for; null: all handlers of its user. */
  readonly handler: string | null;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  /** Unix milliseconds; null: it never expires. */
  readonly expiresMs: number | null;
}

/** User and rights of a Token. */
export interface WhoView {
  readonly user: string;
  readonly admin: boolean;
  readonly scope: TokenScope;
  readonly handler: string | null;
}

export interface CollaboratorView {
  readonly user: string;
  readonly role: CollaboratorRole;
  readonly addedMs: number;
}

/** A handler that is offered to another user. */
export interface TransferView {
  readonly handler: string;
  readonly from: string;
  readonly to: string;
  readonly expiresMs: number;
}

/** A user, as administrators see it. A limit of null means the platform's. */
export interface AccountView {
  readonly name: string;
  readonly createdMs: number;
  readonly admin: boolean;
  readonly suspendedMs: number | null;
  readonly secondFactor: boolean;
  readonly handlers: number;
  readonly usedBytes: number;
  readonly handlersMax: number | null;
  readonly quotaBytes: number | null;
  readonly callsMax: number | null;
}

export interface InviteView {
  readonly id: string;
  readonly createdMs: number;
  /** Number of people who may sign up with it, followed by the number who have. */
  readonly usesMax: number;
  readonly uses: number;
  readonly expiresMs: number | null;
  /** Names of the users who signed up with it. */
  readonly usedBy: readonly string[];
}

/** A variable, as far as the server shows it. */
export interface VariableView {
  readonly key: string;
  readonly bytes: number;
  /** Last characters of a long value, to tell two keys apart; '' for short values. */
  readonly tail: string;
  readonly updatedMs: number;
}

export const tokenAnswer: z.ZodMiniType<TokenView> = z.object({
  id: z.string(),
  label: z.string(),
  scope: z.enum(tokenScopes),
  handler: orNull(plain),
  createdMs: z.number(),
  lastUsedMs: z.nullable(z.number()),
  expiresMs: optionalNumber,
});

export const collaboratorAnswer: z.ZodMiniType<CollaboratorView> = z.object({
  user: plain,
  role: z.enum(collaboratorRoles),
  addedMs: number,
});

export const transferAnswer: z.ZodMiniType<TransferView> = z.object({
  handler: plain,
  from: plain,
  to: plain,
  expiresMs: number,
});

export const accountAnswer: z.ZodMiniType<AccountView> = z.object({
  name: plain,
  createdMs: number,
  admin: z.boolean(),
  suspendedMs: optionalNumber,
  secondFactor: z.boolean(),
  handlers: number,
  usedBytes: number,
  handlersMax: optionalNumber,
  quotaBytes: optionalNumber,
  callsMax: optionalNumber,
});

/** An entry of the audit. */
export interface AuditEntryView {
  readonly number: number;
  readonly timeMs: number;
  readonly user: string;
  readonly tokenId: string | null;
  readonly address: string;
  readonly operation: string;
  readonly handler: string | null;
  /** JSON text. */
  readonly detail: string;
  readonly outcome: string;
  readonly hash: string;
}

export const auditEntryAnswer: z.ZodMiniType<AuditEntryView> = z.object({
  number,
  timeMs: number,
  user: text,
  tokenId: orNull(plain),
  address: text,
  operation: plain,
  handler: orNull(text),
  detail: text,
  outcome: plain,
  hash: plain,
});

export const inviteAnswer: z.ZodMiniType<InviteView> = z.object({
  id: z.string(),
  createdMs: z.number(),
  usesMax: number,
  uses: number,
  expiresMs: optionalNumber,
  usedBy: z.array(plain),
});

export const variableAnswer: z.ZodMiniType<VariableView> = z.object({
  key: plain,
  bytes: number,
  tail: text,
  updatedMs: number,
});

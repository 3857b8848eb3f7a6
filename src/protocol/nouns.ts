/** The platform's nouns as plain, serialisable data (docs/nouns.md). */

import type { ErrorCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { HandlerId } from './names.ts';
import { keysOf } from './record-of.ts';

/** Names of the ABIs, as manifests and the API write them. */
export const abiNames = ['cwa', 'wasi', 'dagger', 'land', 'h', 'wasi2', 'wasi3'] as const;
export type AbiName = (typeof abiNames)[number];

export interface User {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
}

/** Scopes of a Token; each scope includes those before it. */
export const tokenScopes = ['read', 'deploy', 'full'] as const;
export type TokenScope = (typeof tokenScopes)[number];

/** Roles of a User on a handler; each role includes those before it. */
export const handlerRoles = ['viewer', 'deployer', 'owner'] as const;
export type HandlerRole = (typeof handlerRoles)[number];

/** Roles that an owner may give to others. */
export const collaboratorRoles = ['viewer', 'deployer'] as const satisfies readonly HandlerRole[];
export type CollaboratorRole = (typeof collaboratorRoles)[number];

/** Lists of a Policy, named as in manifests. A URL that matches patterns of both lists is disallowed. */
export const policyLists = ['allow', 'disallow'] as const;
export type PolicyList = (typeof policyLists)[number];

/**
 * URLs that a Process may open: each list holds regular expressions, matched against the URL as opened. Without a
 * Policy (null), everything that the platform allows is allowed.
 */
export type Policy = Readonly<Record<PolicyList, readonly string[]>>;

/** Settings that a handler's owner changes without a push. They are laid over the manifest. */
export interface HandlerSettings {
  /** Limits that win over the manifest's. */
  readonly limits: Partial<Limits>;
  /** Patterns added to the manifest's. */
  readonly policy: Policy;
  /** Whether branches other than the deploy branch get previews, unless the manifest turns them off. */
  readonly previews: boolean;
}

export type DeploymentState = 'staged' | 'live' | 'retired' | 'failed';

/**
 * Sources of a line. `log`: log_write and log://. `stderr`: standard error. `platform`: deploys and failures.
 * `request`: a call that has ended, or a count of calls.
 */
export const logStreams = ['log', 'stderr', 'platform', 'request'] as const;
export type LogStream = (typeof logStreams)[number];

/**
 * Numbers of CommonWA's log levels; a smaller number is more severe. Other numbers that guests use are kept unchanged.
 */
export const logLevels = { error: 1, warning: 3, info: 6 } as const;
export type LogLevelName = keyof typeof logLevels;
export const logLevelNames = keysOf(logLevels);

/** Text `1 error, 3 warning, 6 info`, for help and API descriptions. */
export const logLevelsText = logLevelNames.map((name) => `${logLevels[name]} ${name}`).join(', ');

/** Returns the number of a level's name, compared exactly; undefined for any other text. */
export function levelByName(text: string): number | undefined {
  return Object.hasOwn(logLevels, text) ? logLevels[text as LogLevelName] : undefined; // asked on this line
}

/** Returns the name of a level's number; undefined for a number without a name. */
export function nameOfLevel(level: number): LogLevelName | undefined {
  return logLevelNames.find((name) => logLevels[name] === level);
}

/** Facts of a line that every station passes on unchanged. */
interface LogText {
  /** Number of the Deployment, 0 for lines that concern none. */
  readonly deployment: number;
  /** Invocation id, '' for the platform's own lines. */
  readonly invocation: string;
  /** Position within the Invocation, from 1. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** Gas the Invocation had used when it wrote the line. */
  readonly gas: number;
  readonly stream: LogStream;
  readonly level: number;
  readonly text: string;
  /** Slug of the preview that wrote the line; absent: no preview. */
  readonly preview?: string;
  /** HTTP status of the call, in a line of the stream `request`; absent: any other line. */
  readonly status?: number;
}

/** Fields of a structured line, by name; a field of a nested object has a name with dots (`user.id`). */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Line on its way to control, before it has a cursor. */
export interface PendingLogLine extends LogText {
  readonly handlerId: HandlerId;
  /** LogFields as JSON; absent: the line has none. Text, because only readers look into it. */
  readonly fields?: string;
}

/** Stored line, as the API returns it. */
export interface LogLine extends LogText {
  readonly handler: string;
  /** Position of the line, growing over all lines of the platform. Readers continue from it. */
  readonly cursor: number;
  /** Absent: the line has none. */
  readonly fields?: LogFields;
}

/** One frame of the log WebSocket. */
export interface LogFrame {
  readonly lines: readonly LogLine[];
  /**
   * Number of lines that the reader does not get since the last frame: dropped by a runner's buffer, or because it
   * reads slowly.
   */
  readonly dropped: number;
  /**
   * Cursor up to which the reader has been given every line that its filter lets through, those in `dropped` excepted.
   * Sent once, when the reader has got all stored lines and is followed by live ones.
   */
  readonly caughtUp?: number;
}

/**
 * Outcome of an Invocation. `running`: it has not ended. `ok`: it ended well. `aborted`: its client or its runner went
 * away. Any other value is the error code that the caller saw.
 */
export type InvocationOutcome = 'running' | 'ok' | 'aborted' | ErrorCode;

/**
 * Outcomes that the caller brings about, whatever the function does: it went away, or sent what is too large, too slow
 * or malformed. They are no failures of a Deployment.
 */
export const outcomesOfCallers: ReadonlySet<InvocationOutcome> = new Set<InvocationOutcome>([
  ...(['aborted', 'body_too_large', 'bad_request', 'request_timeout', 'header_too_large'] as const),
]);

/** Record of an Invocation, as the API returns it. */
export interface InvocationRecord extends InvocationFacts {
  readonly handler: string;
}

/** Record of an Invocation on its way to control. */
export interface PendingInvocationRecord extends InvocationFacts {
  readonly handlerId: HandlerId;
}

interface InvocationFacts {
  readonly id: string;
  readonly deployment: number;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly method: string;
  /** Path with the query, values masked as in the line of the call (`request-lines.ts`). */
  readonly path: string;
  /** HTTP status that was sent; 0 while the Invocation runs, or when none was sent. */
  readonly status: number;
  readonly outcome: InvocationOutcome;
  readonly gas: number;
  readonly memoryPages: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Number of system calls by name, with the milliseconds that the guest waited in them. */
  readonly syscalls: Readonly<Record<string, { readonly count: number; readonly waitMs: number }>>;
  /** Bytes read and written, by scheme. */
  readonly io: Readonly<Record<string, { readonly bytesIn: number; readonly bytesOut: number }>>;
  readonly logLines: number;
  // Absent in records of earlier versions of the platform.
  /** What made it run; absent: a request of a caller. */
  readonly trigger?: InvocationTrigger;
  /** Commit of the Deployment. */
  readonly commit?: string;
  /** Trace id of W3C Trace Context; absent: nobody traces it. */
  readonly traceId?: string;
  /** Why it failed, for the owner; absent: it did not fail. */
  readonly error?: string;
  /** Functions of the guest that were running when it failed, the innermost first. */
  readonly stack?: readonly string[];
}

/** Origins of an Invocation besides requests of callers. */
export const invocationTriggers = ['queue', 'schedule', 'async'] as const;

export interface InvocationTrigger {
  readonly kind: (typeof invocationTriggers)[number];
  /** Name of the queue or schedule, shortened id of the asynchronous call. */
  readonly name: string;
}

/**
 * States of a Message. `ready` waits for a consumer, `inflight` is being delivered, `dead` has failed for good, `done`
 * has been acknowledged.
 */
export const messageStates = ['ready', 'inflight', 'dead', 'done'] as const;
export type MessageState = (typeof messageStates)[number];

/** What becomes of messages, as it is counted: `retried` failed and come again, `dead` have failed for good. */
export const queueEvents = ['published', 'acknowledged', 'retried', 'dead'] as const;
export type QueueEvent = (typeof queueEvents)[number];

/** How a Deployment consumes a Queue: one `[[queue]]` of its manifest. */
export interface QueueSettings {
  readonly name: string;
  /** Deliveries that run at the same time. */
  readonly concurrency: number;
  /** Greatest number of messages in one Invocation. */
  readonly batch: number;
  /** How a batch of more than one message is written to standard input. */
  readonly framing: QueueFraming;
  /** Number of deliveries after which a message becomes a dead letter. */
  readonly maxAttempts: number;
  /** Milliseconds of wall clock that one delivery may take. */
  readonly timeoutMs: number;
  /** Name of the queue that gets the standard output of each successful Invocation; null: none. */
  readonly output: string | null;
}

/**
 * Framings of a batch. `ndjson`: one line of JSON per message. `length`: four bytes of length, big-endian, before each
 * message.
 */
export const queueFramings = ['ndjson', 'length'] as const;
export type QueueFraming = (typeof queueFramings)[number];

/** What a schedule does at a tick while the run of an earlier tick has not ended. */
export const scheduleOverlaps = ['skip', 'allow'] as const;
export type ScheduleOverlap = (typeof scheduleOverlaps)[number];

/**
 * When and how a Deployment is run: one `[[schedule]]` of its manifest. Exactly one of `cron` and `everyMs` is not
 * null.
 */
export interface ScheduleSettings {
  /** Name of the schedule, unique in the Deployment. */
  readonly name: string;
  /** Cron expression of five fields, or six with seconds first; null: `everyMs` is used. */
  readonly cron: string | null;
  /** IANA name of the time zone in which `cron` is read. */
  readonly timezone: string;
  /** Milliseconds between two ticks, counted from the first deployment of the schedule; null: `cron` is used. */
  readonly everyMs: number | null;
  /** Path and query of the request to the function. */
  readonly path: string;
  /** Body of the request, as UTF-8. */
  readonly body: string;
  readonly overlap: ScheduleOverlap;
  /** Number of missed ticks, the newest ones, that are run late. */
  readonly catchUp: number;
  /** Milliseconds of wall clock that one run may take. */
  readonly timeoutMs: number;
}

/**
 * States of a call that the platform makes for itself. `ready` waits, `inflight` is being made, `done` has succeeded,
 * `failed` has failed for good, `skipped` was never made.
 */
export const callStates = ['ready', 'inflight', 'done', 'failed', 'skipped'] as const;
export type CallState = (typeof callStates)[number];

/** Kinds of stored data that count towards a user's quota. */
export const storedKinds = ['repositories', 'artifacts', 'kv', 'queues', 'logs', 'usage'] as const;
export type StoredKind = (typeof storedKinds)[number];
/** Kinds of stored data that belong to one Handler. Queues belong to a User. */
export type HandlerKind = Exclude<StoredKind, 'queues'>;
export const handlerKinds = storedKinds.filter((kind) => kind !== 'queues');

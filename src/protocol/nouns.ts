/** The platform's nouns as plain, serialisable data (docs/nouns.md). */
import type { ErrorCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { HandlerId } from './names.ts';

/** Names of the ABIs, as manifests and the API say them. */
export const abiNames = ['cwa', 'wasi', 'dagger', 'land', 'h', 'wasi2'] as const;
export type AbiName = (typeof abiNames)[number];

export interface User {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
}

/** What a Token may do; each scope includes those before it. */
export const tokenScopes = ['read', 'deploy', 'full'] as const;
export type TokenScope = (typeof tokenScopes)[number];

/** What a User is to a handler; each role includes those before it. */
export const handlerRoles = ['viewer', 'deployer', 'owner'] as const;
export type HandlerRole = (typeof handlerRoles)[number];

/** Roles that an owner may give to others. */
export const collaboratorRoles = ['viewer', 'deployer'] as const satisfies readonly HandlerRole[];
export type CollaboratorRole = (typeof collaboratorRoles)[number];

/** The lists of a Policy, named as in manifests. A URL that matches both is disallowed. */
export const policyLists = ['allow', 'disallow'] as const;
export type PolicyList = (typeof policyLists)[number];

/**
 * What a Process may open: in each list regular expressions on the URL as opened. `null` in place of a
 * Policy allows everything that the platform itself allows.
 */
export type Policy = Readonly<Record<PolicyList, readonly string[]>>;

/** What an owner has set of a handler without a push, laid over the manifest. */
export interface HandlerSettings {
  /** They win over the manifest's. */
  readonly limits: Partial<Limits>;
  /** Patterns beside the manifest's. */
  readonly policy: Policy;
  /** Whether branches other than the deploy branch get previews, unless the manifest turns them off. */
  readonly previews: boolean;
}

/** What the API tells of a handler. */
export interface HandlerView {
  readonly name: string;
  readonly owner: string;
  /** What the asking User is to it. */
  readonly role: HandlerRole;
  /** Where the function answers under its own host name. */
  readonly url: string;
  /** Where it answers too, under a path of the platform's host: for readers without wildcard DNS. */
  readonly pathUrl: string;
  readonly gitUrl: string;
  readonly deployBranch: string | null;
  readonly settings: HandlerSettings;
  readonly state: 'empty' | 'live' | 'failed' | 'deleted';
  /** Number of the live Deployment. */
  readonly version: number | null;
  readonly createdMs: number;
  readonly deployedMs: number | null;
}

/** What the API tells of a preview: what is served of a branch that is not the deploy branch. */
export interface PreviewView {
  readonly branch: string;
  /** What stands for the branch in the label SLUG--NAME and marks log lines. */
  readonly slug: string;
  readonly url: string;
  readonly pathUrl: string;
  /** Number of the live Deployment. */
  readonly version: number;
  readonly commit: string;
  readonly pushedMs: number;
  /** When it was called last, to the minute; null: never. */
  readonly calledMs: number | null;
  /** When it ends unless somebody calls it or pushes to it. */
  readonly endsMs: number;
}

export type DeploymentState = 'staged' | 'live' | 'retired' | 'failed';

export interface DeploymentView {
  readonly number: number;
  readonly state: DeploymentState;
  readonly commit: string;
  readonly ref: string;
  /** Branch of the preview that it belongs to; null: the handler itself. */
  readonly preview: string | null;
  readonly pushedBy: string;
  readonly createdMs: number;
  readonly modulePath: string;
  readonly moduleBytes: number;
  readonly moduleSha256: string;
  readonly abis: readonly AbiName[];
  readonly limits: Limits;
  readonly policy: Policy | null;
  /** Milliseconds the vet child took: reading, metering, compiling. */
  readonly vetMs: number;
  /** Why it failed, if it did. */
  readonly failure: string | null;
}

/** `log`: log_write and log://. `stderr`: standard error. `platform`: deploys and failures. */
export type LogStream = 'log' | 'stderr' | 'platform';

/** CommonWA's numbers of log levels, the severe ones small. A guest may use others; they are kept as they come. */
export const logLevels = { error: 1, warning: 3, info: 6 } as const;
export type LogLevelName = keyof typeof logLevels;
export const logLevelNames = Object.keys(logLevels) as readonly LogLevelName[];

/** `1 error, 3 warning, 6 info`: for help and API descriptions. */
export const logLevelsText = logLevelNames.map((name) => `${logLevels[name]} ${name}`).join(', ');

/** Returns the number of a level's name, compared exactly; undefined for any other text. */
export function levelByName(text: string): number | undefined {
  return Object.hasOwn(logLevels, text) ? logLevels[text as LogLevelName] : undefined;
}

/** Returns the name of a level's number; undefined for a number without a name. */
export function nameOfLevel(level: number): LogLevelName | undefined {
  return logLevelNames.find((name) => logLevels[name] === level);
}

/** What a line says, at every station that it passes. */
interface LogText {
  /** Deployment number, 0 when none is concerned. */
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
  /** Slug of the preview that the line is of; left out where it is of none. */
  readonly preview?: string;
}

/** A line on its way to control, before it has a cursor. */
export interface PendingLogLine extends LogText {
  readonly handlerId: HandlerId;
}

/** A stored line, as the API gives it. */
export interface LogLine extends LogText {
  readonly handler: string;
  /** Grows with every line of the platform; where a reader goes on from. */
  readonly cursor: number;
}

/** A frame of the log WebSocket. */
export interface LogFrame {
  readonly lines: readonly LogLine[];
  /** Lines lost since the last frame: by the runner's buffer or by a slow reader. */
  readonly dropped: number;
}

/** `running`: it has not ended; `ok`; `aborted`: its client or its runner went away; else the code that the caller saw. */
export type InvocationOutcome = 'running' | 'ok' | 'aborted' | ErrorCode;

/** How an Invocation ended: the usage event, as the API gives it. */
export interface InvocationRecord extends InvocationFacts {
  readonly handler: string;
}

/** The same on its way to control. */
export interface PendingInvocationRecord extends InvocationFacts {
  readonly handlerId: HandlerId;
}

interface InvocationFacts {
  readonly id: string;
  readonly deployment: number;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly method: string;
  readonly path: string;
  /** HTTP status sent; 0 while it runs, or where none was. */
  readonly status: number;
  readonly outcome: InvocationOutcome;
  readonly gas: number;
  readonly memoryPages: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Count of system calls by name, with the milliseconds the guest waited in them. */
  readonly syscalls: Readonly<Record<string, { readonly count: number; readonly waitMs: number }>>;
  /** Bytes by scheme. */
  readonly io: Readonly<Record<string, { readonly bytesIn: number; readonly bytesOut: number }>>;
  readonly logLines: number;
}

/** `ready` waits for a consumer, `inflight` is with one, `dead` has failed for good, `done` has been dealt with. */
export const messageStates = ['ready', 'inflight', 'dead', 'done'] as const;
export type MessageState = (typeof messageStates)[number];

/** How a Deployment consumes a Queue: a `[[queue]]` of its manifest. */
export interface QueueSettings {
  readonly name: string;
  /** Deliveries at the same time. */
  readonly concurrency: number;
  /** Messages that one Invocation gets at most. */
  readonly batch: number;
  /** How a batch of more than one is written on standard input. */
  readonly framing: QueueFraming;
  /** Deliveries of a message before it is a dead letter. */
  readonly maxAttempts: number;
  /** Wall clock of one delivery. */
  readonly timeoutMs: number;
  /** Queue that gets the standard output of an Invocation that has acknowledged; null: none. */
  readonly output: string | null;
}

/** `ndjson`: a line of JSON for each message. `length`: four bytes of length, big-endian, before each message. */
export const queueFramings = ['ndjson', 'length'] as const;
export type QueueFraming = (typeof queueFramings)[number];

/** What a schedule does at a tick while a run of an earlier tick has not ended. */
export const scheduleOverlaps = ['skip', 'allow'] as const;
export type ScheduleOverlap = (typeof scheduleOverlaps)[number];

/** When a Deployment is run, and how: a `[[schedule]]` of its manifest. Either `cron` or `everyMs` is given. */
export interface ScheduleSettings {
  /** Unique in the Deployment. */
  readonly name: string;
  /** Five fields, or six with seconds first; null: `everyMs` counts. */
  readonly cron: string | null;
  /** IANA name of the time zone that `cron` is read in. */
  readonly timezone: string;
  /** Milliseconds between two ticks, counted from the moment that the schedule was first deployed. */
  readonly everyMs: number | null;
  /** Path and query that the function is called with. */
  readonly path: string;
  /** Request body, UTF-8. */
  readonly body: string;
  readonly overlap: ScheduleOverlap;
  /** Missed ticks that are run late, the newest ones. */
  readonly catchUp: number;
  /** Wall clock of one run, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * States of a call that the platform makes for itself. `ready` waits, `inflight` is with the function, `done` ended well,
 * `failed` ended badly for good, `skipped` was never made.
 */
export const callStates = ['ready', 'inflight', 'done', 'failed', 'skipped'] as const;
export type CallState = (typeof callStates)[number];

/** What a user stores, by what it is kept for. */
export const storedKinds = ['repositories', 'artifacts', 'kv', 'queues', 'logs', 'usage'] as const;
export type StoredKind = (typeof storedKinds)[number];
/** What is kept for one Handler; queues are a User's own. */
export type HandlerKind = Exclude<StoredKind, 'queues'>;
export const handlerKinds = storedKinds.filter((kind) => kind !== 'queues');

/** What of a user's quota is used. All in bytes. */
export interface QuotaView {
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly byKind: Readonly<Record<StoredKind, number>>;
  /** Handlers that store something, the one with most first. Deleted ones store until they are purged. */
  readonly handlers: readonly { readonly name: string; readonly bytes: number; readonly deleted: boolean }[];
}

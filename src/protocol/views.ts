/**
 * The nouns as the API shows them. Control answers with them, and the schemas of both sides (src/control/api/schemas/,
 * ui-cli/client/views) are checked against them.
 */
import type { Limits } from './limits.ts';
import type { UsageSums } from './messages.ts';
import type {
  AbiName,
  CallState,
  CollaboratorRole,
  DeploymentState,
  HandlerRole,
  HandlerSettings,
  MessageState,
  Policy,
  QueueEvent,
  ScheduleSettings,
  StoredKind,
  TokenScope,
} from './nouns.ts';

/** A user's Token, without what authenticates. */
export interface TokenView {
  readonly id: string;
  readonly label: string;
  readonly scope: TokenScope;
  /** Name of the only handler that the Token is valid for; null: all handlers of its user. */
  readonly handler: string | null;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  /** Unix milliseconds after which the Token is invalid; null: never. */
  readonly expiresMs: number | null;
}

export interface InviteView {
  readonly id: string;
  readonly createdMs: number;
  /** Number of people who may sign up with it, followed by the number who have. */
  readonly usesMax: number;
  readonly uses: number;
  /** Unix milliseconds after which nobody may sign up with it; null: never. */
  readonly expiresMs: number | null;
  /** Names of the users who signed up with it. */
  readonly usedBy: readonly string[];
}

/** A user, as administrators see it. */
export interface AccountView {
  readonly name: string;
  readonly createdMs: number;
  readonly admin: boolean;
  /** Unix milliseconds of the suspension; null: not suspended. */
  readonly suspendedMs: number | null;
  /** Whether log-ins ask for a code of a second factor. */
  readonly secondFactor: boolean;
  /**
   * Number of handlers that the user owns, without deleted ones, followed by the bytes that they store, as last
   * measured.
   */
  readonly handlers: number;
  readonly usedBytes: number;
  /** The user's own limits; null: the platform's limit holds. */
  readonly handlersMax: number | null;
  readonly quotaBytes: number | null;
  readonly callsMax: number | null;
}

/** Usage of a user's quota, in bytes. */
export interface QuotaView {
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly byKind: Readonly<Record<StoredKind, number>>;
  /** Handlers with stored data, the largest first. A deleted handler is listed until it is purged. */
  readonly handlers: readonly { readonly name: string; readonly bytes: number; readonly deleted: boolean }[];
  /** Custom domains of all handlers, proven or not, and how many a user may have. */
  readonly domains: { readonly count: number; readonly max: number };
}

/** An entry of the audit. */
export interface AuditEntry {
  /** Number from 1, without gaps. */
  readonly number: number;
  readonly timeMs: number;
  readonly user: string;
  readonly tokenId: string | null;
  readonly address: string;
  /** Id of the operation in the permission table, or `gitPush`. */
  readonly operation: string;
  readonly handler: string | null;
  /** JSON text. */
  readonly detail: string;
  /** `ok`, or the error code of a failure that may have changed something. */
  readonly outcome: string;
  /** SHA-256 over the entry and the hash of the entry before it. */
  readonly hash: string;
}

/** A handler, as the API shows it. */
export interface HandlerView {
  readonly name: string;
  readonly owner: string;
  /** Role of the asking User on the handler. */
  readonly role: HandlerRole;
  /** URL of the function under its own host name. */
  readonly url: string;
  /** URL of the function under a path of the platform's host, for clients without wildcard DNS. */
  readonly pathUrl: string;
  readonly gitUrl: string;
  readonly deployBranch: string | null;
  readonly settings: HandlerSettings;
  readonly state: 'empty' | 'live' | 'failed' | 'deleted';
  /** Number of the live Deployment. */
  readonly version: number | null;
  readonly createdMs: number;
  readonly deployedMs: number | null;
  /** Names that it had before, newest first: git and callers that use one are sent to its name now. */
  readonly formerNames: readonly FormerName[];
}

/** A name that a handler had before. */
export interface FormerName {
  readonly name: string;
  /** Unix milliseconds until which only the handler's owner can take the name; from then on every user can. */
  readonly keptUntilMs: number;
}

export interface CollaboratorView {
  readonly user: string;
  readonly role: CollaboratorRole;
  readonly addedMs: number;
}

/** Offer of a handler to another user. */
export interface TransferView {
  readonly handler: string;
  readonly from: string;
  readonly to: string;
  readonly offeredMs: number;
  readonly expiresMs: number;
}

/** A variable of a handler, never with its whole value. */
export interface VariableView {
  readonly key: string;
  readonly bytes: number;
  /** The last 4 characters of a value of at least 16, to tell two keys apart; '' for shorter values. */
  readonly tail: string;
  readonly updatedMs: number;
}

/** A preview, as the API shows it: the Release of a branch that is not the deploy branch. */
export interface PreviewView {
  readonly branch: string;
  /** Replaces the branch name in the label SLUG--NAME, and marks log lines. */
  readonly slug: string;
  readonly url: string;
  readonly pathUrl: string;
  /** Number of the live Deployment. */
  readonly version: number;
  readonly commit: string;
  readonly pushedMs: number;
  /** Unix milliseconds of the last call, rounded to the minute; null: never called. */
  readonly calledMs: number | null;
  /** Unix milliseconds at which the preview ends unless it is called or pushed to before. */
  readonly endsMs: number;
}

/** How calls of one version went during a gradual release. */
export interface RolloutFigures {
  readonly invocations: number;
  /** Invocations that failed, as the invocations list counts failures, and not by their caller's doing. */
  readonly failures: number;
  /** Mean wall-clock duration, milliseconds; null without calls. */
  readonly meanMs: number | null;
}

/** What the API tells of a gradual release. */
export interface RolloutView {
  /** Number of the live Deployment. */
  readonly from: number;
  /** Number of the Deployment that gets a share of the calls. */
  readonly to: number;
  readonly percent: number;
  /** Header by whose value callers are told apart; null: by a cookie alone. */
  readonly header: string | null;
  /** Failures of the new version, in percent of its calls, above which the release is aborted. */
  readonly errorPercent: number;
  readonly startedMs: number;
  readonly figures: { readonly from: RolloutFigures; readonly to: RolloutFigures };
}

export interface DeploymentView {
  /** Number of the Deployment, which is unique in its handler. */
  readonly number: number;
  readonly state: DeploymentState;
  readonly commit: string;
  /** Who wrote the commit, as it says itself; null: not known. */
  readonly author: string | null;
  /** First paragraph of the commit's message, cut to `pushLimits.commitWordsMax` code points; null: not known. */
  readonly subject: string | null;
  readonly ref: string;
  /** Branch of the preview that the Deployment belongs to; null: it belongs to the handler itself. */
  readonly preview: string | null;
  readonly pushedBy: string;
  readonly createdMs: number;
  readonly modulePath: string;
  readonly moduleBytes: number;
  readonly moduleSha256: string;
  readonly abis: readonly AbiName[];
  /** Interfaces of the platform that the module imports. */
  readonly interfaces: readonly string[];
  readonly limits: Limits;
  readonly policy: Policy | null;
  /** What it may do that the version that was live at its push may not, one sentence each. */
  readonly newlyAllowed: readonly string[];
  /** Milliseconds that the vet child took to read, meter and compile the module. */
  readonly vetMs: number;
  /** Reason of the failure; null: it has not failed. */
  readonly failure: string | null;
}

/** Figures of a handler's last minutes. */
export interface UsageSummary {
  /** Milliseconds that the figures cover. */
  readonly windowMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  /** Average over the last full minute. */
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  /** Percentile of the newest recorded invocations of the window; null without any. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** Figures of a handler in one minute, which begins at `minuteMs`. */
export interface UsageMinute extends UsageSums {
  readonly minuteMs: number;
}

/** How long and how much of a handler's log is kept. */
export interface LogRetentionView {
  /** Days, followed by bytes as they are stored; null: as the server keeps. */
  readonly days: number | null;
  readonly bytes: number | null;
  readonly server: { readonly days: number; readonly bytes: number };
}

/** A drain: never with what is secret. */
export interface DrainView {
  readonly name: string;
  readonly kind: string;
  /** Where the lines go, without the parts of the URL that may be secret. */
  readonly target: string;
  readonly createdMs: number;
  /** Lines that the receiver has taken. */
  readonly sent: number;
  /** Lines that it never gets: retention removed them first, or it refused them. */
  readonly lost: number;
  readonly sentMs: number | null;
  /** Attempts that have failed since the last success. */
  readonly failures: number;
  /** Why the last attempt failed; null: it did not. */
  readonly error: string | null;
  readonly failedMs: number | null;
  /** Time before which the next attempt does not begin; null: nothing keeps it back. */
  readonly retryMs: number | null;
}

/** A queue with a summary of its messages. */
export interface QueueView {
  readonly name: string;
  readonly isPaused: boolean;
  readonly messages: Readonly<Record<MessageState, number>>;
  /** Bytes of all messages. */
  readonly bytes: number;
  /** Unix milliseconds at which the oldest waiting message was published; null: none waits. */
  readonly oldestMs: number | null;
  /** Messages of the last five minutes, by what became of them. */
  readonly recent: Readonly<Record<QueueEvent, number>>;
  /** Names of the handlers that consume it. */
  readonly consumers: readonly string[];
}

/** A message of a queue; exactly one of `text` and `base64` is null. */
export interface QueueMessageView {
  readonly id: string;
  /** Number that grows with each message of the queue and never starts anew; gaps are usual. */
  readonly position: number;
  readonly state: MessageState;
  readonly contentType: string | null;
  readonly group: string | null;
  /** Number of deliveries that have begun. */
  readonly attempts: number;
  /** Unix milliseconds. */
  readonly publishedMs: number;
  /** Unix milliseconds before which it is not delivered; null: at once. */
  readonly dueMs: number | null;
  /** Unix milliseconds at which it was done, or failed for good; null: not yet. */
  readonly endedMs: number | null;
  /** Reason for the failure of the last delivery; null if none has failed. */
  readonly reason: string | null;
  /** Id of the Invocation that processed the message last; null if none has. */
  readonly invocation: string | null;
  readonly bytes: number;
  readonly text: string | null;
  readonly base64: string | null;
}

export interface QueueMessagePage {
  readonly messages: readonly QueueMessageView[];
  /** Value of `after` for the next page; null: this is the last one. */
  readonly next: number | null;
}

/** Outcome of published messages. */
export interface PublishedView {
  /** Id of the message; null: several were published in one request. */
  readonly id: string | null;
  /** Messages that were stored. */
  readonly published: number;
  /** Messages whose key had been used before, so that they were not published again. */
  readonly duplicates: number;
}

/** An asynchronous request, as its caller sees it. Times are Unix milliseconds. */
export interface CallView {
  /** The beginning of its id: the whole one gives access to the answer. */
  readonly id: string;
  readonly state: CallState;
  readonly attempts: number;
  /** Time before which the next attempt does not begin; null: none waits. */
  readonly dueMs: number | null;
  readonly acceptedMs: number;
  /** Beginning of the last attempt. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly reason: string | null;
  readonly invocation: string | null;
  /** Status of the answer; null without an answer. */
  readonly status: number | null;
}

/** One run of a schedule. */
export interface ScheduleRun {
  /** The tick in Unix milliseconds; null: a user started the run. */
  readonly tickMs: number | null;
  readonly state: CallState;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly invocation: string | null;
}

export interface ScheduleView extends Omit<ScheduleSettings, 'timeoutMs'> {
  readonly isPaused: boolean;
  /** The coming ticks; empty while the schedule is paused. */
  readonly nextMs: readonly number[];
  /** The newest runs, newest first. */
  readonly runs: readonly ScheduleRun[];
}

/** A node of a cluster, as administrators see it. */
export interface NodeLine {
  readonly id: string;
  readonly name: string;
  /**
   * `serving`, `starting`, or `away`: silent, or it never joined. What only a live node says is null or 0 while it is
   * away.
   */
  readonly state: string;
  /** Base URL of the functions on it. */
  readonly url: string | null;
  readonly version: string | null;
  /** Whether it serves the newest versions, as far as the asked control knows them. */
  readonly upToDate: boolean;
  /** Number of the last change of what is released that it has applied. */
  readonly revision: number | null;
  /** Functions and previews that it serves. */
  readonly labels: number;
  /** Labels of the node itself, by name. */
  readonly nodeLabels: Readonly<Record<string, string>>;
  /** Calls in the last second. */
  readonly calls: number;
  /** Invocations in flight. */
  readonly inFlight: number;
  readonly memoryBytes: number;
  readonly runners: number;
  /** Unix milliseconds of its start. */
  readonly sinceMs: number | null;
  /** Unix milliseconds at which it joined; null: it has not. */
  readonly joinedMs: number | null;
}

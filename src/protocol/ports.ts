/**
 * Types of the ports through which the stations of control use each other. Each port names the folder that implements
 * it. src/bin/control.ts passes the implementations, so a station does not import the code of another one.
 */

import type { ServedDomain } from './domains.ts';
import type { GasProfile } from './gas-profile.ts';
import type { LimitName } from './limits.ts';
import type { LogBlock } from './log-block.ts';
import type {
  DeploymentSpec,
  DroppedLines,
  ElsewhereLabel,
  MovedLabel,
  OwnerState,
  RunnerStats,
  UnservedLabel,
} from './messages.ts';
import type { HandlerId } from './names.ts';
import type { LogFrame, LogLine, LogStream, PendingLogLine, Policy } from './nouns.ts';
import type { Rollout } from './rollouts.ts';
import type { RolloutView } from './views.ts';

/** Versions that serve every label. A runner gets this state first when it starts. */
export interface ReleaseState {
  readonly specs: readonly DeploymentSpec[];
  readonly releases: readonly { readonly label: string; readonly specId: string; readonly rollout?: Rollout | null }[];
  /** Labels that exist but serve nothing. */
  readonly known: readonly string[];
  /** Labels that other nodes serve; absent: none. */
  readonly elsewhere?: readonly ElsewhereLabel[];
  /** Labels whose Release cannot be served here; absent: none. */
  readonly unserved?: readonly UnservedLabel[];
  /** Former names of handlers. */
  readonly moved: readonly MovedLabel[];
  /** Custom domains, each with the name of its handler. */
  readonly domains: readonly ServedDomain[];
  /** Users who are suspended or limited. */
  readonly owners: readonly OwnerState[];
}

/** One change of the version that serves a label, or of the state of a User. */
export type ReleaseChange = {
  /** Number of the change; it grows from change to change. */
  readonly revision: number;
} & (
  | {
      readonly kind: 'release';
      readonly label: string;
      readonly spec: DeploymentSpec;
      /** Version that gets a share of the calls; null: no gradual release. */
      readonly rollout: Rollout | null;
    }
  /** The label exists but serves nothing. */
  | { readonly kind: 'announce'; readonly label: string }
  /** The label is served by other nodes; what this one has served with it is over. */
  | ({ readonly kind: 'elsewhere' } & ElsewhereLabel)
  /** What is released for the label cannot be served here. */
  | ({ readonly kind: 'unserved' } & UnservedLabel)
  /** The label is the former name of the handler `to`. */
  | ({ readonly kind: 'redirect' } & MovedLabel)
  /** The label no longer exists. */
  | { readonly kind: 'remove'; readonly label: string }
  /** The custom domain leads to the handler `to` from now on; null: to no handler. */
  | { readonly kind: 'domain'; readonly domain: string; readonly to: string | null }
  /** The state of a User has changed, which concerns all functions of the User. */
  | { readonly kind: 'owner'; readonly owner: OwnerState }
);

/**
 * src/control/deploy: knows which versions serve every label, and tells the stations that serve. A follower that calls
 * `changes` first and `current` afterwards misses no change, and may get a change twice.
 */
export interface ReleaseFeed {
  /**
   * Returns the id of the spec that serves `label`; null if it serves nothing or does not exist. Answers from memory:
   * from the last `current` and the changes since.
   */
  lookup(label: string): string | null;
  /** Returns the ids of all specs that serve `label`: that of `lookup`, and that of a gradual release. */
  serving(label: string): readonly string[];
  /** Returns the state of all labels, with at least all changes made before the call. */
  current(): Promise<ReleaseState>;
  /** Calls `listener` with each change from now on, in the order of revisions. Returns a function that ends this. */
  changes(listener: (change: ReleaseChange) => void): () => void;
  /**
   * Makes `spec` serve the label `spec.label`, and the spec of `rollout` a share of its calls. Nodes must have prepared
   * both. Returns the change's revision.
   */
  release(spec: DeploymentSpec, rollout?: Rollout | null): Promise<number>;
  /** Announces a label that exists but serves nothing. Returns the change's revision. */
  announce(label: string): Promise<number>;
  /**
   * Redirects callers of a label, and of the previews SLUG--LABEL, to the handler's present name `to`. A label stops
   * being redirected when it is released, announced or removed. Returns the change's revision.
   */
  redirect(label: string, to: string): Promise<number>;
  /** Removes a label. Returns the change's revision. */
  remove(label: string): Promise<number>;
  /**
   * Serves the handler named `to` under a custom domain; null: no handler. Returns the change's revision.
   */
  domain(domain: string, to: string | null): Promise<number>;
  /** Applies the state `owner` to the functions of a User. Returns the change's revision. */
  owner(owner: OwnerState): Promise<number>;
}

/** One runner of a Node. */
export interface RunnerView {
  readonly runnerId: string;
  readonly pid: number;
  readonly isServing: boolean;
  /** Last report of the runner; null before its first one. */
  readonly stats: RunnerStats | null;
}

/** One place with runners that serve functions. */
export interface NodeView {
  /** Id of the Node, a new one after each start. */
  readonly id: string;
  /** Base URL of the functions served there, without a slash at the end. */
  readonly url: string;
  /** Revision up to which the changes of the ReleaseFeed have taken effect in all runners of the Node. */
  readonly revision: number;
  /** Whether at least one of its runners serves. */
  readonly isServing: boolean;
  /** Version of its program; absent: that of this process, whose runners it has. */
  readonly version?: string;
  readonly runners: readonly RunnerView[];
}

/** src/control/fleet: runs the places that serve functions. Each Node follows the ReleaseFeed. */
export interface Nodes {
  /** Returns the Nodes that are alive now. */
  list(): readonly NodeView[];
  /**
   * Makes every runner of every Node compile the Artifact of `spec`, but not serve it. Resolves when all have compiled
   * it. Throws `vet_failed` when a runner fails to compile it, and when no runner could try.
   */
  prepare(spec: DeploymentSpec): Promise<void>;
  /**
   * Resolves when the change `revision`, and all changes before it, have taken effect in every living Node, and no
   * runner of an earlier control answers any more. Never rejects; does not wait for a Node that ends meanwhile.
   */
  applied(revision: number): Promise<void>;
  /** Makes every runner free a prepared spec that serves no label. */
  forget(specId: string): void;
  /** Makes the runner that runs this Invocation end it; its caller is answered `cancelled`. */
  cancel(invocation: string): void;
  /**
   * Returns the gas profile of a function's calls of the next `ms` milliseconds, in all runners. Throws `conflict` if
   * it is being profiled already, `overloaded` if too many are, `unavailable` if no node of a cluster answers.
   */
  profile(handlerId: HandlerId, ms: number): Promise<GasProfile>;
}

/** Identifies a batch of log lines, so that a batch that is sent again is stored once. */
export interface LogBatchId {
  /** Id of the sender, unique for ever, at most 200 characters. */
  readonly origin: string;
  /** Number of the batch. It grows from batch to batch of one sender, which sends its batches in that order. */
  readonly number: number;
}

/**
 * Result of appending a batch of log lines. `stored`: the lines are as durable as the database makes them. `known`: the
 * batch was stored before and has not been stored again. `lost`: the lines are not stored. Lost lines of a batch
 * without id have been counted as dropped; for a batch with id the sender sends it again or reports the lines as
 * dropped.
 */
export type LogAppendResult = 'stored' | 'known' | 'lost';

/** src/control/logs: gives log lines their cursors, stores and publishes them. */
export interface LogSink {
  /**
   * Stores the lines in order; never rejects. `dropped`: number of lines lost on the way to control, by handler id;
   * each loss becomes a line of the log itself.
   */
  append(lines: readonly PendingLogLine[], dropped?: DroppedLines, id?: LogBatchId): Promise<LogAppendResult>;
  /** Stores lines as append() does, in the blocks of their sender. A block that no reader could unpack is lost. */
  appendBlocks(blocks: readonly LogBlock[], dropped?: DroppedLines, id?: LogBatchId): Promise<LogAppendResult>;
}

/** Port of a station that only writes log lines of its own. */
export type LogAppender = Pick<LogSink, 'append'>;

/** Conditions that the lines of a reader must meet. */
export interface LogFilter {
  /** Greatest `level` number (logLevels): lines of this severity and of worse ones. */
  readonly level?: number | undefined;
  /** Substring of the text, never a pattern. A-Z match a-z; all other characters compare exactly. */
  readonly grep?: string | undefined;
  readonly invocation?: string | undefined;
  readonly stream?: LogStream | undefined;
  /**
   * Pattern of a linear-time regular expression (RE2 syntax) that the text contains a match of. It must be one that
   * `compileRegex` of src/control/logs accepts.
   */
  readonly regex?: string | undefined;
  /** Conditions on the line's fields (`hasField` of log-fields.ts); all have to fit. */
  readonly fields?: readonly string[] | undefined;
  /** Requests with a status in this range, both ends included: 404 to 404, 500 to 599. Other lines have none. */
  readonly status?: StatusRange | undefined;
  /** Number of the Deployment that wrote the line. */
  readonly deployment?: number | undefined;
  /**
   * Whether lines of the stream `request` are among the lines; false by default, unless `stream` or `status` ask for
   * them.
   */
  readonly requests?: boolean | undefined;
  /** Slug of a preview; '': only lines that belong to no preview; absent: all lines. */
  readonly preview?: string | undefined;
  /** Unix milliseconds: lines written at `sinceMs` or later, and before `untilMs`. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** HTTP statuses from `from` to `to`, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface LogReaderOptions extends LogFilter {
  /** Only lines with a greater cursor, oldest first. */
  readonly after?: number | undefined;
  /** Id of the asking user: searches of one user run one after the other. Absent: the handler's owner is taken. */
  readonly userId?: string | undefined;
  /** Whether a live reader is told when it has got all stored lines (LogFrame.caughtUp); false by default. */
  readonly tellsCaughtUp?: boolean | undefined;
}

/** A question about stored lines. */
export interface LogQuery extends LogReaderOptions {
  /** Only lines with a smaller cursor. */
  readonly before?: number | undefined;
  /** Greatest number of lines, 1 to 1,000. */
  readonly limit?: number | undefined;
}

export interface LogPage {
  /** Lines in ascending order of cursors. */
  readonly lines: readonly LogLine[];
  /** Cursor to continue forward from (or to tail from): `after` of the next question. */
  readonly cursor: number;
  /** Cursor to continue backward from: `before` of the next question; null when no older line is kept. */
  readonly before: number | null;
  /** Whether more lines may follow: forward with `after`, else backward. */
  readonly more: boolean;
  /** Whether the search ended at its limit before the page was full, so more matches may follow in its direction. */
  readonly stopped: boolean;
  /** Number of lines between `after` and the first line of this page that retention has removed. */
  readonly expired: number;
}

/** A reader of live lines. Must be closed. */
export interface LogTailReader {
  /** Returns the next lines, or a count of lines that this reader does not get; null after `close`. */
  next(): Promise<LogFrame | null>;
  close(): void;
}

/** Names a handler in questions to the log. */
export interface LogHandler {
  readonly id: string;
  readonly name: string;
}

/**
 * src/control/logs: returns history and live lines of one handler by cursor, without a gap or a duplicate between both.
 */
export interface LogFeed {
  /** Returns stored lines. Without `after` and `before`: the newest ones. */
  query(handler: LogHandler, query: LogQuery): Promise<LogPage>;
  /**
   * Makes `tail` know all lines that other controls have stored so far: without it their cursors are greater than the
   * newest line's.
   */
  catchUp(): Promise<void>;
  /**
   * Returns a reader of the lines after `after` (absent: from now on) that never ends by itself. A cursor greater than
   * the newest line's counts as now.
   */
  tail(handler: LogHandler, options: LogReaderOptions): LogTailReader;
}

/** src/control/artifacts: stores contents by name; a name stands for the same content for ever. */
export interface Blobs {
  /**
   * Returns the bytes stored under `name`. Throws `not_found` when there are none, `internal` when they are damaged.
   */
  get(name: string): Promise<Uint8Array>;
  /**
   * Stores `bytes` under `name`; durable when it resolves. A content that is already stored stays, unless it is
   * damaged.
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Returns whether `name` is stored, and undamaged as far as can be told without reading the content. */
  has(name: string): Promise<boolean>;
  /** Returns the names of all stored contents. */
  list(): Promise<readonly string[]>;
  /**
   * Removes the content of `name`; does nothing when there is none. The caller makes sure that nothing refers to it.
   */
  remove(name: string): Promise<void>;
}

/** Right to act for `name`, until it expires or another holder takes it. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Outdates the epochs of all earlier holders: writes with a smaller epoch are refused. */
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly expiresMs: number;
}

/** src/control/db: says which control may act for a name. */
export interface Leases {
  /**
   * Takes `name` for `ttlMs` milliseconds if it is free, expired or held by the same holder, with a greater epoch than
   * any before. Returns null when another holder has it. Clocks of controls may differ by less than `ttlMs`.
   */
  take(options: { readonly name: string; readonly holder: string; readonly ttlMs: number }): Promise<Lease | null>;
  /**
   * Extends the lease to `ttlMs` milliseconds from now, with the same epoch. Returns null when another holder has taken
   * it.
   */
  renew(lease: Lease, ttlMs: number): Promise<Lease | null>;
  /**
   * Ends the lease at once; does nothing when another holder has taken it. The epoch is kept, so that the next one is
   * greater.
   */
  release(lease: Lease): Promise<void>;
}

/** src/control/git: says which control holds a repository. Only that control serves its pushes and fetches. */
export interface RepoHome {
  /** Id of this control. */
  readonly self: string;
  /** Claims those repositories that no control holds. Returns the holder of each repository. */
  claim(repositoryIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Returns the control that holds each repository; repositories without a holder are left out. */
  of(repositoryIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Forgets a repository that this control holds and has removed. */
  forget(repositoryId: string): Promise<void>;
}

/** src/control/deploy: changes what handlers serve, for other stations. */
export interface Deployer {
  /**
   * Makes Deployment `number` live again: of the handler itself, or of the preview of `branch`. Throws `not_found`,
   * `conflict`.
   */
  rollback(options: {
    readonly handlerId: HandlerId;
    readonly number: number;
    readonly userId: string;
    readonly branch?: string | undefined;
  }): Promise<void>;
  /**
   * Serves all live Deployments of the handler, previews included, with the current environment variables. With
   * `branch`: that preview only.
   */
  environmentChanged(handlerId: HandlerId, branch?: string): Promise<void>;
  /**
   * Gives Deployment `number` a share of the calls of a handler, or changes that share (`percent`, 1 to 99). Throws
   * `not_found`, `conflict` (nothing is live; the Deployment is live already, never was, or belongs to a preview),
   * `vet_failed`.
   */
  startRollout(options: {
    readonly handlerId: HandlerId;
    readonly number: number;
    readonly percent: number;
    readonly userId: string;
  }): Promise<void>;
  /** Returns the gradual release of a handler with figures of both versions; null without one. */
  rolloutOf(handlerId: HandlerId): Promise<RolloutView | null>;
  /** Gives the new version all calls. Throws `not_found` without a gradual release. */
  finishRollout(options: { readonly handlerId: HandlerId; readonly userId: string }): Promise<void>;
  /** Gives the previous version all calls. Throws `not_found` without a gradual release. */
  abortRollout(options: { readonly handlerId: HandlerId; readonly userId: string }): Promise<void>;
  /**
   * Deploys the pushes of `branch` from now on, and ends the preview of that branch. Throws `bad_request`, `not_found`.
   */
  changeDeployBranch(options: {
    readonly handlerId: HandlerId;
    readonly branch: string;
    readonly userId: string;
  }): Promise<void>;
  /** Removes a preview. `why` is written to the handler's log. Throws `not_found`. */
  previewDeleted(options: {
    readonly handlerId: HandlerId;
    readonly branch: string;
    readonly why: string;
  }): Promise<void>;
  /**
   * Serves the live Deployment again after a change of its limits, policy or owner, which are not part of the
   * Deployment. `what` is written to the handler's log, after `vN`.
   */
  handlerChanged(handlerId: HandlerId, what: string): Promise<void>;
  /**
   * Changes settings that need no push, and serves the live Deployment with them. `limits`: null restores the
   * manifest's value. `policy` replaces the patterns added before. Throws `bad_request` (a pattern), `limit_exceeded`
   * (the module needs more) and `vet_failed`; then nothing has changed.
   */
  changeSettings(options: {
    readonly handlerId: HandlerId;
    readonly limits: Readonly<Partial<Record<LimitName, number | null | undefined>>>;
    readonly policy: Policy | null;
    /** Whether other branches get previews; existing previews stay. */
    readonly previews?: boolean | undefined;
  }): Promise<void>;
  handlerCreated(handlerId: HandlerId): Promise<void>;
  /**
   * Gives a handler another name, and serves it under that name; callers of the name before are redirected. No call is
   * lost. Throws `name_invalid`, `name_taken`, `not_found`, `limit_exceeded`, `vet_failed`; then nothing has changed.
   */
  renameHandler(options: {
    readonly handlerId: HandlerId;
    readonly name: string;
    readonly userId: string;
  }): Promise<void>;
  /** Serves a custom domain as the database has it: under the handler that has proven it, or not at all. */
  domainChanged(domain: string): Promise<void>;
  handlerDeleted(handlerId: HandlerId): Promise<void>;
  handlerRestored(handlerId: HandlerId): Promise<void>;
  /** Removes all data of a deleted handler for good. */
  handlerPurged(handlerId: HandlerId): Promise<void>;
}

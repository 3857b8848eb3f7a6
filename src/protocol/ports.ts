/**
 * Types of what stations of control ask of each other. Each is implemented in the folder named beside it and handed over in
 * src/bin/control.ts, so that no station imports another one's code for it.
 */

import type { LimitName } from './limits.ts';
import type { DeploymentSpec, DroppedLines, OwnerState, RunnerStats } from './messages.ts';
import type { LogFrame, LogLine, LogStream, PendingLogLine, Policy } from './nouns.ts';

/** What every label is served with: a runner that starts is told this first. */
export interface ReleaseState {
  readonly specs: readonly DeploymentSpec[];
  readonly releases: readonly { readonly label: string; readonly specId: string }[];
  /** Labels that exist and serve nothing. */
  readonly known: readonly string[];
  /** Users for whose functions something holds: suspended, or limited. */
  readonly owners: readonly OwnerState[];
}

/** One change of what a label is served with, or of what holds for the functions of a User. */
export type ReleaseChange = {
  /** Grows from change to change. */
  readonly revision: number;
} & (
  | { readonly kind: 'release'; readonly label: string; readonly spec: DeploymentSpec }
  /** The label exists, nothing is deployed. */
  | { readonly kind: 'announce'; readonly label: string }
  /** The label does not exist any more. */
  | { readonly kind: 'remove'; readonly label: string }
  /** What holds for all functions of a User is another. */
  | { readonly kind: 'owner'; readonly owner: OwnerState }
);

/**
 * src/control/deploy: says what every label is served with. Stations that serve follow it; a follower that asks for
 * `changes` first and for `current` then misses nothing, and may hear of a change twice.
 */
export interface ReleaseFeed {
  /**
   * Returns the id of the spec that `label` is served with, null where it serves nothing or does not exist. Answers
   * from memory: what the last `current` has read, and the changes since.
   */
  lookup(label: string): string | null;
  /** Reads what all labels are served with: at least all changes made before the call. */
  current(): Promise<ReleaseState>;
  /** Calls `listener` with each change from now on, in the order of revisions. Returns a function that ends this. */
  changes(listener: (change: ReleaseChange) => void): () => void;
  /** Serves the label `spec.label` with a spec that Nodes have prepared. Returns the change's revision. */
  release(spec: DeploymentSpec): Promise<number>;
  /** Makes a label known that serves nothing. Returns the change's revision. */
  announce(label: string): Promise<number>;
  /** Takes a label out. Returns the change's revision. */
  remove(label: string): Promise<number>;
  /** Lets `owner` hold for the functions of a User. Returns the change's revision. */
  owner(owner: OwnerState): Promise<number>;
}

/** One runner of a Node. */
export interface RunnerView {
  readonly runnerId: string;
  readonly pid: number;
  readonly isServing: boolean;
  /** What the runner last said of itself; null before its first word. */
  readonly stats: RunnerStats | null;
}

/** One place with runners that serve functions. */
export interface NodeView {
  /** Another one after each start. */
  readonly id: string;
  /** Base URL of the functions served there, without a slash at the end. */
  readonly url: string;
  /** The changes of the ReleaseFeed up to this revision have taken effect in all its runners. */
  readonly revision: number;
  /** Whether at least one of its runners serves. */
  readonly isServing: boolean;
  readonly runners: readonly RunnerView[];
}

/** src/control/fleet: where functions are served. Each Node follows the ReleaseFeed. */
export interface Nodes {
  /** Returns the Nodes that live now. */
  list(): readonly NodeView[];
  /**
   * Lets every runner of every Node compile the Artifact of `spec`; serves nothing with it. Resolves when each has.
   * Throws `vet_failed` when a runner cannot, and where no runner could.
   */
  prepare(spec: DeploymentSpec): Promise<void>;
  /**
   * Resolves when the change `revision`, and all before it, have taken effect in every Node that lives, and nothing of
   * an earlier control answers any more. Never rejects: a Node that ends meanwhile is not waited for.
   */
  applied(revision: number): Promise<void>;
  /** Lets every runner free a prepared spec that no label is served with any more. */
  forget(specId: string): void;
}

/** Names a batch of log lines, so that one that is sent again is stored once. */
export interface LogBatchId {
  /** The sender: unique for ever, at most 200 characters. */
  readonly origin: string;
  /** Grows from batch to batch of one sender; batches are sent in that order. */
  readonly number: number;
}

/**
 * What became of a batch of log lines. `stored`: durable as far as the database promises it. `known`: stored before,
 * and not again. `lost`: not stored; its lines have been counted as dropped where the batch had no id, and are the
 * sender's to send again or to report as dropped where it had one.
 */
export type LogAppendResult = 'stored' | 'known' | 'lost';

/** src/control/logs: takes log lines, gives them cursors, stores and publishes them. */
export interface LogSink {
  /**
   * Stores the lines in their order; never rejects. `dropped`: lines lost on the way here, by handler id; each loss
   * becomes a line in the log itself.
   */
  append(lines: readonly PendingLogLine[], dropped?: DroppedLines, id?: LogBatchId): Promise<LogAppendResult>;
}

/** The same for a station that only writes lines of its own. */
export type LogAppender = Pick<LogSink, 'append'>;

/** Which lines a reader wants. */
export interface LogFilter {
  /** Lines at this severity or worse: `level` <= this (logLevels). */
  readonly level?: number | undefined;
  /** A plain substring, never a pattern. The letters A-Z count as a-z, all else compares exactly. */
  readonly grep?: string | undefined;
  readonly invocation?: string | undefined;
  readonly stream?: LogStream | undefined;
  /** Slug of a preview; '' wants lines of no preview. */
  readonly preview?: string | undefined;
  /** Written at this time or later, and before `untilMs`. Unix milliseconds. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

export interface LogReaderOptions extends LogFilter {
  /** Lines above this cursor, oldest first. */
  readonly after?: number | undefined;
  /** Who asks: one user's searches follow each other. Without it the handler stands for its owner. */
  readonly userId?: string | undefined;
}

/** A question about lines that are stored. */
export interface LogQuery extends LogReaderOptions {
  /** Lines below this cursor. */
  readonly before?: number | undefined;
  /** Lines at most; 1 to 1,000. */
  readonly limit?: number | undefined;
}

export interface LogPage {
  /** Ascending by cursor. */
  readonly lines: readonly LogLine[];
  /** Go on forward (or tail) from here: `after` of the next question. */
  readonly cursor: number;
  /** Go on backward from here: `before` of the next question; null when nothing older is kept. */
  readonly before: number | null;
  /** Whether the way `after` pointed at, or backward without it, may have more lines. */
  readonly more: boolean;
  /** A search ended at its limit before the answer was full: there may be more matches the way it looked. */
  readonly stopped: boolean;
  /** Lines that retention has removed between `after` and the first line of this answer. */
  readonly expired: number;
}

/** A reader of live lines. Must be closed. */
export interface LogTailReader {
  /** Returns the next lines, or a count of lines that this reader does not get; null after `close`. */
  next(): Promise<LogFrame | null>;
  close(): void;
}

/** A handler as the log names it. */
export interface LogHandler {
  readonly id: string;
  readonly name: string;
}

/** src/control/logs: history and live lines of one handler, by cursor, without a gap or a duplicate between them. */
export interface LogFeed {
  /** Answers from what is stored. Without `after` and `before`: the newest lines. */
  query(handler: LogHandler, query: LogQuery): Promise<LogPage>;
  /** Goes on from `after` (without it: from now) and never ends by itself. A cursor from the future counts as now. */
  tail(handler: LogHandler, options: LogReaderOptions): LogTailReader;
}

/** src/control/artifacts: content by name; a name stands for one content for ever. */
export interface Blobs {
  /** Throws `not_found` where there is none, `internal` where the bytes are not what was put. */
  get(name: string): Promise<Uint8Array>;
  /**
   * Stores `bytes` under `name`; durable when it resolves. Content that is there already is left alone, unless it is
   * damaged.
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Returns whether it is there, and unharmed as far as that is known without reading it. */
  has(name: string): Promise<boolean>;
  /** Returns the names of all that are there. */
  list(): Promise<readonly string[]>;
  /** Removes it; does nothing where there is none. The caller makes sure that nothing refers to it. */
  remove(name: string): Promise<void>;
}

/** The right to act for `name`, until it ends or is taken. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Outdates every earlier holder: what is written with a smaller epoch is refused. */
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly expiresMs: number;
}

/** src/control/db: who may act for something, over all controls. */
export interface Leases {
  /**
   * Takes `name` for `ttlMs` if it is free, expired or held by the same holder, with a greater epoch than any before.
   * Returns null where another holds it. Clocks of controls may differ by less than `ttlMs`.
   */
  take(options: { readonly name: string; readonly holder: string; readonly ttlMs: number }): Promise<Lease | null>;
  /** Holds it for `ttlMs` from now, with the same epoch; null where it has been taken since. */
  renew(lease: Lease, ttlMs: number): Promise<Lease | null>;
  /** Gives it back at once; does nothing where it has been taken since. The epoch stays known. */
  release(lease: Lease): Promise<void>;
}

/** src/control/git: which control holds a repository. Only that one serves pushes and fetches of it. */
export interface RepoHome {
  /** This control. */
  readonly self: string;
  /** Claims those of the repositories that nobody holds; returns the control that holds each of them now. */
  claim(repositoryIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Returns the control that holds each of the repositories; one that nobody holds is left out. */
  of(repositoryIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Forgets a repository that this control holds and has removed. */
  forget(repositoryId: string): Promise<void>;
}

/** src/control/deploy, as the API uses it. */
export interface Deployer {
  /**
   * Makes Deployment `number` live again: of the handler itself, or with `branch` of that branch's preview. Throws
   * `not_found`, `conflict`.
   */
  rollback(options: {
    readonly handlerId: string;
    readonly number: number;
    readonly userId: string;
    readonly branch?: string | undefined;
  }): Promise<void>;
  /**
   * Serves what is live, previews included, with environment variables as they are now; with `branch` its preview alone.
   */
  environmentChanged(handlerId: string, branch?: string): Promise<void>;
  /** Removes a preview; `why` goes into the handler's log. Throws `not_found`. */
  previewDeleted(options: { readonly handlerId: string; readonly branch: string; readonly why: string }): Promise<void>;
  /**
   * Something that is not part of the Deployment changed (limits, policy, owner): serve the live Deployment with what
   * holds now. `what` goes into the handler's log, after `vN`.
   */
  handlerChanged(handlerId: string, what: string): Promise<void>;
  /**
   * Changes what holds without a push, and serves the live Deployment with it. `limits`: null gives a limit back to the
   * manifest. `policy` replaces the patterns added before. Throws `bad_request` (a pattern), `limit_exceeded` (the
   * module needs more), `vet_failed`; nothing has changed then.
   */
  changeSettings(options: {
    readonly handlerId: string;
    readonly limits: Readonly<Partial<Record<LimitName, number | null | undefined>>>;
    readonly policy: Policy | null;
    /** Whether other branches get previews; those that exist stay. */
    readonly previews?: boolean | undefined;
  }): Promise<void>;
  handlerCreated(handlerId: string): Promise<void>;
  handlerDeleted(handlerId: string): Promise<void>;
  handlerRestored(handlerId: string): Promise<void>;
  /** Removes everything of a deleted handler for good. */
  handlerPurged(handlerId: string): Promise<void>;
}

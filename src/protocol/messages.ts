/**
 * Messages between control and a runner: plain serialisable data (bytes as Uint8Array). They travel over the child
 * process's IPC channel, by structured clone.
 */
import type { CallRequest } from './call-request.ts';
import type { CallFigures, Distribution } from './distributions.ts';
import type { ErrorCode } from './errors.ts';
import type { GasProfile } from './gas-profile.ts';
import type { LimitName, Limits } from './limits.ts';
import type { LogBlock } from './log-block.ts';
import type { VettedModule } from './module.ts';
import type { HandlerId, HandlerName } from './names.ts';
import type { PendingInvocationRecord, Policy } from './nouns.ts';
import type { Elsewhere, NodePlacement } from './placement.ts';
import type { RequestLineSettings } from './request-lines.ts';
import type { Rollout } from './rollouts.ts';
import type { Span, TraceSampling } from './spans.ts';

/** A read-only file of the pushed tree, below the manifest's `files.root`. */
export interface TreeFile {
  /** Path relative to `files.root`, `/`-separated, without empty, `.` and `..` segments. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Identity of a preview, as runners use it. */
export interface PreviewName {
  /** Names the preview's kv namespace. An id is never given twice. */
  readonly id: string;
  /** Replaces the branch name in the label SLUG--NAME, and marks the preview's log lines. */
  readonly slug: string;
}

/** Everything a runner must know to serve a Deployment. */
export interface DeploymentSpec {
  /**
   * Names exactly this spec: the Deployment's id, a dot, and a hash of everything that may change without a new
   * Deployment (name, owner, variables, limits, policy). So a runner can hold a Deployment with old and new values side
   * by side.
   */
  readonly specId: string;
  readonly handlerId: HandlerId;
  /** Id of the User whose share of a runner's code memory this Deployment counts in. */
  readonly ownerId: string;
  readonly handler: HandlerName;
  /** Label that the Deployment is served under: the handler's name, or SLUG--NAME of a preview. */
  readonly label: string;
  /** Preview that the Deployment belongs to; null: it belongs to the handler itself. */
  readonly preview: PreviewName | null;
  /** Number of the Deployment, which is unique in its handler. */
  readonly number: number;
  readonly commit: string;
  /** Name of the Artifact, whose bytes the runner asks for. */
  readonly artifact: string;
  readonly module: VettedModule;
  readonly limits: Limits;
  /** Those of `limits` that were set by command, and win over the manifest's; absent: none. */
  readonly limitsSet?: readonly LimitName[];
  /** True where the manifest asks for memories without a reserve (docs/limits.md). */
  readonly exactMemory: boolean;
  readonly policy: Policy | null;
  /** The manifest's and the handler's variables, merged. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly TreeFile[];
  /** Name of the blob that holds `files`; absent: there are no files. */
  readonly bundle?: string;
  /** True where the manifest asks for the caller's Authorization header. */
  readonly passAuthorization: boolean;
  /** Log lines for calls; absent: the manifest says nothing of them. */
  readonly requestLines?: RequestLineSettings;
  /** Which nodes of a cluster hold it; absent: all. */
  readonly placement?: NodePlacement;
}

/** Settings that control sends to a runner process before any other message. */
export interface RunnerConfig {
  /** Id of the data folder; a new control recognises runners of an earlier control by it. */
  readonly platformId: string;
  /** Key by which control and runners of one platform recognise each other (runner-probe.ts). */
  readonly probeKey: string;
  readonly runnerId: string;
  readonly host: string;
  /** Port that the runner listens on. 0: the first runner picks a free port and tells control. */
  readonly port: number;
  readonly domain: string;
  /** Public base URL of functions, e.g. http://localhost:3003 */
  readonly runUrl: string;
  /** Loopback URL of control, which an orphaned runner asks whether it has been replaced. */
  readonly controlUrl: string;
  /** Id drawn at each start of control. An orphaned runner asks whether a control with another id is ready. */
  readonly controlBootId: string;
  readonly egressAllow: readonly string[];
  /** Proxies whose forwarding fields are believed, in the syntax of TrustedProxies.parse. */
  readonly trustedProxies: string;
  /** Whether answers get the field `trisiel-stale` when the process that feeds this runner has ended. */
  readonly marksStale: boolean;
  /** Ports of the platform itself, which guests never reach. */
  readonly ownPorts: readonly number[];
  /** Bytes of pooled guest memory that this runner may hold. */
  readonly poolBytes: number;
  /** Which Invocations are traced; null: none, because nobody receives traces. */
  readonly traces: TraceSampling | null;
}

export type ToRunner =
  | { readonly kind: 'config'; readonly config: RunnerConfig }
  /**
   * Tells the runner to load this spec, to answer `prepared`, and to serve nothing with it yet. `isLazy`: the code is
   * compiled later, when the function is called or while there is room; so a runner that starts can serve as soon as it
   * knows the routes.
   */
  | { readonly kind: 'prepare'; readonly spec: DeploymentSpec; readonly isLazy: boolean }
  /** Tells the runner to serve `label` (handler name or SLUG--NAME) with this prepared spec from now on. */
  | {
      readonly kind: 'release';
      readonly label: string;
      readonly specId: string;
      /** A prepared spec that gets a share of the calls; null: none does. */
      readonly rollout: Rollout | null;
    }
  /** Tells that `label` exists with nothing deployed: calls are answered `not_deployed`. */
  | { readonly kind: 'announce'; readonly label: string }
  /** Tells that other nodes serve `label`: calls are answered `misdirected`, or `unavailable` when no node does. */
  | ({ readonly kind: 'elsewhere' } & ElsewhereLabel)
  /** Tells that this node cannot serve what is released for `label`: calls are answered `unavailable`. */
  | ({ readonly kind: 'unserved' } & UnservedLabel)
  /** Tells that callers of a former name are sent to the handler's present one. */
  | ({ readonly kind: 'redirect' } & MovedLabel)
  /** Tells that a custom domain leads to the handler `to`; null: to no handler. */
  | { readonly kind: 'domain'; readonly domain: string; readonly to: string | null }
  /** Tells that `label` no longer exists: calls are answered `handler_not_found`. */
  | { readonly kind: 'remove'; readonly label: string }
  /** Tells the runner to free a prepared spec when the spec's last invocation has ended. */
  | { readonly kind: 'forget'; readonly specId: string }
  /** Tells that this spec has ended runners repeatedly: its calls are answered 503 and it is not run any more. */
  | { readonly kind: 'quarantine'; readonly specId: string; readonly reason: string }
  /** Tells that all current Releases have been sent: the runner opens its port. */
  | { readonly kind: 'serve' }
  /** Tells what holds for every function of a User from now on. */
  | { readonly kind: 'owner'; readonly owner: OwnerState }
  /** Tells the runner to end an Invocation, if it runs there. */
  | { readonly kind: 'cancel'; readonly invocation: string }
  /** Asks for a gas profile of the function's calls of the next `ms` milliseconds, which comes as `profiled`. */
  | { readonly kind: 'profile'; readonly id: number; readonly handlerId: HandlerId; readonly ms: number }
  /** Tells whether what is served may be old, because the node cannot reach any control. */
  | { readonly kind: 'stale'; readonly isStale: boolean }
  /** Asks for a `pong` with the same number. */
  | { readonly kind: 'ping'; readonly n: number }
  /**
   * Carries bytes of the Artifact that the `request` with this id asked for. A `reply` without a value follows the last
   * part.
   */
  | { readonly kind: 'part'; readonly id: number; readonly part: ArtifactPart }
  /** Answers the `request` with the same id. */
  | { readonly kind: 'reply'; readonly id: number; readonly ok: true; readonly value: Uint8Array | null }
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly ok: false;
      /** Code of a PlatformError; `internal` for any other error. */
      readonly code: ErrorCode;
      readonly message: string;
    }
  /**
   * Tells that control has processed the `logs` or `usage` message of this number. `isLost`: control could not store
   * the log lines.
   */
  | { readonly kind: 'received'; readonly number: number; readonly isLost: boolean }
  /** Tells that control ends: the runner serves until runners of the next control serve, for at most `lifetimeMs`. */
  | { readonly kind: 'leave'; readonly lifetimeMs: number }
  /** Tells the runner to finish in-flight work and to exit with status 0. */
  | { readonly kind: 'drain' };

export type FromRunner =
  | { readonly kind: 'booted' }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'prepared'; readonly specId: string; readonly error: string | null }
  /** Tells that the code of a lazily prepared spec cannot be loaded: its calls are answered 503 from now on. */
  | { readonly kind: 'unloadable'; readonly specId: string; readonly reason: string }
  /** Carries log lines. `number` comes back in `received`. */
  | {
      readonly kind: 'logs';
      readonly number: number;
      /** Grows from batch to batch of one runner. A batch that is sent again keeps its number. */
      readonly batch: number;
      /** Lines, packed by handler. */
      readonly blocks: readonly LogBlock[];
      /** Lines that the runner dropped since the last batch, by handler id. */
      readonly dropped: DroppedLines;
    }
  /** Carries records and counters. `number` comes back in `received`. */
  | {
      readonly kind: 'usage';
      readonly number: number;
      readonly records: readonly PendingInvocationRecord[];
      readonly counts: readonly UsageCount[];
      readonly running: RunningChange;
    }
  /** Answers the `ping` of the number `n`. */
  | { readonly kind: 'pong'; readonly n: number; readonly stats: RunnerStats }
  /** Carries spans of traces. `dropped`: number of spans that were lost since the last message. */
  | { readonly kind: 'spans'; readonly spans: readonly Span[]; readonly dropped: number }
  /** Answers the `profile` with the same id. */
  | { readonly kind: 'profiled'; readonly id: number; readonly profile: GasProfile }
  /** Asks control for something that only control can do (kv, queue, asynchronous calls, Artifacts). */
  | { readonly kind: 'request'; readonly id: number; readonly request: RunnerRequest };

/** Bytes from `offset` of an Artifact that has `totalBytes`. */
export interface ArtifactPart {
  readonly offset: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** A label that this node does not hold. */
export interface ElsewhereLabel extends Elsewhere {
  readonly label: string;
}

/** A label whose Release cannot be served here. */
export interface UnservedLabel {
  readonly label: string;
  /** Words for callers, after a colon. */
  readonly reason: string;
}

/**
 * Former name of a handler: requests for `label`, and for its previews SLUG--LABEL, are redirected to the name `to`.
 */
export interface MovedLabel {
  readonly label: string;
  readonly to: string;
}

/** What a runner must know about a User whose functions it serves. */
export interface OwnerState {
  readonly ownerId: string;
  /** True: every call of the User's functions is answered 503 `suspended`. */
  readonly isSuspended: boolean;
  /** Greatest number of the User's invocations in flight, in all runners together; null: no limit of the User's own. */
  readonly callsMax: number | null;
}

/**
 * Change in the list of invocations that have been running for long: new entries, and ids of listed ones that have
 * ended.
 */
export interface RunningChange {
  /** Records with the outcome `running`. */
  readonly started: readonly PendingInvocationRecord[];
  readonly ended: readonly string[];
}

/** Number of lost log lines, by handler id. */
export type DroppedLines = Readonly<Record<HandlerId, number>>;

/** Sums over Invocations that have ended. */
export interface UsageSums {
  readonly invocations: number;
  /** Invocations that failed by what the function or the platform did: no `ok`, none of `outcomesOfCallers`. */
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Exact counters of one handler since the last message. Records of invocations may be sampled, counters are not. */
export interface UsageCount extends UsageSums {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  /**
   * Invocations in flight in the runner when it sends this message. A runner sends 0 only after a while in which no
   * invocation began or ended, and then sends another count before the next invocation begins.
   */
  readonly inFlight: number;
  /**
   * Of the failures, calls that the platform refused for a reason outside of the Deployment. Absent: none, or from a
   * runner of an earlier version of the platform.
   */
  readonly refusals?: number;
  /** Absent where no invocation has ended, and from runners of an earlier version of the platform. */
  readonly figures?: CallFigures;
}

/**
 * What a runner answers to a ping: numbers of invocations in flight and of suspended ones among them, bytes, and
 * counters.
 */
export interface RunnerStats {
  readonly inFlight: number;
  readonly suspended: number;
  readonly rssBytes: number;
  readonly poolBytes: number;
  readonly deployments: number;
  /** Longest stall of the event loop since the last pong, in milliseconds. */
  readonly stallMs: number;
  /** Bytes of machine code that it holds. */
  readonly codeBytes: number;
  readonly counters: RunnerCounts;
}

/** What a runner has counted since its start, over all functions. */
export interface RunnerCounts {
  /** Calls that found a spare instance, and calls for which one was made. */
  readonly poolHits: number;
  readonly poolMisses: number;
  /** Requests that were refused without being anybody's call: of no handler, or malformed. */
  readonly strayRequests: number;
  /** Records of Invocations that were dropped because too many waited for control. */
  readonly recordsDropped: number;
  /** Seconds that requests waited for code to be loaded, by bucket of `coldSeconds`. */
  readonly coldStarts: Distribution;
  /** Seconds that the event loop was late for a timer, by bucket of `lagSeconds`. */
  readonly loopLag: Distribution;
}

/** Requests of a runner to control: for a guest, for a caller, or for bytes of an Artifact whose code is not loaded. */
export type RunnerRequest = BusRequest | CallBusRequest | { readonly op: 'artifact.get'; readonly name: string };

/** Owner of the kv values that a guest sees: a handler, or one of its previews (PreviewName.id; null: no preview). */
interface KvNamespace {
  readonly handlerId: HandlerId;
  readonly preview: string | null;
}

/** Requests of guests to control. kv values are bytes, durable, per handler or preview, and replaced atomically. */
export type BusRequest =
  | (KvNamespace & { readonly op: 'kv.get'; readonly bucket: string; readonly key: string })
  | (KvNamespace & {
      readonly op: 'kv.put';
      readonly bucket: string;
      readonly key: string;
      readonly value: Uint8Array;
    })
  /** Replaces a value that equals `expected`. The answer is one byte: 1 when it was replaced, else 0. */
  | (KvNamespace & {
      readonly op: 'kv.replace';
      readonly bucket: string;
      readonly key: string;
      readonly value: Uint8Array;
      /** Value to compare with; null: the key must have no value. */
      readonly expected: Uint8Array | null;
    })
  | (KvNamespace & { readonly op: 'kv.delete'; readonly bucket: string; readonly key: string })
  /** Lists the keys after `after`. The answer is a JSON array. */
  | (KvNamespace & { readonly op: 'kv.keys'; readonly bucket: string; readonly after: string })
  | {
      readonly op: 'queue.publish';
      readonly handlerId: HandlerId;
      readonly queue: string;
      readonly message: Uint8Array;
    };

/** Requests of runners to control for asynchronous requests of a handler's callers. */
export type CallBusRequest =
  /** Stores a call. The answer comes when the call is durable. */
  | {
      readonly op: 'call.accept';
      readonly handlerId: HandlerId;
      readonly id: string;
      readonly request: CallRequest;
      readonly body: Uint8Array;
      readonly attemptsMax: number;
    }
  /** Asks for the state of a call. The answer is JSON. */
  | { readonly op: 'call.show'; readonly handlerId: HandlerId; readonly id: string }
  /** Asks for the answer of a call. The answer is status and fields as JSON, a line end, then the body. */
  | { readonly op: 'call.answer'; readonly handlerId: HandlerId; readonly id: string };

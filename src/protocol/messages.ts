/**
 * Messages between control and a runner: plain serialisable data (bytes as Uint8Array). Today
 * they travel over the child process's IPC channel with structured clone.
 */
import type { CallRequest } from './call-request.ts';
import type { ErrorCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { VettedModule } from './module.ts';
import type { HandlerId, HandlerName } from './names.ts';
import type { PendingInvocationRecord, PendingLogLine, Policy } from './nouns.ts';

/** A read-only file of the pushed tree, below the manifest's `files.root`. */
export interface TreeFile {
  /** Relative, `/`-separated, no empty, `.` or `..` segment. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A preview as runners know it. */
export interface PreviewName {
  /** Names its kv namespace; never given twice. */
  readonly id: string;
  /** What stands for the branch in the label and marks log lines. */
  readonly slug: string;
}

/** Everything a runner must know to serve a Deployment. */
export interface DeploymentSpec {
  /**
   * Names exactly this spec: the Deployment's id, a dot, and a hash of what may change without a new Deployment
   * (variables, limits, policy). So a runner can hold a Deployment with old and new values side by side.
   */
  readonly specId: string;
  readonly handlerId: HandlerId;
  /** The User whose share of a runner's code it counts in. */
  readonly ownerId: string;
  readonly handler: HandlerName;
  /** What it is served under: the handler's name, or SLUG--NAME of a preview. */
  readonly label: string;
  /** The preview that it belongs to; null: the handler itself. */
  readonly preview: PreviewName | null;
  readonly number: number;
  readonly commit: string;
  /** Artifact name; its bytes were sent before. */
  readonly artifact: string;
  readonly module: VettedModule;
  readonly limits: Limits;
  /** True where the manifest asks for memories without a reserve (docs/limits.md). */
  readonly exactMemory: boolean;
  readonly policy: Policy | null;
  /** The manifest's and the handler's variables, merged. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly TreeFile[];
  /** True where the manifest asks for the caller's Authorization header. */
  readonly passAuthorization: boolean;
}

/** What a runner process is told before anything else. */
export interface RunnerConfig {
  /** Id of the data folder, so that a new control knows its orphans. */
  readonly platformId: string;
  /** Key by which the platform's own recognise each other: see runner-probe.ts. */
  readonly probeKey: string;
  readonly runnerId: string;
  readonly host: string;
  /** 0: any; the first runner picks and tells. */
  readonly port: number;
  readonly domain: string;
  /** Public base URL of functions, e.g. http://localhost:3003 */
  readonly runUrl: string;
  /** Loopback URL of control, which an orphaned runner asks whether it has been replaced. */
  readonly controlUrl: string;
  /** Drawn anew at each start of control: an orphan asks whether a later one is ready. */
  readonly controlBootId: string;
  readonly egressAllow: readonly string[];
  /** Proxies whose forwarding fields are believed, as TrustedProxies.parse reads them. */
  readonly trustedProxies: string;
  /** Ports of the platform itself, which guests never reach. */
  readonly ownPorts: readonly number[];
  /** Bytes of pooled guest memory this runner may hold. */
  readonly poolBytes: number;
}

export type ToRunner =
  | { readonly kind: 'config'; readonly config: RunnerConfig }
  /** Bytes of an Artifact; compiled on arrival of a `prepare`. */
  | { readonly kind: 'artifact'; readonly name: string; readonly bytes: Uint8Array }
  /**
   * Get ready for this spec, answer `prepared`, serve nothing yet. `isLazy`: without its code, which is compiled when it
   * is called, or before where there is room; so a runner that starts serves as soon as it knows the routes.
   */
  | { readonly kind: 'prepare'; readonly spec: DeploymentSpec; readonly isLazy: boolean }
  /** Serve `label` (handler name or branch--handler) with this prepared spec from now on. */
  | { readonly kind: 'release'; readonly label: string; readonly specId: string }
  /** `label` exists and has nothing deployed: calls are answered `not_deployed`. */
  | { readonly kind: 'announce'; readonly label: string }
  /** `label` no longer exists: calls are answered `handler_not_found`. */
  | { readonly kind: 'remove'; readonly label: string }
  /** A prepared spec is not wanted any more; free it when its last invocation has ended. */
  | { readonly kind: 'forget'; readonly specId: string }
  /** This spec has ended runners again and again: answer its calls with 503, run it no more. */
  | { readonly kind: 'quarantine'; readonly specId: string; readonly reason: string }
  /** All Releases that exist now have been sent: open the port. */
  | { readonly kind: 'serve' }
  /** What holds for every function of a User from now on. */
  | { readonly kind: 'owner'; readonly owner: OwnerState }
  | { readonly kind: 'ping'; readonly n: number }
  /** Answer to a `request`. */
  | { readonly kind: 'reply'; readonly id: number; readonly ok: true; readonly value: Uint8Array | null }
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly ok: false;
      /** Of a PlatformError; `internal` for any other error. */
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** Control has dealt with the `logs` or `usage` of this number. `isLost`: log lines that it could not store. */
  | { readonly kind: 'received'; readonly number: number; readonly isLost: boolean }
  /** Control ends: serve on until the next control's runners serve, for at most `lifetimeMs`. */
  | { readonly kind: 'leave'; readonly lifetimeMs: number }
  /** Finish in-flight work, then exit 0. */
  | { readonly kind: 'drain' };

export type FromRunner =
  | { readonly kind: 'booted' }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'prepared'; readonly specId: string; readonly error: string | null }
  /** The code of a lazily prepared spec cannot be had: calls are answered 503 from now on. */
  | { readonly kind: 'unloadable'; readonly specId: string; readonly reason: string }
  /** `number`: see `received`. */
  | {
      readonly kind: 'logs';
      readonly number: number;
      /** Grows from batch to batch of one runner; a batch that is sent again has the number that it had. */
      readonly batch: number;
      readonly lines: readonly PendingLogLine[];
      /** Lines lost on the way here, by handler id. */
      readonly dropped: DroppedLines;
    }
  | {
      readonly kind: 'usage';
      readonly number: number;
      readonly records: readonly PendingInvocationRecord[];
      readonly counts: readonly UsageCount[];
      readonly running: RunningChange;
    }
  | { readonly kind: 'pong'; readonly n: number; readonly stats: RunnerStats }
  /** A call of the kernel that control serves (kv, queue). */
  | { readonly kind: 'request'; readonly id: number; readonly request: RunnerRequest };

/** What a runner must know of a User whose functions it serves. */
export interface OwnerState {
  readonly ownerId: string;
  /** True: every call of the User's functions is answered 503 `suspended`. */
  readonly isSuspended: boolean;
  /** Invocations of the User's functions that may be in flight in all runners together; null: no limit of the User. */
  readonly callsMax: number | null;
}

/** Invocations that run for long: those listed from now on, and the ids of listed ones that have ended. */
export interface RunningChange {
  /** Their outcome is `running`. */
  readonly started: readonly PendingInvocationRecord[];
  readonly ended: readonly string[];
}

/** Log lines lost, by handler id. */
export type DroppedLines = Readonly<Record<HandlerId, number>>;

/** What is added up over Invocations that have ended. */
export interface UsageSums {
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Exact counters of a handler since the last message; records may be sampled, these never. */
export interface UsageCount extends UsageSums {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  /**
   * Invocations in flight in the runner at the moment of sending. A runner sends 0 only when none has begun or
   * ended for a while, and sends a count of no invocations before the next one begins.
   */
  readonly inFlight: number;
}

export interface RunnerStats {
  readonly inFlight: number;
  readonly suspended: number;
  readonly rssBytes: number;
  readonly poolBytes: number;
  readonly deployments: number;
  /** Longest stall of the event loop since the last pong, in milliseconds. */
  readonly stallMs: number;
}

/** What a runner asks of control: for a guest, or for bytes of an Artifact whose code was dropped or never made. */
export type RunnerRequest = BusRequest | CallBusRequest | { readonly op: 'artifact.get'; readonly name: string };

/** Whose kv values a guest sees: those of its handler, or of one preview of it (PreviewName.id; null: none). */
interface KvNamespace {
  readonly handlerId: HandlerId;
  readonly preview: string | null;
}

/** What a guest asks of control. kv is durable, per handler or preview, atomic replace. Values are bytes. */
export type BusRequest =
  | (KvNamespace & { readonly op: 'kv.get'; readonly bucket: string; readonly key: string })
  | (KvNamespace & {
      readonly op: 'kv.put';
      readonly bucket: string;
      readonly key: string;
      readonly value: Uint8Array;
    })
  /** Answered with one byte: 1 where the value was `expected` and has been replaced, else 0. */
  | (KvNamespace & {
      readonly op: 'kv.replace';
      readonly bucket: string;
      readonly key: string;
      readonly value: Uint8Array;
      /** null: there is no value. */
      readonly expected: Uint8Array | null;
    })
  | (KvNamespace & { readonly op: 'kv.delete'; readonly bucket: string; readonly key: string })
  /** Answered with the keys behind `after` as a JSON array. */
  | (KvNamespace & { readonly op: 'kv.keys'; readonly bucket: string; readonly after: string })
  | {
      readonly op: 'queue.publish';
      readonly handlerId: HandlerId;
      readonly queue: string;
      readonly message: Uint8Array;
    };

/** What a runner asks of control for asynchronous requests of a handler's callers. */
export type CallBusRequest =
  /** Answered when the call is durable. */
  | {
      readonly op: 'call.accept';
      readonly handlerId: HandlerId;
      readonly id: string;
      readonly request: CallRequest;
      readonly body: Uint8Array;
      readonly attemptsMax: number;
    }
  /** Answered with the call's state as JSON. */
  | { readonly op: 'call.show'; readonly handlerId: HandlerId; readonly id: string }
  /** Answered with status and fields as JSON, a line end, and the body. */
  | { readonly op: 'call.answer'; readonly handlerId: HandlerId; readonly id: string };

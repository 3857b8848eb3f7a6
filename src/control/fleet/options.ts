/**
 * Options of the fleet, the events that it reports, and the configuration of a runner that follows from the options.
 */
import { totalmem } from 'node:os';
import { MIB } from '../../protocol/limits.ts';
import type { BusRequest, CallBusRequest, RunnerConfig, RunningChange, UsageCount } from '../../protocol/messages.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { LogSink, ReleaseFeed } from '../../protocol/ports.ts';
import type { Span, TraceSampling } from '../../protocol/spans.ts';
import { TrustedProxies } from '../../protocol/trusted-proxies.ts';
import type { LastCalls } from './loader.ts';

export type FleetEvent =
  | { readonly kind: 'runner_started'; readonly runnerId: string; readonly pid: number }
  | {
      readonly kind: 'runner_ended';
      readonly runnerId: string;
      readonly pid: number;
      readonly reason: string;
      /** Milliseconds until the next runner is started in its place; null: never, because the fleet stops. */
      readonly restartMs: number | null;
    }
  | { readonly kind: 'runner_stderr'; readonly runnerId: string; readonly line: string }
  | { readonly kind: 'orphan_killed'; readonly pid: number; readonly reason: string }
  | { readonly kind: 'spool_unreadable'; readonly reason: string }
  | { readonly kind: 'quarantined'; readonly specId: string; readonly reason: string }
  | { readonly kind: 'unloadable'; readonly specId: string; readonly reason: string };

export interface FleetOptions {
  /** Number of runners. */
  readonly runners: number;
  /** Absolute path of src/bin/runner.ts. */
  readonly program: string;
  /** Absolute path of the platform's own folder, in which runners may read `runnerReads`. */
  readonly programFolder: string;
  readonly platformId: string;
  /** Key by which control and runners recognise each other on the functions' port; the same after restarts. */
  readonly probeKey: string;
  /** Id drawn at each start of control. */
  readonly bootId: string;
  readonly host: string;
  /** Port of the functions; 0: any free port. */
  readonly port: number;
  readonly domain: string;
  /** Public base URL of functions; null: http://DOMAIN:PORT. */
  readonly runUrl: string | null;
  /** Loopback URL of control, without a slash at the end. */
  readonly controlUrl: string;
  readonly egressAllow: readonly string[];
  /** Proxies whose forwarding fields are believed; absent: none. */
  readonly trustedProxies?: TrustedProxies;
  /** Whether runners mark their answers as stale when the process that feeds them has ended; absent: they do not. */
  readonly marksStale?: boolean;
  /** Ports of control; the fleet adds the functions' port. */
  readonly ownPorts: readonly number[];
  /**
   * Bytes of guest memory per runner; absent: half of the machine's memory, shared among the runners, at most 4 GiB
   * each.
   */
  readonly poolBytes?: number;
  /** Environment of the runners; absent: empty. It must not hold secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** Path of a file in the data folder that lists the runners, so that the next control can end those that hang. */
  readonly recordFile?: string;
  /** Folder for log lines that runners leave when no control takes them; absent: they are lost then. */
  readonly spoolFolder?: string;
  /** Milliseconds until a runner must answer; absent: fleetLimits.bootMs. */
  readonly bootMs?: number;
  /** Milliseconds; absent: fleetLimits.orphanGraceMs. */
  readonly orphanGraceMs?: number;
  /** Feed of Releases, followed from the start. */
  readonly releases: Pick<ReleaseFeed, 'changes' | 'current'>;
  readonly readArtifact: (name: string) => Promise<Uint8Array>;
  /** Returns when each handler's function was last called, in Unix milliseconds; absent: no function was called. */
  readonly lastCallMs?: () => Promise<LastCalls>;
  /** Stores log lines, as LogSink.append does. The fleet's own lines have no `id`. */
  readonly onLogs: LogSink['append'];
  /** Stores log lines that a runner has packed, as LogSink.appendBlocks does. */
  readonly onBlocks: LogSink['appendBlocks'];
  /** Stores records and counts. Resolves when they are stored, or counted as lost. Never rejects. */
  readonly onUsage: (records: readonly PendingInvocationRecord[], counts: readonly UsageCount[]) => Promise<void>;
  /**
   * Is called when the list of Invocations that run in a runner changes; null: the runner has ended, and all of them
   * with it.
   */
  readonly onRunning: (runnerId: string, change: RunningChange | null) => void;
  /** Takes spans of a runner; `dropped`: number of those that it has lost. Absent: nobody receives traces. */
  readonly onSpans?: (spans: readonly Span[], dropped: number) => void;
  /** Which Invocations are traced; absent: none. */
  readonly traces?: TraceSampling | null;
  readonly onRequest: (request: BusRequest | CallBusRequest) => Promise<Uint8Array | null>;
  readonly onEvent?: (event: FleetEvent) => void;
}

/** Returns the configuration of runner `runnerId`, which listens on `port` (0: any) and tells functions `runUrl`. */
export function runnerConfig(
  options: FleetOptions,
  { runnerId, port, runUrl }: Pick<RunnerConfig, 'runnerId' | 'port' | 'runUrl'>,
): RunnerConfig {
  const { platformId, probeKey, bootId, host, domain, controlUrl, egressAllow, trustedProxies, ownPorts } = options;
  return {
    platformId,
    probeKey,
    runnerId,
    host,
    port,
    domain,
    runUrl,
    controlUrl,
    controlBootId: bootId,
    egressAllow,
    trustedProxies: String(trustedProxies ?? TrustedProxies.none),
    marksStale: options.marksStale === true,
    ownPorts: port === 0 ? ownPorts : [...ownPorts, port],
    poolBytes: options.poolBytes ?? defaultPoolBytes(options.runners),
    traces: options.traces ?? null,
  };
}

/**
 * Returns half of the machine's memory in bytes divided by the number of runners: memory is counted as if guests used
 * all of it.
 */
function defaultPoolBytes(runners: number): number {
  return Math.max(256 * MIB, Math.min(4096 * MIB, Math.floor(totalmem() / 2 / runners)));
}

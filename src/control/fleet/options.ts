/** What the fleet is given, what it tells, and the configuration of one runner that follows from it. */
import { totalmem } from 'node:os';
import { MIB } from '../../protocol/limits.ts';
import type { BusRequest, CallBusRequest, RunnerConfig, RunningChange, UsageCount } from '../../protocol/messages.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { LogSink, ReleaseFeed } from '../../protocol/ports.ts';
import { TrustedProxies } from '../../protocol/trusted-proxies.ts';
import type { LastCalls } from './loader.ts';

export type FleetEvent =
  | { readonly kind: 'runner_started'; readonly runnerId: string; readonly pid: number }
  | {
      readonly kind: 'runner_ended';
      readonly runnerId: string;
      readonly pid: number;
      readonly reason: string;
      /** When the next one is started in its place; null: never, the fleet stops. */
      readonly restartMs: number | null;
    }
  | { readonly kind: 'runner_stderr'; readonly runnerId: string; readonly line: string }
  | { readonly kind: 'orphan_killed'; readonly pid: number; readonly reason: string }
  | { readonly kind: 'quarantined'; readonly specId: string; readonly reason: string }
  | { readonly kind: 'unloadable'; readonly specId: string; readonly reason: string };

export interface FleetOptions {
  /** How many. */
  readonly runners: number;
  /** src/bin/runner.ts, absolute. */
  readonly program: string;
  /** The platform's own folder, the only one runners may read; absolute. */
  readonly programFolder: string;
  readonly platformId: string;
  /** Key by which the platform's own recognise each other on the functions' port. Stays the same over restarts. */
  readonly probeKey: string;
  /** Drawn anew at each start of control. */
  readonly bootId: string;
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly domain: string;
  /** Public base URL of functions; null: http://DOMAIN:PORT. */
  readonly runUrl: string | null;
  /** Loopback URL of control, without a slash at the end. */
  readonly controlUrl: string;
  readonly egressAllow: readonly string[];
  /** Proxies whose forwarding fields are believed. Default: none. */
  readonly trustedProxies?: TrustedProxies;
  /** Ports of control; the fleet adds its own. */
  readonly ownPorts: readonly number[];
  /** Guest memory per runner; default: half of the machine's, shared among the runners, at most 4 GiB each. */
  readonly poolBytes?: number;
  /** The runners' environment; default: none. Never secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** File in the data folder that names the runners, so that the next control can end those that hang. */
  readonly recordFile?: string;
  /** How long a runner may take until it can be spoken to, milliseconds; default: fleetLimits.bootMs. */
  readonly bootMs?: number;
  /** Default: fleetLimits.orphanGraceMs. */
  readonly orphanGraceMs?: number;
  /** Followed from the start. */
  readonly releases: Pick<ReleaseFeed, 'changes' | 'current'>;
  readonly readArtifact: (name: string) => Promise<Uint8Array>;
  /** Returns when the function of each handler was called last, Unix milliseconds. Default: none ever was. */
  readonly lastCallMs?: () => Promise<LastCalls>;
  /** Stores log lines, as LogSink.append does. `id` is missing for the fleet's own lines. */
  readonly onLogs: LogSink['append'];
  /** Resolves when records and counts are stored, or counted as lost. Never rejects. */
  readonly onUsage: (records: readonly PendingInvocationRecord[], counts: readonly UsageCount[]) => Promise<void>;
  /** Which Invocations run in a runner has changed; null: the runner has ended, and with it all of them. */
  readonly onRunning: (runnerId: string, change: RunningChange | null) => void;
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
    ownPorts: port === 0 ? ownPorts : [...ownPorts, port],
    poolBytes: options.poolBytes ?? defaultPoolBytes(options.runners),
  };
}

/**
 * Returns half of the machine's memory in bytes, shared among the runners: memory is counted as if guests touched all
 * of it.
 */
function defaultPoolBytes(runners: number): number {
  return Math.max(256 * MIB, Math.min(4096 * MIB, Math.floor(totalmem() / 2 / runners)));
}

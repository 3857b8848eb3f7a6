/** Services that all Invocations of a runner share, made once at the start. */
import type { ScratchPool } from '../guest/kernel/fs/quota.ts';
import type { Clock } from '../guest/kernel/process.ts';
import type { TrustedProxies } from '../protocol/trusted-proxies.ts';
import type { ByteBudget } from '../waiting/byte-budget.ts';
import type { BusyMark } from './busy-mark.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { LogBuffer } from './log-buffer.ts';
import type { Profiles } from './profiles.ts';
import type { RequestLines } from './request-lines.ts';
import type { RunnerCounters } from './runner-counters.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tracing } from './tracing.ts';
import type { UsageReporter } from './usage-reporter.ts';

export interface RunnerServices {
  readonly runnerId: string;
  readonly isHttps: boolean;
  readonly clock: Clock;
  readonly random: (into: Uint8Array) => void;
  readonly logs: LogBuffer;
  readonly usage: UsageReporter;
  /** Writes a log line for each call. */
  readonly requests: RequestLines;
  readonly counters: RunnerCounters;
  /** Traces of Invocations; null: nobody receives them. */
  readonly tracing: Tracing | null;
  readonly scheduler: Scheduler;
  /** Gas profiles that are being taken. */
  readonly profiles: Profiles;
  readonly mark: BusyMark;
  readonly flushes: FlushQueue;
  readonly scratch: ScratchPool;
  /** Budget for request bodies that are collected before their functions run. */
  readonly bodies: ByteBudget;
  readonly proxies: TrustedProxies;
  /** Reports one line to the operator of the platform. */
  readonly report: (event: string, facts?: Readonly<Record<string, unknown>>) => void;
}

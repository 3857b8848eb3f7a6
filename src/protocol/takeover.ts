/**
 * Messages by which a control takes over the runners of an earlier control. Such runners have no channel to the new
 * control, so they post JSON to its port. Both sides prove that they hold the platform's key (runner-probe.ts).
 */
import type { DroppedLines, RunningChange, UsageCount } from './messages.ts';
import type { PendingInvocationRecord, PendingLogLine } from './nouns.ts';

export const takeoverPath = '/.trisiel/takeover';

/** Report of a runner whose control has ended. */
export interface TakeoverReport {
  readonly runnerId: string;
  readonly pid: number;
  /** True when the runner answers no further requests; Invocations that began before may still run. */
  readonly isClosed: boolean;
  readonly logs?: { readonly batch: number; readonly lines: readonly PendingLogLine[]; readonly dropped: DroppedLines };
  readonly usage?: {
    readonly records: readonly PendingInvocationRecord[];
    readonly counts: readonly UsageCount[];
    readonly running: RunningChange;
  };
}

export interface TakeoverAnswer {
  readonly bootId: string;
  /** Whether the report's log lines could not be stored. */
  readonly isLost: boolean;
  /** Whether runners of this control serve, so that the orphan must close. */
  readonly isReplaced: boolean;
}

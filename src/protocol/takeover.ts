/**
 * How a control takes over the runners of an earlier one. They have no channel to it, so they post JSON to its
 * port; both sides prove that they hold the platform's key (runner-probe.ts).
 */
import type { DroppedLines, RunningChange, UsageCount } from './messages.ts';
import type { PendingInvocationRecord, PendingLogLine } from './nouns.ts';

export const takeoverPath = '/.trisiel/takeover';

/** From a runner whose control has ended. */
export interface TakeoverReport {
  readonly runnerId: string;
  readonly pid: number;
  /** True when it answers no further request; Invocations that began before may still run. */
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
  /** The report's log lines could not be stored. */
  readonly isLost: boolean;
  /** Whether runners of this control serve: the orphan is to close. */
  readonly isReplaced: boolean;
}

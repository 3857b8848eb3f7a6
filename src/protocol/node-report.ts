/** What a node reports to the controls: log lines and usage of its runners, in the order in which they were sent. */
import type { LogBlock } from './log-block.ts';
import type { DroppedLines, UsageCount } from './messages.ts';
import type { PendingInvocationRecord } from './nouns.ts';

export type ReportItem =
  | {
      readonly kind: 'logs';
      readonly origin: string;
      /** Number of the batch, as in LogBatchId. */
      readonly number: number;
      readonly blocks: readonly LogBlock[];
      readonly dropped: DroppedLines;
    }
  | {
      readonly kind: 'usage';
      readonly origin: string;
      /** Number of the message, which grows with each message of `origin`. */
      readonly number: number;
      readonly records: readonly PendingInvocationRecord[];
      readonly counts: readonly UsageCount[];
    };

export interface NodeReport {
  readonly items: readonly ReportItem[];
}

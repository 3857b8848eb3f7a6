/**
 * Messages by which a control takes over the runners of an earlier control. Such runners have no channel to the new
 * control, so they post JSON to its port. Both sides prove that they hold the platform's key (runner-probe.ts).
 */
import { MIB } from './limits.ts';
import type { LogBlock } from './log-block.ts';
import type { DroppedLines, RunningChange, UsageCount } from './messages.ts';
import { handlerIdOf } from './names.ts';
import type { PendingInvocationRecord, PendingLogLine } from './nouns.ts';

export const takeoverPath = '/.trisiel/takeover';

/** Report of a runner whose control has ended. */
export interface TakeoverReport {
  readonly runnerId: string;
  readonly pid: number;
  /** True when the runner answers no further requests; Invocations that began before may still run. */
  readonly isClosed: boolean;
  readonly logs?: {
    /** Number of the batch, as in the `logs` of FromRunner. */
    readonly batch: number;
    readonly blocks?: readonly LogBlockText[];
    /** Lines of a runner of an earlier version, which sends no blocks. */
    readonly lines?: readonly PendingLogLine[];
    readonly dropped: DroppedLines;
  };
  readonly usage?: {
    readonly records: readonly PendingInvocationRecord[];
    readonly counts: readonly UsageCount[];
    readonly running: RunningChange;
  };
}

/** A LogBlock in JSON: its bytes are base64. */
export interface LogBlockText extends Omit<LogBlock, 'words' | 'data'> {
  readonly words: string;
  readonly data: string;
}

export const spoolLimits = {
  /** Bytes of log lines that a runner leaves in its file: those beyond its buffer, and what it has at its end. */
  fileBytes: 64 * MIB,
  /** Bytes of one batch in the file; a batch has 1 MiB of text, and base64 and facts come to it. */
  recordBytes: 8 * MIB,
} as const;

/** A batch of log lines that a runner without control has written into its file. */
export interface SpooledLogs {
  /**
   * Series that `batch` counts in. `sent`: that of the batches that the runner sends; control may have stored this one.
   * `spooled`: that of the batches that were never sent.
   */
  readonly series: 'sent' | 'spooled';
  readonly batch: number;
  readonly blocks: readonly LogBlockText[];
  readonly dropped: DroppedLines;
}

export function blockToText(block: LogBlock): LogBlockText {
  return { ...block, words: base64(block.words), data: base64(block.data) };
}

/** Undoes `blockToText`. Only the bytes are read: the log checks the facts, like those of a runner's channel. */
export function blockOfText(text: LogBlockText): LogBlock {
  return {
    ...text,
    handlerId: handlerIdOf(String(text.handlerId)),
    words: Buffer.from(String(text.words), 'base64'),
    data: Buffer.from(String(text.data), 'base64'),
  };
}

function base64({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('base64');
}

export interface TakeoverAnswer {
  readonly bootId: string;
  /** Whether the report's log lines could not be stored. */
  readonly isLost: boolean;
  /** Whether runners of this control serve, so that the orphan must close. */
  readonly isReplaced: boolean;
}

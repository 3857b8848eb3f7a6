/**
 * Buffers log lines for control: bounded, in batches, which are packed as they are sent. Lines that do not fit are
 * counted by handler id.
 */
import { logLimits } from '../protocol/limits.ts';
import { charsOf, type LogBlock, packByHandler } from '../protocol/log-block.ts';
import type { DroppedLines } from '../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../protocol/names.ts';
import type { PendingLogLine } from '../protocol/nouns.ts';
import type { SpooledLogs } from '../protocol/takeover.ts';
import { batchBytes, batchesUnderway } from './limits.ts';

export interface LogBatch {
  /** Number of the batch, from 1. A batch that is sent again keeps its number, so that control stores it once. */
  readonly batch: number;
  /** Lines, packed by handler. */
  readonly blocks: readonly LogBlock[];
  readonly dropped: DroppedLines;
}

/**
 * Result of a batch. `stored`: control has it. `lost`: control could not store it. `failed`: unknown, because control
 * ended before it answered; the sender keeps the batch for the next control.
 */
export type Fate = 'stored' | 'lost' | 'failed';

/** Sends a batch to control. Returns false when there is no control; else calls `sent` once. */
export type SendBatch<T> = (batch: T, sent: (fate: Fate) => void) => boolean;

export interface LogBufferOptions {
  readonly send: SendBatch<LogBatch>;
  /**
   * Sends data that must reach control before the lines: the records of the Invocations that wrote them. Lines are held
   * back while it returns false. Absent: there is no such data.
   */
  readonly sendFirst?: () => boolean;
  /**
   * Takes a batch that there is no room for, while control cannot be reached. Returns false when it does not; the lines
   * stay. Absent: there is no such place.
   */
  readonly spill?: {
    /** Whether `write` may take a batch now: asked before one is packed. */
    readonly isOpen: () => boolean;
    readonly write: (series: SpooledLogs['series'], batch: LogBatch) => boolean;
  };
}

const noSpill: NonNullable<LogBufferOptions['spill']> = { isOpen: () => false, write: () => false };

export class LogBuffer {
  readonly #send: SendBatch<LogBatch>;
  readonly #sendFirst: () => boolean;
  readonly #spill: NonNullable<LogBufferOptions['spill']>;
  /** Number of the last batch that was spilled unsent. */
  #lastSpilled = 0;
  #lines: PendingLogLine[] = [];
  /** Characters in `#lines` and bytes in `#again`. */
  #bytes = 0;
  #dropped = new Map<HandlerId, number>();
  /**
   * Batches to send again, before all others and in the order of their numbers. They count in the bounds of `#lines`.
   */
  #again: LogBatch[] = [];
  #againLines = 0;
  /** Number of the last batch. */
  #lastBatch = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Batches that the channel holds. */
  #underway = 0;
  /** Whether the last `flush` left something that it could not send. */
  #isHeldBack = false;

  constructor({ send, sendFirst = () => true, spill = noSpill }: LogBufferOptions) {
    this.#send = send;
    this.#sendFirst = sendFirst;
    this.#spill = spill;
  }

  /** Takes a line, which is sent with its batch. Counts it as dropped when neither memory nor the spool has room. */
  push(line: PendingLogLine): void {
    if (this.#hasRoom(line) || (this.#spillOne() && this.#hasRoom(line))) {
      this.#lines.push(line);
      this.#bytes += charsOf(line);
    } else this.#drop(line.handlerId, 1);
    if (this.#lines.length >= logLimits.batchLines) this.flush();
    else this.#flushLater();
  }

  /** Sends as much as the channel may hold. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#hasSome) {
      this.#isHeldBack = this.#underway >= batchesUnderway || !this.#sendFirst();
      if (this.#isHeldBack) return;
      const batch = this.#take();
      this.#underway += 1;
      const isSending = this.#send(batch, (fate) => {
        this.#underway -= 1;
        if (fate === 'failed') {
          this.#keep(batch);
          this.#flushLater();
          return;
        }
        if (fate === 'lost') {
          this.#count(batch);
          this.flush();
        } else this.resume();
      });
      if (isSending) continue;
      this.#underway -= 1;
      this.#keep(batch);
      this.#isHeldBack = true;
      return;
    }
    this.#isHeldBack = false;
  }

  /**
   * Sends what the last `flush` could not, now that the channel has room or `sendFirst` may succeed. Lines that came
   * since wait for their batch: sent at each answer of control, they would make batches of a few lines.
   */
  resume(): void {
    if (this.#isHeldBack) this.flush();
  }

  /** Spills all lines that no control has taken, those of batches that may be underway excepted: the runner ends. */
  spillAll(): void {
    for (let batch = this.#again[0]; batch !== undefined; batch = this.#again[0]) {
      if (!this.#spill.write('sent', batch)) return;
      this.#takeAgain();
    }
    while (this.#hasSome && this.#spillOne());
  }

  /** Spills a batch of the oldest lines that were never sent. Returns whether there is more room now. */
  #spillOne(): boolean {
    if (!this.#spill.isOpen() || (this.#lines.length === 0 && this.#dropped.size === 0)) return false;
    const { lines, dropped } = this.#oldest();
    const batch = { batch: this.#lastSpilled + 1, blocks: packByHandler(lines), dropped: Object.fromEntries(dropped) };
    if (!this.#spill.write('spooled', batch)) return false;
    this.#lastSpilled += 1;
    this.#remove(lines.length);
    return true;
  }

  /** Whether control has answered for all lines: it has stored them, or their loss is told. */
  get isEmpty(): boolean {
    return !this.#hasSome && this.#underway === 0;
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => this.flush(), logLimits.batchDelayMs);
  }

  get #hasSome(): boolean {
    return this.#again.length > 0 || this.#lines.length > 0 || this.#dropped.size > 0;
  }

  #hasRoom(line: PendingLogLine): boolean {
    return (
      this.#lines.length + this.#againLines < logLimits.bufferLines &&
      this.#bytes + charsOf(line) <= logLimits.bufferBytes
    );
  }

  /** Returns the next batch: one that failed, or as many of the oldest lines as fit into a batch, at least one. */
  #take(): LogBatch {
    const again = this.#takeAgain();
    if (again !== undefined) return again;
    const { lines, dropped } = this.#oldest();
    const batch = { blocks: packByHandler(lines), dropped: Object.fromEntries(dropped) };
    this.#remove(lines.length);
    this.#lastBatch += 1;
    return { batch: this.#lastBatch, ...batch };
  }

  #takeAgain(): LogBatch | undefined {
    const again = this.#again.shift();
    if (again === undefined) return undefined;
    this.#againLines -= linesOf(again);
    this.#bytes -= bytesOf(again);
    return again;
  }

  /** Returns as many of the oldest lines as fit into a batch, and all counts. */
  #oldest(): { readonly lines: readonly PendingLogLine[]; readonly dropped: ReadonlyMap<HandlerId, number> } {
    let count = 0;
    let bytes = 0;
    for (const line of this.#lines) {
      const chars = charsOf(line);
      if (count === logLimits.batchLines || (count > 0 && bytes + chars > batchBytes)) break;
      count += 1;
      bytes += chars;
    }
    return { lines: this.#lines.slice(0, count), dropped: this.#dropped };
  }

  /** Removes what `#oldest` has returned: `count` lines, and the counts. */
  #remove(count: number): void {
    for (const line of this.#lines.splice(0, count)) this.#bytes -= charsOf(line);
    this.#dropped.clear();
  }

  #keep(batch: LogBatch): void {
    this.#again.push(batch);
    this.#again.sort((a, b) => a.batch - b.batch);
    this.#againLines += linesOf(batch);
    this.#bytes += bytesOf(batch);
  }

  /** Counts a batch as dropped: only the number of its lines is reported. */
  #count({ blocks, dropped }: LogBatch): void {
    for (const { handlerId, lines } of blocks) this.#drop(handlerId, lines);
    for (const [id, count] of Object.entries(dropped)) this.#drop(handlerIdOf(id), count);
  }

  #drop(handlerId: HandlerId, count: number): void {
    this.#dropped.set(handlerId, (this.#dropped.get(handlerId) ?? 0) + count);
  }
}

function linesOf({ blocks }: LogBatch): number {
  return blocks.reduce((sum, { lines }) => sum + lines, 0);
}

function bytesOf({ blocks }: LogBatch): number {
  return blocks.reduce((sum, { data, words }) => sum + data.length + words.length, 0);
}

/** Log lines on their way to control: bounded, in batches; what does not fit is counted, by handler id. */
import { logLimits } from '../protocol/limits.ts';
import type { DroppedLines } from '../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../protocol/names.ts';
import type { PendingLogLine } from '../protocol/nouns.ts';
import { batchBytes, batchesUnderway } from './limits.ts';

export interface LogBatch {
  /** From 1. A batch that is sent again has the same, so that control stores it once. */
  readonly batch: number;
  readonly lines: readonly PendingLogLine[];
  readonly dropped: DroppedLines;
}

/**
 * What became of a batch. `stored`: control has it. `lost`: control could not store it and never will. `failed`:
 * nobody knows; control has gone before it said so, and the sender keeps the batch for the next one.
 */
export type Fate = 'stored' | 'lost' | 'failed';

/** Hands a batch to control. Returns false where there is none. Else it calls `sent` once. */
export type SendBatch<T> = (batch: T, sent: (fate: Fate) => void) => boolean;

export interface LogBufferOptions {
  readonly send: SendBatch<LogBatch>;
  /**
   * Sends what must reach control before the lines: the records of the Invocations that wrote them. Lines are held
   * back while it returns false. Default: nothing is to be sent first.
   */
  readonly sendFirst?: () => boolean;
}

export class LogBuffer {
  readonly #send: SendBatch<LogBatch>;
  readonly #sendFirst: () => boolean;
  #lines: PendingLogLine[] = [];
  /** Characters of `#lines`. */
  #bytes = 0;
  #dropped = new Map<HandlerId, number>();
  /** Batches to be sent again, before all others and in the order of their numbers. Counted in `#lines`' bounds. */
  #again: LogBatch[] = [];
  #againLines = 0;
  #lastBatch = 0;
  #timer: NodeJS.Timeout | null = null;
  #underway = 0;

  constructor({ send, sendFirst = () => true }: LogBufferOptions) {
    this.#send = send;
    this.#sendFirst = sendFirst;
  }

  push(line: PendingLogLine): void {
    if (this.#hasRoom(line)) {
      this.#lines.push(line);
      this.#bytes += line.text.length;
    } else this.#drop(line.handlerId, 1);
    if (this.#lines.length >= logLimits.batchLines) this.flush();
    else this.#flushLater();
  }

  /** Hands over as much as the channel may hold. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#hasSome && this.#underway < batchesUnderway) {
      if (!this.#sendFirst()) return;
      const batch = this.#take();
      this.#underway += 1;
      const isSending = this.#send(batch, (fate) => {
        this.#underway -= 1;
        if (fate === 'failed') {
          this.#keep(batch);
          this.#flushLater();
          return;
        }
        if (fate === 'lost') this.#count(batch);
        this.flush();
      });
      if (isSending) continue;
      this.#underway -= 1;
      this.#keep(batch);
      return;
    }
  }

  /** Whether everything has been handed to the channel, and taken by it. */
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
      this.#bytes + line.text.length <= logLimits.bufferBytes
    );
  }

  /**
   * Returns the batch to be sent next: one that failed, or the oldest lines, as many as one batch holds; at least one.
   */
  #take(): LogBatch {
    const again = this.#again.shift();
    if (again !== undefined) {
      this.#againLines -= again.lines.length;
      this.#bytes -= bytesOf(again.lines);
      return again;
    }
    let count = 0;
    let bytes = 0;
    for (const { text } of this.#lines) {
      if (count === logLimits.batchLines || (count > 0 && bytes + text.length > batchBytes)) break;
      count += 1;
      bytes += text.length;
    }
    this.#bytes -= bytes;
    const dropped = Object.fromEntries(this.#dropped);
    this.#dropped.clear();
    this.#lastBatch += 1;
    return { batch: this.#lastBatch, lines: this.#lines.splice(0, count), dropped };
  }

  #keep(batch: LogBatch): void {
    this.#again.push(batch);
    this.#again.sort((a, b) => a.batch - b.batch);
    this.#againLines += batch.lines.length;
    this.#bytes += bytesOf(batch.lines);
  }

  /** Counts a batch as dropped: of lines that nobody stores only their number is told. */
  #count({ lines, dropped }: LogBatch): void {
    for (const { handlerId } of lines) this.#drop(handlerId, 1);
    for (const [id, count] of Object.entries(dropped)) this.#drop(handlerIdOf(id), count);
  }

  #drop(handlerId: HandlerId, count: number): void {
    this.#dropped.set(handlerId, (this.#dropped.get(handlerId) ?? 0) + count);
  }
}

function bytesOf(lines: readonly PendingLogLine[]): number {
  return lines.reduce((sum, { text }) => sum + text.length, 0);
}

/**
 * Where log lines end up: cursors in commit order, many rows in one statement, publication
 * after the commit. One writer, so "stored before" and "smaller cursor" mean the same.
 */

import { KIB, logLimits } from '../../protocol/limits.ts';
import type { DroppedLines } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { LogLine, PendingLogLine } from '../../protocol/nouns.ts';
import type { LogAppender } from '../../protocol/ports.ts';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Database } from '../db/database.ts';
import { WriteQueue } from '../db/write-queue.ts';
import { existingHandlers } from '../handlers/existing-handlers.ts';
import { Cursors } from './cursors.ts';
import { foldCase, type LogFilter, matcher } from './log-filter.ts';
import { type LogRangeResult, queryLimits, readRange } from './log-query.ts';
import { LogTail, tailLimits } from './log-tail.ts';
import { lossLine, plausible } from './pending-lines.ts';
import { LogRetention, retentionLimits } from './retention.ts';

export const storeLimits = {
  /** Lines waiting for the database. At 16 KiB each that would be 800 MiB, at the usual 200 bytes 10 MiB. */
  waitingLines: 50_000,
  /** So bytes are bounded as well. */
  waitingBytes: 64 * 1024 * KIB,
  /** Lines of one transaction. */
  batchLines: 2 * logLimits.batchLines,
} as const;

export interface LogStoreOptions {
  readonly db: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Told what went wrong with a batch; its lines have been counted as dropped. */
  readonly onError: (error: unknown) => void;
  /** Default `cursorBlock` of cursors.ts. */
  readonly cursorBlock?: number;
}

export interface LogPage {
  /** Ascending by cursor. */
  readonly lines: readonly LogLine[];
  /** Go on forward (or tail) from here: `after` of the next question. */
  readonly cursor: number;
  /** Go on backward from here: `before` of the next question; null when nothing older is kept. */
  readonly before: number | null;
  /** Whether the way `after` pointed at, or backward without it, may have more lines. */
  readonly more: boolean;
}

export interface LogQuery extends LogFilter {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit?: number | undefined;
}

/** Counters since the start, for /metrics. */
export interface LogCounters {
  readonly stored: number;
  /** Reported by runners, refused by a full queue, or lost with a failed write. */
  readonly dropped: number;
  /** Lines of handlers that do not exist, or no longer. */
  readonly unknown: number;
  readonly waiting: number;
  readonly tails: number;
}

interface Batch {
  readonly lines: readonly PendingLogLine[];
  readonly dropped: DroppedLines;
}

interface HandlerRef {
  readonly id: string;
  readonly name: string;
}

/** Tails of one handler, whose name their lines carry. */
interface HandlerTails {
  readonly name: string;
  readonly all: Set<LogTail>;
}

type NumberedLine = PendingLogLine & { readonly cursor: number };

const insertLines = new BatchInsert({
  table: 'log_lines',
  columns: ['cursor', 'handler_id', 'deployment', 'invocation', 'seq', 'time_ms', 'gas', 'stream', 'level', 'text'],
});

export class LogStore implements LogAppender {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #queue: WriteQueue<Batch>;
  readonly #retention: LogRetention;
  readonly #cursors: Cursors;
  readonly #tails = new Map<string, HandlerTails>();
  /** Lost since the last batch, by handler id; told with the next one. */
  readonly #lost = new Map<HandlerId, number>();
  #waitingBytes = 0;
  /** The newest cursor that is stored and published. */
  #published: number;
  #stored = 0;
  #dropped = 0;
  #unknown = 0;
  #tailCount = 0;

  private constructor(options: LogStoreOptions, cursors: Cursors) {
    this.#db = options.db;
    this.#now = options.now;
    this.#onError = options.onError;
    this.#retention = new LogRetention(options);
    this.#cursors = cursors;
    this.#published = cursors.next - 1;
    this.#queue = new WriteQueue({
      waitingMax: storeLimits.waitingLines,
      batchMax: storeLimits.batchLines,
      weigh: (batch) => Math.max(1, batch.lines.length),
      write: (batches) => this.#write(batches),
    });
  }

  static async open(options: LogStoreOptions): Promise<LogStore> {
    return new LogStore(options, await Cursors.open(options.db, options.cursorBlock));
  }

  /**
   * Resolves when the lines are stored, or have been counted as dropped (queue full, database failing);
   * never rejects: nobody who writes a line can do anything about it. `dropped`: lines lost on the way
   * here, by handler id; each loss becomes a line in the log itself.
   */
  async append(given: readonly PendingLogLine[], dropped: DroppedLines = {}): Promise<void> {
    const lines = given.map(plausible);
    const bytes = lines.reduce((sum, line) => sum + line.text.length, 0);
    const roomy = this.#waitingBytes === 0 || this.#waitingBytes + bytes <= storeLimits.waitingBytes;
    const done = roomy ? this.#queue.push({ lines, dropped }) : null;
    if (done === null) return this.#lose(lines, dropped);
    this.#waitingBytes += bytes;
    await done;
    this.#waitingBytes -= bytes;
  }

  /** Without `after` and `before`: the newest lines. `limit` from 1 to `queryLimits.lines`. */
  async query(handler: HandlerRef, query: LogQuery): Promise<LogPage> {
    const limit = Math.min(query.limit ?? queryLimits.defaultLines, queryLimits.lines);
    const newest = this.#published;
    const forward = query.after !== undefined;
    // A cursor from the future (another server's, or from before a backup was restored) counts as now.
    const after = Math.min(query.after ?? 0, newest);
    const upTo = Math.min(newest, query.before === undefined ? newest : query.before - 1);
    const { lines, seen, complete } = await readRange(this.#db.reader, handler.name, {
      handlerId: handler.id,
      after,
      upTo,
      direction: forward ? 'oldest first' : 'newest first',
      filter: query,
      limit,
    });
    if (forward)
      return { lines, cursor: Math.max(seen, after), before: lines[0]?.cursor ?? after + 1, more: !complete };
    return { lines, cursor: upTo, before: complete ? null : seen, more: !complete };
  }

  /**
   * A reader that goes on from `after` (without it: from now) and never ends by itself. Close it.
   * A cursor from the future (another server's) counts as now.
   */
  tail(handler: HandlerRef, options: LogFilter & { readonly after?: number | undefined }): LogTail {
    // Synchronous from here to `add`: nothing is published in between.
    const ceiling = this.#published;
    const tail: LogTail = new LogTail({
      after: Math.min(options.after ?? ceiling, ceiling),
      ceiling,
      matches: matcher(options),
      read: (after, upTo): Promise<LogRangeResult> =>
        readRange(this.#db.reader, handler.name, {
          handlerId: handler.id,
          after,
          upTo,
          direction: 'oldest first',
          filter: options,
          limit: tailLimits.frameLines,
          bytes: tailLimits.frameBytes,
        }),
      bytesMax: () => Math.min(tailLimits.bytes, tailLimits.allBytes / this.#tailCount),
      onClose: () => this.#removeTail(handler.id, tail),
    });
    const tails = this.#tails.get(handler.id) ?? { name: handler.name, all: new Set() };
    this.#tails.set(handler.id, tails);
    tails.all.add(tail);
    this.#tailCount += 1;
    return tail;
  }

  get counters(): LogCounters {
    return {
      stored: this.#stored,
      dropped: this.#dropped,
      unknown: this.#unknown,
      waiting: this.#queue.weight,
      tails: this.#tailCount,
    };
  }

  /** Removes all lines of a handler that is being purged. */
  async removeHandler(handler: HandlerRef): Promise<void> {
    await this.#retention.removeAll(handler.id);
  }

  /** Resolves when what was appended so far is stored and retention is at rest; the tails are closed. */
  async close(): Promise<void> {
    await this.#queue.idle();
    await this.#retention.close();
    for (const tails of [...this.#tails.values()]) for (const tail of [...tails.all]) tail.close();
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const lost = this.#takeLost(batches);
    const pending = [
      ...batches.flatMap((batch) => batch.lines),
      ...[...lost].map(([handlerId, n]) => lossLine(handlerId, n, this.#now())),
    ];
    try {
      // Asked each time: a handler may have been purged, and a runner may be taken over by a guest and invent ids.
      const existing = await existingHandlers(
        this.#db.relaxed,
        pending.map(({ handlerId }) => handlerId),
      );
      const known = pending.filter(({ handlerId }) => existing.has(handlerId));
      this.#unknown += pending.length - known.length;
      await this.#cursors.reserve(known.length);
      const lines = known.map((line, at): NumberedLine => ({ ...line, cursor: this.#cursors.next + at }));
      if (lines.length > 0) await this.#store(lines);
      for (const [handlerId, count] of lost) for (const tail of this.#tailsOf(handlerId)) tail.lost(count);
      this.#publish(lines);
    } catch (error) {
      for (const batch of batches) this.#lose(batch.lines, {});
      for (const [handlerId, count] of lost) this.#tellLater(handlerId, count);
      this.#onError(error);
    }
  }

  async #store(lines: readonly NumberedLine[]): Promise<void> {
    const rows = lines.map(({ handlerId, timeMs, ...line }) => ({
      ...line,
      handler_id: handlerId,
      time_ms: timeMs,
    }));
    await this.#db.relaxed.transaction().execute((trx) => insertLines.insert(trx, rows));
    this.#cursors.use(lines.length);
    this.#stored += lines.length;
  }

  #publish(lines: readonly NumberedLine[]): void {
    const last = lines.at(-1);
    if (last === undefined) return;
    this.#published = last.cursor;
    const byHandler = Map.groupBy(lines, ({ handlerId }) => handlerId);
    for (const [handlerId, theirs] of byHandler) {
      const bytes = theirs.reduce((sum, { text }) => sum + text.length + retentionLimits.lineOverheadBytes, 0);
      this.#retention.grown(handlerId, { lines: theirs.length, bytes });
      const tails = this.#tails.get(handlerId);
      if (tails === undefined) continue;
      const shown = theirs.map(({ handlerId: _, ...line }): LogLine => ({ ...line, handler: tails.name }));
      const texts: string[] = [];
      const folded = (index: number): string => {
        texts[index] ??= foldCase(theirs[index]!.text);
        return texts[index];
      };
      for (const tail of tails.all) tail.push(shown, folded);
    }
  }

  #lose(lines: readonly PendingLogLine[], dropped: DroppedLines): void {
    for (const line of lines) this.#countLost(line.handlerId, 1);
    for (const [id, count] of Object.entries(dropped)) this.#countLost(handlerIdOf(id), count);
  }

  #countLost(handlerId: HandlerId, count: number): void {
    if (!Number.isSafeInteger(count) || count <= 0) return;
    this.#dropped += count;
    this.#tellLater(handlerId, count);
  }

  #tellLater(handlerId: HandlerId, count: number): void {
    // Every batch empties the map.
    this.#lost.set(handlerId, (this.#lost.get(handlerId) ?? 0) + count);
  }

  #takeLost(batches: readonly Batch[]): Map<HandlerId, number> {
    for (const { dropped } of batches) this.#lose([], dropped);
    const lost = new Map(this.#lost);
    this.#lost.clear();
    return lost;
  }

  #tailsOf(handlerId: HandlerId): Iterable<LogTail> {
    return this.#tails.get(handlerId)?.all ?? [];
  }

  #removeTail(handlerId: string, tail: LogTail): void {
    const tails = this.#tails.get(handlerId);
    if (tails?.all.delete(tail) !== true) return;
    this.#tailCount -= 1;
    if (tails.all.size === 0) this.#tails.delete(handlerId);
  }
}

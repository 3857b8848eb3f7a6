/**
 * Stores log lines: cursors in the order of commits, many rows in one statement, publication after the commit. One
 * write runs at a time, so of two lines of this control the one stored first has the smaller cursor; the row of
 * cursors.ts ensures the same between controls.
 */

import { KIB, logLimits } from '../../protocol/limits.ts';
import type { DroppedLines } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { LogLine, PendingLogLine } from '../../protocol/nouns.ts';
import type {
  LogAppendResult,
  LogBatchId,
  LogFeed,
  LogHandler,
  LogPage,
  LogQuery,
  LogReaderOptions,
  LogSink,
} from '../../protocol/ports.ts';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Database } from '../db/database.ts';
import { WriteQueue } from '../db/write-queue.ts';
import { existingHandlers } from '../handlers/existing-handlers.ts';
import { Cursors } from './cursors.ts';
import { foldCase, matcher } from './log-filter.ts';
import { isSearch, type LogRange, type LogRangeResult, queryLimits, readRange } from './log-query.ts';
import { LogTail, tailLimits } from './log-tail.ts';
import { advanceOrigin, forgetOldOrigins } from './origins.ts';
import { lossLine, plausible } from './pending-lines.ts';
import { LogRetention, retentionLimits } from './retention.ts';
import { SearchTurns } from './search-turns.ts';

export const storeLimits = {
  /** Lines that wait for the database. At 16 KiB each that would be 800 MiB, at the usual 200 bytes it is 10 MiB. */
  waitingLines: 50_000,
  /** Bytes of lines that wait for the database. */
  waitingBytes: 64 * 1024 * KIB,
  /** Lines of one transaction. */
  batchLines: 2 * logLimits.batchLines,
  /**
   * Milliseconds after which a loss that no batch has reported is written, and between attempts while the database
   * fails.
   */
  lossMs: 1_000,
  /** Milliseconds between two checks for lines of other controls, while somebody reads live. */
  followMs: 500,
  /** Characters of a sender's name. */
  originChars: 200,
} as const;

export interface LogStoreOptions {
  readonly db: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Is called with the error of a batch; its lines have been counted as dropped. */
  readonly onError: (error: unknown) => void;
  /** Is called with the bytes stored of a handler's lines. */
  readonly onGrown?: (handlerId: string, bytes: number) => void;
  /** Default `cursorBlock` of cursors.ts. */
  readonly cursorBlock?: number;
}

/** Counters since the start, for /metrics. */
export interface LogCounters {
  readonly stored: number;
  /** Lines dropped by runners, refused because the queue was full, or lost with a failed write. */
  readonly dropped: number;
  /** Lines of handlers that do not exist. */
  readonly unknown: number;
  readonly waiting: number;
  readonly tails: number;
}

interface Batch {
  readonly lines: readonly PendingLogLine[];
  readonly dropped: DroppedLines;
  readonly id: LogBatchId | null;
  /** Result, set when the batch has been written or has failed. */
  result: LogAppendResult;
}

/** Tails of one handler, whose name their lines carry. */
interface HandlerTails {
  readonly name: string;
  readonly all: Set<LogTail>;
}

type NumberedLine = PendingLogLine & { readonly cursor: number };

/** Result of one transaction. */
interface Stored {
  readonly lines: readonly NumberedLine[];
  /** Number of lines of handlers that do not exist. */
  readonly unknown: number;
  /** Batches that had been stored before. */
  readonly known: ReadonlySet<Batch>;
  /** Lost lines by handler id that the stored lines report. */
  readonly lost: ReadonlyMap<HandlerId, number>;
}

/** Other controls have taken reserved cursors: more must be reserved before lines are stored. */
class CursorsTaken extends Error {
  readonly last: number;

  constructor(last: number) {
    super('log cursors were taken by another control');
    this.last = last;
  }
}

const insertLines = new BatchInsert({
  table: 'log_lines',
  columns: [
    'cursor',
    'handler_id',
    'deployment',
    'invocation',
    'seq',
    'time_ms',
    'gas',
    'stream',
    'level',
    'text',
    'preview',
  ],
});

export class LogStore implements LogSink, LogFeed {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #onGrown: (handlerId: string, bytes: number) => void;
  readonly #queue: WriteQueue<Batch>;
  readonly #retention: LogRetention;
  readonly #cursors: Cursors;
  readonly #searches = new SearchTurns();
  readonly #tails = new Map<string, HandlerTails>();
  /** Lines lost since the last write, by handler id; the next write reports them. */
  #lost = new Map<HandlerId, number>();
  #lossTimer: NodeJS.Timeout | null = null;
  /** Timer that checks for lines of other controls; null: there are none. */
  readonly #follower: NodeJS.Timeout | null;
  #waitingBytes = 0;
  /** The newest cursor that is stored and published. */
  #published: number;
  #stored = 0;
  #dropped = 0;
  #unknown = 0;
  #tailCount = 0;
  #isClosed = false;

  private constructor(options: LogStoreOptions, opened: { readonly cursors: Cursors; readonly published: number }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#onError = options.onError;
    this.#onGrown = options.onGrown ?? (() => {});
    this.#retention = new LogRetention(options);
    this.#cursors = opened.cursors;
    this.#published = opened.published;
    this.#queue = new WriteQueue({
      waitingMax: storeLimits.waitingLines,
      batchMax: storeLimits.batchLines,
      weigh: (batch) => Math.max(1, batch.lines.length),
      write: (batches) => this.#write(batches),
    });
    this.#follower = this.#db.isShared ? setInterval(() => this.#follow(), storeLimits.followMs).unref() : null;
  }

  static async open(options: LogStoreOptions): Promise<LogStore> {
    const cursors = await Cursors.open(options.db, options.cursorBlock);
    return new LogStore(options, { cursors, published: await cursors.last() });
  }

  async append(
    given: readonly PendingLogLine[],
    dropped: DroppedLines = {},
    id?: LogBatchId,
  ): Promise<LogAppendResult> {
    const lines = given.map(plausible);
    const bytes = lines.reduce((sum, line) => sum + line.text.length, 0);
    const batch: Batch = { lines, dropped, id: id === undefined ? null : checkedId(id), result: 'lost' };
    const roomy = this.#waitingBytes === 0 || this.#waitingBytes + bytes <= storeLimits.waitingBytes;
    const done = roomy ? this.#queue.push(batch) : null;
    if (done === null) {
      this.#lose(batch);
      return 'lost';
    }
    this.#waitingBytes += bytes;
    await done;
    this.#waitingBytes -= bytes;
    return batch.result;
  }

  async query(handler: LogHandler, query: LogQuery): Promise<LogPage> {
    if (this.#db.isShared) await this.#catchUp();
    const limit = Math.min(query.limit ?? queryLimits.defaultLines, queryLimits.lines);
    const newest = this.#published;
    const forward = query.after !== undefined;
    // A cursor from the future (another server's, or from before a backup was restored) counts as now.
    const after = Math.min(query.after ?? 0, newest);
    const upTo = Math.min(newest, query.before === undefined ? newest : query.before - 1);
    const { lines, seen, complete, stopped, expired } = await this.#read(handler, {
      handlerId: handler.id,
      after,
      upTo,
      direction: forward ? 'oldest first' : 'newest first',
      filter: query,
      userId: query.userId,
      limit,
    });
    const page = { lines, more: !complete, stopped, expired };
    if (forward) return { ...page, cursor: Math.max(seen, after), before: lines[0]?.cursor ?? after + 1 };
    return { ...page, cursor: upTo, before: complete ? null : seen };
  }

  tail(handler: LogHandler, options: LogReaderOptions): LogTail {
    // Synchronous from here to `add`: nothing is published in between.
    const ceiling = this.#published;
    const tail: LogTail = new LogTail({
      after: Math.min(options.after ?? ceiling, ceiling),
      ceiling,
      matches: matcher(options),
      read: (after, upTo): Promise<LogRangeResult> =>
        this.#read(handler, {
          handlerId: handler.id,
          after,
          upTo,
          direction: 'oldest first',
          filter: options,
          userId: options.userId,
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

  /** Removes the oldest lines of a handler until at most `bytes` remain. */
  trim(handlerId: string, bytes: number): Promise<void> {
    return this.#retention.trimTo(handlerId, bytes);
  }

  /** Removes all lines of a handler that is being purged. */
  async removeHandler(handler: LogHandler): Promise<void> {
    await this.#retention.removeAll(handler.id);
  }

  /** Removes senders of batches that have been silent for long; once an hour is often enough. */
  async prune(): Promise<void> {
    await forgetOldOrigins(this.#db.relaxed, this.#now());
  }

  /**
   * Resolves when all appended lines are stored, losses are reported and retention has stopped; the tails are closed. A
   * loss that cannot be stored (the database fails) goes to `onError`.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#follower !== null) clearInterval(this.#follower);
    if (this.#lossTimer !== null) clearTimeout(this.#lossTimer);
    await this.#queue.idle();
    if (this.#lost.size > 0) await this.#write([]);
    for (const [handlerId, count] of this.#lost)
      this.#onError(new Error(`${count} lost log lines of handler ${handlerId} could not be told in its log`));
    await this.#retention.close();
    for (const tails of [...this.#tails.values()]) for (const tail of [...tails.all]) tail.close();
  }

  /** Runs searches of one user one after the other; reads without a filter end after a page. */
  #read(
    handler: LogHandler,
    { userId = handler.id, ...range }: LogRange & { readonly userId: string | undefined },
  ): Promise<LogRangeResult> {
    const read = () => readRange(this.#db.reader, handler.name, range);
    return isSearch(range.filter) ? this.#searches.run(userId, read) : read();
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const earlier = this.#lost;
    this.#lost = new Map();
    try {
      const { lines, unknown, known, lost } = await this.#store(batches, earlier);
      for (const batch of batches) batch.result = known.has(batch) ? 'known' : 'stored';
      this.#stored += lines.length;
      this.#unknown += unknown;
      for (const [handlerId, count] of lost) {
        this.#dropped += count - (earlier.get(handlerId) ?? 0); // The earlier ones were counted when they were lost.
        for (const tail of this.#tailsOf(handlerId)) tail.lost(count);
      }
      this.#publish(lines);
    } catch (error) {
      for (const [handlerId, count] of earlier) this.#tellLater(handlerId, count);
      for (const batch of batches) this.#lose(batch);
      this.#onError(error);
    }
  }

  /** Stores the batches, and one line for each handler of which lines were lost, in one transaction. */
  async #store(batches: readonly Batch[], earlier: ReadonlyMap<HandlerId, number>): Promise<Stored> {
    let count = earlier.size;
    for (const { lines, dropped } of batches) count += lines.length + Object.keys(dropped).length;
    let last = this.#published;
    for (;;) {
      await this.#cursors.reserve(last, count);
      try {
        return await this.#storeOnce(batches, earlier);
      } catch (error) {
        if (!(error instanceof CursorsTaken)) throw error;
        last = error.last;
      }
    }
  }

  #storeOnce(batches: readonly Batch[], earlier: ReadonlyMap<HandlerId, number>): Promise<Stored> {
    return this.#db.relaxed.transaction().execute(async (trx) => {
      const known = new Set<Batch>();
      for (const batch of batches)
        if (batch.id !== null && !(await advanceOrigin(trx, batch.id, this.#now()))) known.add(batch);
      const fresh = batches.filter((batch) => !known.has(batch));
      const lost = new Map(earlier);
      for (const { dropped } of fresh)
        for (const [id, count] of Object.entries(dropped))
          if (isCount(count)) lost.set(handlerIdOf(id), (lost.get(handlerIdOf(id)) ?? 0) + count);
      const pending = [
        ...fresh.flatMap((batch) => batch.lines),
        ...[...lost].map(([handlerId, count]) => lossLine(handlerId, count, this.#now())),
      ];
      // Read each time: a handler may have been purged, and a runner that a guest has taken over may invent ids.
      const existing = await existingHandlers(
        trx,
        pending.map(({ handlerId }) => handlerId),
      );
      const owned = pending.filter(({ handlerId }) => existing.has(handlerId));
      const unknown = pending.length - owned.length;
      if (owned.length === 0) return { lines: [], unknown, known, lost };
      const taken = await this.#cursors.take(trx, owned.length);
      if ('last' in taken) throw new CursorsTaken(taken.last);
      const lines = owned.map((line, at): NumberedLine => ({ ...line, cursor: taken.first + at }));
      const rows = lines.map(({ handlerId, timeMs, ...line }) => ({
        ...line,
        preview: line.preview ?? '',
        handler_id: handlerId,
        time_ms: timeMs,
      }));
      await insertLines.insert(trx, rows);
      return { lines, unknown, known, lost };
    });
  }

  #publish(lines: readonly NumberedLine[]): void {
    const last = lines.at(-1);
    if (last === undefined) return;
    // Otherwise lines of other controls are in between, and tails read all of them from the database.
    const isNext = lines[0]?.cursor === this.#published + 1;
    if (isNext) this.#published = last.cursor;
    else this.#skipTo(last.cursor);
    const byHandler = Map.groupBy(lines, ({ handlerId }) => handlerId);
    for (const [handlerId, theirs] of byHandler) {
      const bytes = theirs.reduce((sum, { text }) => sum + text.length + retentionLimits.lineOverheadBytes, 0);
      this.#retention.grown(handlerId, { lines: theirs.length, bytes });
      this.#onGrown(handlerId, bytes);
      const tails = this.#tails.get(handlerId);
      if (tails === undefined || !isNext) continue;
      const shown = theirs.map(({ handlerId: _, ...line }): LogLine => ({ ...line, handler: tails.name }));
      const texts: string[] = [];
      const folded = (index: number): string => {
        texts[index] ??= foldCase(theirs[index]!.text);
        return texts[index];
      };
      for (const tail of tails.all) tail.push(shown, folded);
    }
  }

  /** Tells the tails that all lines up to `cursor` are stored, and that not all of them were pushed to the tails. */
  #skipTo(cursor: number): void {
    if (cursor <= this.#published) return;
    this.#published = cursor;
    for (const tails of this.#tails.values()) for (const tail of tails.all) tail.extend(cursor);
  }

  async #catchUp(): Promise<void> {
    this.#skipTo(await this.#cursors.last());
  }

  #follow(): void {
    if (this.#tailCount === 0) return;
    // Every writer reports a database that does not answer.
    void this.#catchUp().catch(() => {});
  }

  /** Counts lines that are not stored. A sender sends a batch with an id again, or reports its lines as dropped. */
  #lose({ lines, dropped, id }: Batch): void {
    if (id !== null) return;
    for (const line of lines) this.#countLost(line.handlerId, 1);
    for (const [handlerId, count] of Object.entries(dropped)) this.#countLost(handlerIdOf(handlerId), count);
  }

  #countLost(handlerId: HandlerId, count: number): void {
    if (!isCount(count)) return;
    this.#dropped += count;
    this.#tellLater(handlerId, count);
  }

  /** Stores a loss for the next write to report; without further lines, a write of its own reports it. */
  #tellLater(handlerId: HandlerId, count: number): void {
    // Every write empties the map.
    this.#lost.set(handlerId, (this.#lost.get(handlerId) ?? 0) + count);
    if (this.#lossTimer !== null || this.#isClosed) return;
    this.#lossTimer = setTimeout(() => {
      this.#lossTimer = null;
      // A full queue is being written, and its next write reports the loss.
      if (this.#lost.size > 0) void this.#queue.push({ lines: [], dropped: {}, id: null, result: 'lost' });
    }, storeLimits.lossMs);
    this.#lossTimer.unref();
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

function isCount(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0;
}

/** Checks an id; ids come from the platform's own runners and nodes, so a bad one is a mistake in this program. */
function checkedId({ origin, number }: LogBatchId): LogBatchId {
  if (origin.length === 0 || origin.length > storeLimits.originChars || !Number.isSafeInteger(number))
    throw new TypeError('not the id of a batch of log lines');
  return { origin, number };
}

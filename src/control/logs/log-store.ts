/**
 * Stores log lines in blocks, as their senders packed them: cursors in the order of commits, many blocks in one
 * statement, publication after the commit. One write runs at a time, so of two lines of this control the one stored
 * first has the smaller cursor; the row of cursors.ts ensures the same between controls.
 */

import { KIB, logLimits } from '../../protocol/limits.ts';
import { type LogBlock, packByHandler } from '../../protocol/log-block.ts';
import type { DroppedLines } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { PendingLogLine } from '../../protocol/nouns.ts';
import { isCount, plausibleBlocks } from '../../protocol/plausible-blocks.ts';
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
import type { Database } from '../db/database.ts';
import { forgetOldOrigins } from '../db/origins.ts';
import { WriteQueue } from '../db/write-queue.ts';
import { type Batch, BatchWriter, lastOf, linesOf, type NumberedBlock } from './batch-writer.ts';
import { bytesOf } from './block-rows.ts';
import { BlockThread } from './block-thread.ts';
import { Cursors } from './cursors.ts';
import { LiveTails } from './live-tails.ts';
import { isSearch, matcher } from './log-filter.ts';
import type { LogKeeping, OwnKeeping } from './log-keeping.ts';
import { type BlockSource, type LogRange, type LogRangeResult, queryLimits, readRange } from './log-query.ts';
import { type LogTail, tailLimits } from './log-tail.ts';
import { LostLines } from './lost-lines.ts';
import { mergePages } from './merge-pages.ts';
import { LogMerger } from './merging.ts';
import { moveOldLines } from './old-lines.ts';
import { plausible } from './pending-lines.ts';
import { RecentBlocks } from './recent-blocks.ts';
import { LogRetention, retentionLimits } from './retention.ts';
import { SearchTurns } from './search-turns.ts';

export const storeLimits = {
  /** Lines that wait for the database. */
  waitingLines: 50_000,
  /** Bytes of blocks that wait for the database. */
  waitingBytes: 64 * 1024 * KIB,
  /** Lines of one transaction. */
  batchLines: 8 * logLimits.batchLines,
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
  /** Is called before rows of an earlier version are moved into blocks, which can take a minute. */
  readonly onMoving?: () => void;
  /** Is called with the bytes stored of a handler's lines. */
  readonly onGrown?: (handlerId: HandlerId, bytes: number) => void;
  /** Lines, bytes and days kept of a handler; absent: those of retention.ts. */
  readonly retainedLines?: number;
  readonly retainedBytes?: number;
  readonly retainedDays?: number;
  /** Default `cursorBlock` of cursors.ts. */
  readonly cursorBlock?: number;
}

/** Counters since the start, for /metrics. */
export interface LogCounters {
  /** Lines stored. */
  readonly stored: number;
  /** Lines dropped by runners, refused because the queue was full, or lost with a failed write. */
  readonly dropped: number;
  /** Lines of handlers that do not exist. */
  readonly unknown: number;
  /** Lines that wait for the database. */
  readonly waiting: number;
  readonly tails: number;
}

interface WaitingBatch extends Batch {
  /** Result, set when the batch has been written or has failed. */
  result: LogAppendResult;
}

export class LogStore implements LogSink, LogFeed {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #onGrown: (handlerId: HandlerId, bytes: number) => void;
  readonly #queue: WriteQueue<WaitingBatch>;
  readonly #retention: LogRetention;
  readonly #merger: LogMerger;
  readonly #thread = new BlockThread();
  readonly #recent = new RecentBlocks();
  readonly #source: BlockSource;
  readonly #cursors: Cursors;
  readonly #writer: BatchWriter;
  readonly #searches = new SearchTurns();
  readonly #tails = new LiveTails();
  /** Lines lost since the last write; the next write reports them. */
  readonly #lost: LostLines;
  /** Timer that checks for lines of other controls; null: there are none. */
  readonly #follower: NodeJS.Timeout | null;
  #waitingBytes = 0;
  /** The newest cursor that is stored and published. */
  #published: number;
  /** Lines, for LogCounters. */
  #stored = 0;
  #dropped = 0;
  #unknown = 0;

  private constructor(options: LogStoreOptions, opened: { readonly cursors: Cursors; readonly published: number }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#onError = options.onError;
    this.#onGrown = options.onGrown ?? (() => {});
    this.#retention = new LogRetention(options);
    this.#merger = new LogMerger({ ...options, merge: (blocks) => this.#thread.merge(blocks) });
    this.#source = {
      db: options.db.reader,
      search: (search) => this.#thread.search(search),
      recent: (handlerId, { first_cursor, lines }) => this.#recent.get(handlerId, first_cursor, lines),
    };
    this.#cursors = opened.cursors;
    this.#writer = new BatchWriter({ db: options.db, now: options.now, cursors: opened.cursors });
    this.#published = opened.published;
    this.#queue = new WriteQueue({
      waitingMax: storeLimits.waitingLines,
      batchMax: storeLimits.batchLines,
      weigh: (batch) => Math.max(1, linesOf(batch.blocks)),
      write: (batches) => this.#write(batches),
    });
    this.#lost = new LostLines({
      reportMs: storeLimits.lossMs,
      // A full queue is being written, and its next write reports the loss.
      report: () => void this.#queue.push({ blocks: [], dropped: {}, id: null, result: 'lost' }),
    });
    this.#follower = this.#db.isShared ? setInterval(() => this.#follow(), storeLimits.followMs).unref() : null;
  }

  /** Opens the log; lines of an earlier version are moved into blocks first. */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    const { db, onMoving = () => {} } = options;
    const cursors = await Cursors.open(db, options.cursorBlock);
    await moveOldLines(db, { cursors, onMoving });
    const logs = new LogStore(options, { cursors, published: await cursors.last() });
    await logs.#retention.keeping.load();
    return logs;
  }

  async append(
    given: readonly PendingLogLine[],
    dropped: DroppedLines = {},
    id?: LogBatchId,
  ): Promise<LogAppendResult> {
    return this.#append(packByHandler(given.map(plausible)), dropped, id);
  }

  async appendBlocks(
    given: readonly LogBlock[],
    dropped: DroppedLines = {},
    id?: LogBatchId,
  ): Promise<LogAppendResult> {
    const plausible = plausibleBlocks(given, dropped);
    return this.#append(plausible.blocks, plausible.dropped, id);
  }

  async #append(
    blocks: readonly LogBlock[],
    dropped: DroppedLines,
    id: LogBatchId | undefined,
  ): Promise<LogAppendResult> {
    const bytes = blocks.reduce((sum, block) => sum + bytesOf(block), 0);
    const batch: WaitingBatch = { blocks, dropped, id: id === undefined ? null : checkedId(id), result: 'lost' };
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
    return this.#queryOne(handler, query);
  }

  /** Returns lines of several handlers, in the order of their cursors, as `query` does for one. */
  async queryAll(handlers: readonly LogHandler[], query: LogQuery): Promise<LogPage> {
    if (this.#db.isShared) await this.#catchUp();
    // Of one moment: every page ends at the same newest cursor.
    const newest = this.#published;
    const before = Math.min(query.before ?? newest + 1, newest + 1);
    const pages = await Promise.all(handlers.map((handler) => this.#queryOne(handler, { ...query, before })));
    return mergePages(pages, query);
  }

  async #queryOne(handler: LogHandler, query: LogQuery): Promise<LogPage> {
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
    return { ...page, cursor: Math.max(upTo, 0), before: complete ? null : seen };
  }

  async catchUp(): Promise<void> {
    if (this.#db.isShared) await this.#catchUp();
  }

  tail(handler: LogHandler, options: LogReaderOptions): LogTail {
    const ceiling = this.#published;
    // Synchronous from the line above: nothing is published in between.
    return this.#tails.add(handler, {
      after: Math.min(options.after ?? ceiling, ceiling),
      ceiling,
      matches: matcher(options),
      readsAll: options.regex !== undefined,
      tellsCaughtUp: options.tellsCaughtUp ?? false,
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
    });
  }

  /** Looks at once for lines that other controls have stored, for live tails. */
  wake(): void {
    this.#follow();
  }

  get counters(): LogCounters {
    return {
      stored: this.#stored,
      dropped: this.#dropped,
      unknown: this.#unknown,
      waiting: this.#queue.weight,
      tails: this.#tails.count,
    };
  }

  /** Removes the oldest lines of a handler until at most `bytes` remain. */
  trim(handlerId: HandlerId, bytes: number): Promise<void> {
    return this.#retention.trimTo(handlerId, bytes);
  }

  /** How long and how much of each handler's log is kept. */
  get keeping(): LogKeeping {
    return this.#retention.keeping;
  }

  /** Changes what is kept of a handler, and removes what is too much already. Returns the handler's own values. */
  async keep(handlerId: HandlerId, change: Partial<OwnKeeping>): Promise<OwnKeeping> {
    const own = await this.keeping.set(handlerId, change);
    await this.#retention.apply(handlerId);
    return own;
  }

  /** Removes all lines of a handler that is being purged. */
  async removeHandler(handler: LogHandler): Promise<void> {
    await this.#retention.removeAll(handler.id);
  }

  /**
   * Removes lines that are too old and senders of batches that have been silent for long, and moves lines that a
   * control of an earlier version has stored meanwhile; once an hour is often enough.
   */
  async prune(): Promise<void> {
    if (this.#db.isShared) await moveOldLines(this.#db, { cursors: this.#cursors, onMoving: () => {} });
    await forgetOldOrigins(this.#db.relaxed, this.#now());
    await this.#retention.expireAll();
  }

  /**
   * Resolves when all appended lines are stored, losses are reported and retention has stopped; the tails are closed. A
   * loss that cannot be stored (the database fails) goes to `onError`.
   */
  async close(): Promise<void> {
    this.#lost.close();
    if (this.#follower !== null) clearInterval(this.#follower);
    await this.#queue.idle();
    if (!this.#lost.isEmpty) await this.#write([]);
    for (const [handlerId, count] of this.#lost)
      this.#onError(new Error(`${count} lost log lines of handler ${handlerId} could not be told in its log`));
    await this.#retention.close();
    await this.#merger.close();
    await this.#thread.close();
    this.#tails.close();
  }

  /** Runs searches of one user one after the other; reads without a filter end after a page. */
  #read(
    handler: LogHandler,
    { userId = handler.id, ...range }: LogRange & { readonly userId: string | undefined },
  ): Promise<LogRangeResult> {
    const read = () => readRange(this.#source, handler.name, range);
    return isSearch(range.filter) ? this.#searches.run(userId, read) : read();
  }

  async #write(batches: readonly WaitingBatch[]): Promise<void> {
    const earlier = this.#lost.take();
    try {
      const { blocks, unknown, known, lost } = await this.#writer.store(batches, {
        earlier,
        newest: this.#published,
      });
      for (const batch of batches) batch.result = known.has(batch) ? 'known' : 'stored';
      this.#stored += linesOf(blocks);
      this.#unknown += unknown;
      for (const [handlerId, count] of lost) {
        this.#dropped += count - (earlier.get(handlerId) ?? 0); // The earlier ones were counted when they were lost.
        this.#tails.lost(handlerId, count);
      }
      this.#publish(blocks);
    } catch (error) {
      for (const [handlerId, count] of earlier) this.#lost.add(handlerId, count);
      for (const batch of batches) this.#lose(batch);
      this.#onError(error);
    }
  }

  #publish(blocks: readonly NumberedBlock[]): void {
    const [oldest, newest] = [blocks[0], blocks.at(-1)];
    if (oldest === undefined || newest === undefined) return;
    // Otherwise lines of other controls are in between, and tails read all of them from the database.
    const isNext = oldest.first === this.#published + 1;
    if (isNext) this.#published = lastOf(newest);
    else this.#skipTo(lastOf(newest));
    const byHandler = Map.groupBy(blocks, ({ handlerId }) => handlerId);
    for (const [handlerId, theirs] of byHandler) {
      const bytes = theirs.reduce((sum, block) => sum + bytesOf(block) + retentionLimits.blockOverheadBytes, 0);
      this.#retention.grown(handlerId, { lines: linesOf(theirs), bytes });
      this.#merger.grown(handlerId, theirs.length);
      this.#onGrown(handlerId, bytes);
      for (const block of theirs) this.#recent.add(handlerId, block, block.data);
      if (isNext) this.#tails.push(handlerId, theirs);
    }
  }

  /** Tells the tails that all lines up to `cursor` are stored, and that not all of them were pushed to the tails. */
  #skipTo(cursor: number): void {
    if (cursor <= this.#published) return;
    this.#published = cursor;
    this.#tails.extend(cursor);
  }

  async #catchUp(): Promise<void> {
    this.#skipTo(await this.#cursors.last());
  }

  #follow(): void {
    if (this.#tails.count === 0) return;
    // Every writer reports a database that does not answer.
    void this.#catchUp().catch(() => {});
  }

  /** Counts lines that are not stored. A sender sends a batch with an id again, or reports its lines as dropped. */
  #lose({ blocks, dropped, id }: Batch): void {
    if (id !== null) return;
    for (const { handlerId, lines } of blocks) this.#countLost(handlerId, lines);
    for (const [handlerId, count] of Object.entries(dropped)) this.#countLost(handlerIdOf(handlerId), count);
  }

  #countLost(handlerId: HandlerId, count: number): void {
    if (!isCount(count)) return;
    this.#dropped += count;
    this.#lost.add(handlerId, count);
  }
}

/** Checks an id; ids come from the platform's own runners and nodes, so a bad one is a mistake in this program. */
function checkedId({ origin, number }: LogBatchId): LogBatchId {
  if (origin.length === 0 || origin.length > storeLimits.originChars || !Number.isSafeInteger(number))
    throw new TypeError('not the id of a batch of log lines');
  return { origin, number };
}

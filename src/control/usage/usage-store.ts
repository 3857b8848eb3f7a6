/**
 * Stores how invocations ended: records (bounded, perhaps sampled by the runner) and exact counters per Deployment and
 * minute. Recent figures are also kept in memory (recent.ts), for readers that watch live.
 */

import type { Transaction } from 'kysely';
import type { RunningChange, UsageSums } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { InvocationRecord, InvocationTrigger, PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { LogBatchId } from '../../protocol/ports.ts';
import type { UsageMinute, UsageSummary } from '../../protocol/views.ts';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Database } from '../db/database.ts';
import { advanceOrigin } from '../db/origins.ts';
import type { Schema } from '../db/schema.ts';
import { WriteQueue } from '../db/write-queue.ts';
import { existingHandlers, namesOf } from '../handlers/existing-handlers.ts';
import { FiguresByHandler, type HandlerFigures } from './handler-figures.ts';
import { InvocationReader } from './invocation-reader.ts';
import { type HandlerRef, placed, type ReportedUsage, toRecordRow } from './invocation-rows.ts';
import { usageLimits } from './limits.ts';
import { RecentUsage } from './recent.ts';
import { RecordRetention } from './record-retention.ts';
import { RunningInvocations } from './running.ts';
import { addCount, PendingCounts, toCountRow } from './usage-counts.ts';
import { readLastCalls, readMinutes } from './usage-minutes.ts';

/** Name of all handlers that are not counted by themselves. No handler can have it: names have no underscore. */
export const otherHandlers = '_other';

/** Counters since the start, for /metrics. */
export interface UsageTotals extends UsageSums {
  readonly recordsStored: number;
  readonly recordsDropped: number;
}

/** Figures of one handler; `otherHandlers` for all that are not counted by themselves. */
export interface NamedFigures {
  readonly name: string;
  readonly figures: HandlerFigures;
}

/** Usage that a node of a cluster has sent. */
export interface SentUsage extends ReportedUsage {
  /** Sender, and number that grows from batch to batch. */
  readonly id: LogBatchId;
}

const insertRecords = new BatchInsert({
  table: 'invocations',
  columns: ['id', 'handler_id', 'deployment', 'started_ms', 'status', 'outcome', 'duration_ms', 'gas', 'record'],
  // A runner that got no confirmation may send a record again.
  ifNew: ['id'],
});

export class UsageStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #onGrown: (handlerId: HandlerId, bytes: number) => void;
  readonly #queue: WriteQueue<readonly PendingInvocationRecord[]>;
  readonly #recent: RecentUsage;
  readonly #figures = new FiguresByHandler();
  readonly #running = new RunningInvocations();
  readonly #invocations: InvocationReader;
  readonly #retention: RecordRetention;
  /** Counts for the next write. A write that fails adds its counts again, so that counters stay exact. */
  #counts = new PendingCounts();
  #totals: UsageTotals = {
    invocations: 0,
    failures: 0,
    gas: 0,
    durationMs: 0,
    bytesIn: 0,
    bytesOut: 0,
    recordsStored: 0,
    recordsDropped: 0,
  };

  constructor(options: {
    readonly db: Database;
    /** Unix milliseconds. */
    readonly now: () => number;
    readonly onError: (error: unknown) => void;
    /** Is called with the bytes of stored records. */
    readonly onGrown?: (handlerId: HandlerId, bytes: number) => void;
  }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#onError = options.onError;
    this.#onGrown = options.onGrown ?? (() => {});
    this.#recent = new RecentUsage(options.now);
    this.#retention = new RecordRetention(options);
    this.#invocations = new InvocationReader({ db: options.db, running: this.#running, now: options.now });
    this.#queue = new WriteQueue({
      waitingMax: usageLimits.waiting,
      batchMax: usageLimits.batch,
      weigh: (records) => Math.max(1, records.length),
      write: (batches) => this.#write(batches.flat()),
    });
  }

  /**
   * Stores records and counts. Resolves when they are stored, or when records were counted as dropped (queue full,
   * database failing); never rejects.
   */
  async record(usage: ReportedUsage): Promise<void> {
    const { records, counts } = placed(usage);
    const atMs = this.#now();
    for (const count of counts) this.#add(toCountRow(count, atMs));
    this.#recent.add(records, counts);
    this.#figures.add(counts);
    const done = this.#queue.push(records);
    // The queue is full: a write is running, and the next one takes the counts along.
    if (done === null) this.#countRecords({ dropped: records.length });
    else await done;
  }

  /**
   * Stores batches of nodes, each once: one that was stored before, by any control, is left out. All are stored in one
   * transaction with their numbers. Throws SqlError; then nothing is stored, and the batches are sent again.
   */
  async storeOnce(batches: readonly SentUsage[]): Promise<void> {
    const atMs = this.#now();
    const { fresh, rows } = await this.#db.relaxed.transaction().execute(async (trx) => {
      const fresh: ReportedUsage[] = [];
      for (const { id, ...usage } of batches)
        if (await advanceOrigin(trx, { ...id, origin: `usage ${id.origin}` }, atMs)) fresh.push(placed(usage));
      const counts = new PendingCounts();
      for (const count of fresh.flatMap((usage) => usage.counts)) counts.add(toCountRow(count, atMs));
      const records = fresh.flatMap((usage) => usage.records);
      return { fresh, rows: await this.#insert(trx, records, counts) };
    });
    this.#stored(rows);
    for (const { records, counts } of fresh) {
      for (const count of counts) this.#total(toCountRow(count, atMs));
      this.#recent.add(records, counts);
      this.#figures.add(counts);
    }
  }

  /**
   * Updates which Invocations run in a runner. null: the runner has ended; Invocations that ran in it are recorded as
   * aborted.
   */
  running(runnerId: string, change: RunningChange | null): void {
    if (change !== null) {
      this.#running.change(runnerId, change);
      return;
    }
    const nowMs = this.#now();
    const records = this.#running.runnerEnded(runnerId).map(
      (record): PendingInvocationRecord => ({
        ...record,
        outcome: 'aborted',
        durationMs: Math.max(0, nowMs - record.startedMs),
      }),
    );
    if (records.length > 0) void this.record({ records, counts: [] });
  }

  /** Returns a page of Invocations: see InvocationReader. Throws `not_found` when `before` is not kept. */
  list(handler: HandlerRef, page: Parameters<InvocationReader['list']>[1]): Promise<readonly InvocationRecord[]> {
    return this.#invocations.list(handler, page);
  }

  /** Returns the Invocation, running or ended; null: it is not kept. */
  find(handler: HandlerRef, invocation: string): Promise<InvocationRecord | null> {
    return this.#invocations.find(handler, invocation);
  }

  /** Returns the id of the listed running Invocation that `trigger` has made run; null: none is listed. */
  runningOf(handlerId: HandlerId, { kind, name }: InvocationTrigger): string | null {
    const found = this.#running
      .of(handlerId)
      .find(({ trigger }) => trigger !== undefined && trigger.kind === kind && trigger.name === name);
    return found?.id ?? null;
  }

  /** Returns whether the Invocation is listed as running. */
  isRunning(handlerId: HandlerId, invocation: string): boolean {
    return this.#running.of(handlerId).some(({ id }) => id === invocation);
  }

  /** Returns the figures of the last minutes, from memory. */
  summary(handlerId: HandlerId): UsageSummary {
    return this.#recent.summary(handlerId);
  }

  /**
   * Returns figures since the start: of the handlers that are counted by themselves, by their present names, and of all
   * others together.
   */
  async figures(): Promise<readonly NamedFigures[]> {
    // Of one moment: a handler that is called for the first time meanwhile is in the next figures.
    const ids = [...this.#figures.ids];
    const names = await namesOf(this.#db.reader, ids);
    const named: NamedFigures[] = [];
    for (const handlerId of ids) {
      const name = names.get(handlerId);
      const figures = this.#figures.of(handlerId);
      if (name === undefined) this.#figures.merge(handlerId);
      else if (figures !== undefined) named.push({ name, figures });
    }
    return [...named, { name: otherHandlers, figures: this.#figures.others }];
  }

  /** Returns one row per minute that saw an invocation, over all Deployments, from `sinceMs` on, ascending. */
  minutes(handlerId: HandlerId, sinceMs: number): Promise<readonly UsageMinute[]> {
    return readMinutes(this.#db, handlerId, sinceMs);
  }

  /** Returns the last minute, in Unix milliseconds, in which each handler had an invocation. */
  lastCallMs(): Promise<Readonly<Record<HandlerId, number>>> {
    return readLastCalls(this.#db);
  }

  get totals(): UsageTotals {
    return this.#totals;
  }

  /**
   * Removes the oldest records and counters by the minute of a handler until they take about `bytes` in the database;
   * some hundred of the newest records stay.
   */
  trim(handlerId: HandlerId, bytes: number): Promise<void> {
    return this.#retention.trimTo(handlerId, bytes);
  }

  /** Removes everything of a handler that is being purged. */
  async removeHandler(handler: HandlerRef): Promise<void> {
    await this.#retention.removeAll(handler.id);
    await this.#db.relaxed.deleteFrom('usage').where('handler_id', '=', handler.id).execute();
    this.#recent.forget(handler.id);
  }

  /** Removes counters older than `usageLimits.minutesMs`; once a day is often enough. */
  async prune(): Promise<void> {
    const before = this.#now() - usageLimits.minutesMs;
    await this.#db.relaxed.deleteFrom('usage').where('minute_ms', '<', before).execute();
  }

  /** Resolves when everything recorded so far is stored, or has failed once more. */
  async close(): Promise<void> {
    await this.#queue.idle();
    if (this.#counts.size > 0) await this.#write([]);
    await this.#retention.close();
  }

  async #write(records: readonly PendingInvocationRecord[]): Promise<void> {
    const counts = this.#counts;
    this.#counts = new PendingCounts();
    try {
      this.#stored(await this.#db.relaxed.transaction().execute((trx) => this.#insert(trx, records, counts)));
    } catch (error) {
      for (const count of counts) this.#keep(count);
      this.#countRecords({ dropped: records.length });
      this.#onError(error);
    }
  }

  /** Inserts what belongs to handlers that exist: other rows would fail the write of all at every attempt. */
  async #insert(
    trx: Transaction<Schema>,
    records: readonly PendingInvocationRecord[],
    counts: PendingCounts,
  ): Promise<readonly Schema['invocations'][]> {
    const mentioned = [...records.map(({ handlerId }) => handlerId), ...counts.handlerIds()];
    const existing = await existingHandlers(trx, mentioned);
    const rows = records
      .filter(({ handlerId }) => existing.has(handlerId))
      .map(toRecordRow)
      .filter((row) => row !== null);
    await insertRecords.insert(trx, rows);
    // In one order on all controls, so that two that add to the same rows do not wait for each other.
    const sorted = [...counts].sort(
      (a, b) => compare(a.handler_id, b.handler_id) || a.deployment - b.deployment || a.minute_ms - b.minute_ms,
    );
    for (const count of sorted) if (existing.has(handlerIdOf(count.handler_id))) await addCount(trx, count);
    return rows;
  }

  /** Notes rows that are stored. */
  #stored(rows: readonly Schema['invocations'][]): void {
    this.#countRecords({ stored: rows.length });
    for (const [handlerId, theirs] of Map.groupBy(rows, (row) => row.handler_id)) {
      this.#retention.grown(handlerId, theirs.length);
      this.#onGrown(
        handlerId,
        theirs.reduce((sum, { record }) => sum + record.length, 0),
      );
    }
  }

  #add(count: Schema['usage']): void {
    this.#total(count);
    this.#keep(count);
  }

  #total(count: Schema['usage']): void {
    const { invocations, failures, gas, duration_ms, bytes_in, bytes_out } = count;
    this.#totals = {
      ...this.#totals,
      invocations: this.#totals.invocations + invocations,
      failures: this.#totals.failures + failures,
      gas: this.#totals.gas + gas,
      durationMs: this.#totals.durationMs + duration_ms,
      bytesIn: this.#totals.bytesIn + bytes_in,
      bytesOut: this.#totals.bytesOut + bytes_out,
    };
  }

  #keep(count: Schema['usage']): void {
    if (!this.#counts.add(count))
      this.#onError(
        new Error(`usage of handler ${count.handler_id} was lost: too many counters wait for the database`),
      );
  }

  #countRecords({ stored = 0, dropped = 0 }: { stored?: number; dropped?: number }): void {
    const { recordsStored, recordsDropped } = this.#totals;
    this.#totals = {
      ...this.#totals,
      recordsStored: recordsStored + stored,
      recordsDropped: recordsDropped + dropped,
    };
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * How invocations ended: records (bounded, perhaps sampled by the runner) and exact counters per
 * Deployment and minute. Recent figures are kept in memory too (recent.ts) for whoever watches live.
 */
import { type Kysely, sql } from 'kysely';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { WriteQueue } from '../db/write-queue.ts';
import type { HandlerIds } from '../handlers/handler-ids.ts';
import type { UsageCount } from '../protocol/messages.ts';
import type { InvocationRecord } from '../protocol/nouns.ts';
import { RecentUsage, type UsageSummary } from './recent.ts';

export const usageLimits = {
  /** Records waiting for the database, about 1 KiB each. Beyond: records are dropped, counts are not. */
  waiting: 20_000,
  /** Counters waiting for a database that fails, one per handler, Deployment and minute. */
  pendingCounts: 100_000,
  batch: 2_000,
  /** Records kept per handler. */
  records: 10_000,
  /** A handler's records are looked at again when they have grown by this many. */
  slack: 1_000,
  /** Records deleted by one statement. */
  step: 500,
  /** JSON of one record; a longer one loses its system calls and schemes. */
  recordChars: 16_384,
  /** Counters by the minute are kept for 90 days. */
  minutesMs: 90 * 24 * 60 * 60_000,
  /** One answer. */
  listed: 500,
} as const;

export const minuteMs = 60_000;

export interface UsageMinute {
  readonly minuteMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Counters since the start, for /metrics. */
export interface UsageTotals {
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly recordsStored: number;
  readonly recordsDropped: number;
}

/** A row of `usage`, with the handler's name where the id will be. */
type NamedCount = Omit<Schema['usage'], 'handler_id'> & { readonly handler: string };

interface HandlerRef {
  readonly id: string;
  readonly name: string;
}

const insertRecords = new BatchInsert({
  table: 'invocations',
  columns: ['id', 'handler_id', 'deployment', 'started_ms', 'status', 'outcome', 'duration_ms', 'gas', 'record'],
  // A runner that did not hear back may send a record again.
  ifNew: ['id'],
});

export class UsageStore {
  readonly #db: Database;
  readonly #ids: HandlerIds;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #queue: WriteQueue<readonly InvocationRecord[]>;
  readonly #recent: RecentUsage;
  /** What the next write adds up; a write that fails puts its own back, so that counters stay exact. */
  #counts = new Map<string, NamedCount>();
  readonly #grown = new Map<string, number>();
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
    readonly ids: HandlerIds;
    /** Unix milliseconds. */
    readonly now: () => number;
    readonly onError: (error: unknown) => void;
  }) {
    this.#db = options.db;
    this.#ids = options.ids;
    this.#now = options.now;
    this.#onError = options.onError;
    this.#recent = new RecentUsage(options.now);
    this.#queue = new WriteQueue({
      waitingMax: usageLimits.waiting,
      batchMax: usageLimits.batch,
      weigh: (records) => Math.max(1, records.length),
      write: (batches) => this.#write(batches.flat()),
    });
  }

  /** Resolves when stored, or when records were counted as dropped (queue full, database failing); never rejects. */
  async record(usage: {
    readonly records: readonly InvocationRecord[];
    readonly counts: readonly UsageCount[];
  }): Promise<void> {
    const { records, counts } = usage;
    const minute = Math.floor(this.#now() / minuteMs) * minuteMs;
    for (const count of counts) this.#add(toNamedCount(count, minute));
    this.#recent.add(records, counts);
    const done = this.#queue.push(records);
    // Full: a write is running, and the one after it takes the counts along.
    if (done === null) this.#countRecords({ dropped: records.length });
    else await done;
  }

  /** The newest first. `limit` from 1 to `usageLimits.listed`. */
  async list(
    handlerId: string,
    options: {
      readonly limit: number;
      readonly before?: number | undefined;
      readonly failed?: boolean | undefined;
    },
  ): Promise<readonly InvocationRecord[]> {
    let query = this.#db.reader.selectFrom('invocations').select('record').where('handler_id', '=', handlerId);
    if (options.before !== undefined) query = query.where('started_ms', '<', options.before);
    if (options.failed === true) query = query.where('outcome', '!=', 'ok');
    const rows = await query
      .orderBy('started_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(Math.min(options.limit, usageLimits.listed))
      .execute();
    return rows.map(({ record }): InvocationRecord => JSON.parse(record));
  }

  async find(handlerId: string, invocation: string): Promise<InvocationRecord | null> {
    const row = await this.#db.reader
      .selectFrom('invocations')
      .select('record')
      .where('handler_id', '=', handlerId)
      .where('id', '=', invocation)
      .executeTakeFirst();
    return row === undefined ? null : JSON.parse(row.record);
  }

  /** Figures of the last minutes, from memory. */
  summary(handlerName: string): UsageSummary {
    return this.#recent.summary(handlerName);
  }

  /** One row per minute that saw an invocation, over all Deployments, from `sinceMs` on, ascending. */
  async minutes(handlerId: string, sinceMs: number): Promise<readonly UsageMinute[]> {
    const rows = await this.#db.reader
      .selectFrom('usage')
      .select((eb) => [
        'minute_ms',
        eb.fn.sum<number>('invocations').as('invocations'),
        eb.fn.sum<number>('failures').as('failures'),
        eb.fn.sum<number>('gas').as('gas'),
        eb.fn.sum<number>('duration_ms').as('duration_ms'),
        eb.fn.sum<number>('bytes_in').as('bytes_in'),
        eb.fn.sum<number>('bytes_out').as('bytes_out'),
      ])
      .where('handler_id', '=', handlerId)
      .where('minute_ms', '>=', sinceMs)
      .groupBy('minute_ms')
      .orderBy('minute_ms')
      .execute();
    return rows.map((row) => ({
      minuteMs: row.minute_ms,
      invocations: Number(row.invocations),
      failures: Number(row.failures),
      gas: Number(row.gas),
      durationMs: Number(row.duration_ms),
      bytesIn: Number(row.bytes_in),
      bytesOut: Number(row.bytes_out),
    }));
  }

  get totals(): UsageTotals {
    return this.#totals;
  }

  /** Removes everything of a handler that is being purged. */
  async removeHandler(handler: HandlerRef): Promise<void> {
    await this.#deleteRecords(handler.id, Number.MAX_SAFE_INTEGER);
    await this.#db.relaxed.deleteFrom('usage').where('handler_id', '=', handler.id).execute();
    this.#recent.forget(handler.name);
    this.#ids.forget(handler.name);
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
  }

  async #write(records: readonly InvocationRecord[]): Promise<void> {
    const counts = this.#counts;
    this.#counts = new Map();
    try {
      const ids = await this.#ids.resolve([...records, ...counts.values()].map(({ handler }) => handler));
      const rows = records.filter((record) => ids.has(record.handler)).map((record) => toRow(record, ids));
      await this.#db.relaxed.transaction().execute(async (trx) => {
        await insertRecords.insert(trx, rows);
        for (const { handler, ...count } of counts.values()) {
          const handlerId = ids.get(handler);
          if (handlerId !== undefined) await addCount(trx, { handler_id: handlerId, ...count });
        }
      });
      this.#countRecords({ stored: rows.length });
      await this.#trimAll(rows);
    } catch (error) {
      for (const count of counts.values()) this.#keep(count);
      this.#countRecords({ dropped: records.length });
      this.#onError(error);
    }
  }

  #add(count: NamedCount): void {
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
    this.#keep(count);
  }

  #keep(count: NamedCount): void {
    const key = `${count.handler} ${count.deployment} ${count.minute_ms}`;
    const known = this.#counts.get(key);
    if (known === undefined) {
      if (this.#counts.size >= usageLimits.pendingCounts)
        this.#onError(new Error(`usage of ${count.handler} was lost: too many counters wait for the database`));
      else this.#counts.set(key, { ...count });
      return;
    }
    known.invocations += count.invocations;
    known.failures += count.failures;
    known.gas += count.gas;
    known.duration_ms += count.duration_ms;
    known.bytes_in += count.bytes_in;
    known.bytes_out += count.bytes_out;
  }

  #countRecords({ stored = 0, dropped = 0 }: { stored?: number; dropped?: number }): void {
    const { recordsStored, recordsDropped } = this.#totals;
    this.#totals = {
      ...this.#totals,
      recordsStored: recordsStored + stored,
      recordsDropped: recordsDropped + dropped,
    };
  }

  /** Its failure concerns nothing that has been written: the next batch tries again. */
  async #trimAll(rows: readonly Schema['invocations'][]): Promise<void> {
    try {
      const byHandler = Map.groupBy(rows, (row) => row.handler_id);
      for (const [handlerId, theirs] of byHandler) await this.#trim(handlerId, theirs.length);
    } catch (error) {
      this.#grown.clear();
      this.#onError(error);
    }
  }

  async #trim(handlerId: string, grown: number): Promise<void> {
    const before = this.#grown.get(handlerId);
    const total = (before ?? usageLimits.slack) + grown;
    const due = total >= usageLimits.slack;
    this.#grown.delete(handlerId);
    this.#grown.set(handlerId, due ? 0 : total);
    if (this.#grown.size > 20_000) this.#grown.clear(); // each is then looked at once more
    if (!due) return;
    const surplus = await this.#db.reader
      .selectFrom('invocations')
      .select('started_ms')
      .where('handler_id', '=', handlerId)
      .orderBy('started_ms', 'desc')
      .limit(1)
      .offset(usageLimits.records)
      .executeTakeFirst();
    if (surplus !== undefined) await this.#deleteRecords(handlerId, surplus.started_ms);
  }

  async #deleteRecords(handlerId: string, upToMs: number): Promise<void> {
    for (;;) {
      const step = await this.#db.reader
        .selectFrom('invocations')
        .select('id')
        .where('handler_id', '=', handlerId)
        .where('started_ms', '<=', upToMs)
        .orderBy('started_ms')
        .limit(usageLimits.step)
        .execute();
      if (step.length === 0) return;
      await this.#db.relaxed
        .deleteFrom('invocations')
        .where(
          'id',
          'in',
          step.map(({ id }) => id),
        )
        .execute();
    }
  }
}

function toRow(record: InvocationRecord, ids: ReadonlyMap<string, string>): Schema['invocations'] {
  let json = JSON.stringify(record);
  if (json.length > usageLimits.recordChars)
    json = JSON.stringify({ ...record, path: record.path.slice(0, 2_000), syscalls: {}, io: {} });
  return {
    id: record.id,
    handler_id: ids.get(record.handler)!,
    deployment: whole(record.deployment),
    started_ms: whole(Math.floor(record.startedMs)),
    status: whole(record.status),
    outcome: String(record.outcome),
    duration_ms: positive(record.durationMs),
    gas: whole(record.gas),
    record: json,
  };
}

function toNamedCount(count: UsageCount, minute: number): NamedCount {
  return {
    handler: count.handler,
    deployment: whole(count.deployment),
    minute_ms: minute,
    invocations: whole(count.invocations),
    failures: whole(count.failures),
    gas: whole(count.gas),
    duration_ms: positive(count.durationMs),
    bytes_in: whole(count.bytesIn),
    bytes_out: whole(count.bytesOut),
  };
}

async function addCount(trx: Kysely<Schema>, row: Schema['usage']): Promise<void> {
  await trx
    .insertInto('usage')
    .values(row)
    .onConflict((oc) =>
      oc.columns(['handler_id', 'minute_ms', 'deployment']).doUpdateSet({
        invocations: sql`usage.invocations + ${row.invocations}`,
        failures: sql`usage.failures + ${row.failures}`,
        gas: sql`usage.gas + ${row.gas}`,
        duration_ms: sql`usage.duration_ms + ${row.duration_ms}`,
        bytes_in: sql`usage.bytes_in + ${row.bytes_in}`,
        bytes_out: sql`usage.bytes_out + ${row.bytes_out}`,
      }),
    )
    .execute();
}

function whole(n: number): number {
  return Number.isSafeInteger(n) && n >= 0 ? n : 0;
}

function positive(n: number): number {
  return Number.isFinite(n) && n >= 0 ? n : 0;
}

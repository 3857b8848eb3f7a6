/**
 * Counts what becomes of messages, by queue and minute. Each control keeps its counts for a second and adds them to the
 * rows that all controls share; a control that is killed loses those of its last second.
 */
import { type QueueEvent, queueEvents } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { Database } from '../db/database.ts';

export type QueueCounts = Readonly<Record<QueueEvent, number>>;

export const queueRateLimits = {
  /** Milliseconds between two writes. */
  flushMs: 1_000,
  /** Milliseconds that a rate looks back; rows are kept three times as long. */
  windowMs: 5 * 60_000,
  /** Rows of one statement. */
  rows: 500,
} as const;

const minuteMs = 60_000;

export class QueueRates {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #report: (message: string, error: unknown) => void;
  readonly #totals: Record<QueueEvent, number> = recordOf(queueEvents, () => 0);
  #waiting = new Map<string, Record<QueueEvent, number>>();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> = Promise.resolve();

  /** `now` in Unix milliseconds. `report` takes a failure of the database, for the platform's own log. */
  constructor(options: {
    readonly db: Database;
    readonly now: () => number;
    readonly report: (message: string, error: unknown) => void;
  }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#report = options.report;
  }

  /** Counts of this process since its start, over all queues. */
  get totals(): QueueCounts {
    return this.#totals;
  }

  /** Counts `messages` messages of a queue. */
  count(queueId: string, event: QueueEvent, messages: number): void {
    if (messages === 0) return;
    this.#totals[event] += messages;
    const counts = this.#waiting.get(queueId) ?? recordOf(queueEvents, () => 0);
    counts[event] += messages;
    this.#waiting.set(queueId, counts);
  }

  /** Begins to store what is counted each queueRateLimits.flushMs. */
  start(): void {
    this.#timer = setInterval(() => void this.flush(), queueRateLimits.flushMs);
  }

  /**
   * Stores what has been counted; resolves when it is stored, or lost because the database failed, which is reported.
   */
  flush(): Promise<void> {
    this.#flushing = this.#flushing
      .then(() => this.#write())
      .catch((error: unknown) => this.#report('counts of queues were lost', error));
    return this.#flushing;
  }

  /** Stores what has been counted; nothing is to be counted after it. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    const all = [...this.#waiting];
    this.#waiting = new Map();
    const minute = Math.floor(this.#now() / minuteMs) * minuteMs;
    // In one order on every control: row locks of PostgreSQL then never wait in a circle.
    all.sort(([a], [b]) => (a < b ? -1 : 1));
    for (let at = 0; at < all.length; at += queueRateLimits.rows)
      await this.#db.relaxed
        .insertInto('queue_rates')
        .values(
          all
            .slice(at, at + queueRateLimits.rows)
            .map(([queueId, counts]) => ({ queue_id: queueId, minute_ms: minute, ...counts })),
        )
        .onConflict((oc) =>
          oc.columns(['queue_id', 'minute_ms']).doUpdateSet((eb) => ({
            published: eb('queue_rates.published', '+', eb.ref('excluded.published')),
            acknowledged: eb('queue_rates.acknowledged', '+', eb.ref('excluded.acknowledged')),
            retried: eb('queue_rates.retried', '+', eb.ref('excluded.retried')),
            dead: eb('queue_rates.dead', '+', eb.ref('excluded.dead')),
          })),
        )
        .execute();
  }
}

/**
 * Returns the counts of queues in the last queueRateLimits.windowMs, by the minute; queues without any are left out.
 */
export async function recentCounts(
  db: Database,
  queueIds: readonly string[],
  nowMs: number,
): Promise<ReadonlyMap<string, QueueCounts>> {
  if (queueIds.length === 0) return new Map();
  const rows = await db.reader
    .selectFrom('queue_rates')
    .select(({ fn }) => [
      'queue_id',
      fn.sum<number>('published').as('published'),
      fn.sum<number>('acknowledged').as('acknowledged'),
      fn.sum<number>('retried').as('retried'),
      fn.sum<number>('dead').as('dead'),
    ])
    .where('queue_id', 'in', queueIds)
    .where('minute_ms', '>', nowMs - queueRateLimits.windowMs)
    .groupBy('queue_id')
    .execute();
  return new Map(rows.map((row) => [row.queue_id, recordOf(queueEvents, (event) => Number(row[event]))]));
}

/** Removes rows that no rate looks at any more. */
export async function pruneRates(db: Database, nowMs: number): Promise<void> {
  await db.relaxed
    .deleteFrom('queue_rates')
    .where('minute_ms', '<', nowMs - 3 * queueRateLimits.windowMs)
    .execute();
}

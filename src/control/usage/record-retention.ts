/** Keeps the newest invocation records of each handler, in small steps between the writes. */
import { sql } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';

export const recordLimits = {
  /** Records kept per handler; about 1 KiB each. */
  retained: 10_000,
  /** Number of new records after which a handler is trimmed again. */
  slack: 1_000,
  /** Records deleted by one statement; as many of the newest are kept, whatever the quota. */
  step: 500,
  /** Bytes counted for a record besides its JSON, and for a counter of a minute in all: columns and indexes. */
  rowBytes: 150,
} as const;

export class RecordRetention {
  readonly #db: Database;
  readonly #watch: GrowthWatch;

  constructor(options: { readonly db: Database; readonly onError: (error: unknown) => void }) {
    this.#db = options.db;
    this.#watch = new GrowthWatch({
      slack: recordLimits.slack,
      trim: (handlerId) => this.#trim(handlerId),
      onError: options.onError,
    });
  }

  /** Adds stored records to a handler's growth. */
  grown(handlerId: HandlerId, records: number): void {
    this.#watch.grown(handlerId, records);
  }

  /** Resolves when no trim is due. */
  idle(): Promise<void> {
    return this.#watch.idle();
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  async removeAll(handlerId: HandlerId): Promise<void> {
    await this.#deleteUpTo(handlerId, Number.MAX_SAFE_INTEGER);
    this.#watch.forget(handlerId);
  }

  /**
   * Removes the oldest counters by the minute of a handler until they take at most half of `bytes`, and the oldest
   * records until all is within `bytes`. The newest `recordLimits.step` records stay.
   */
  async trimTo(handlerId: HandlerId, bytes: number): Promise<void> {
    const { rowBytes, retained, slack, step } = recordLimits;
    const minutes = await this.#trimMinutes(handlerId, Math.floor(bytes / 2 / rowBytes));
    const records = await this.#db.reader
      .selectFrom('invocations')
      .select(['started_ms', sql<number>`octet_length(record)`.as('bytes')])
      .where('handler_id', '=', handlerId)
      .orderBy('started_ms', 'desc')
      .limit(retained + slack)
      .execute();
    let left = bytes - minutes * rowBytes;
    for (const [index, record] of records.entries()) {
      left -= Number(record.bytes) + rowBytes;
      if (left < 0 && index >= step) return this.#deleteUpTo(handlerId, record.started_ms);
    }
  }

  /** Keeps about the newest `keep` counters of a handler, whole minutes only. Returns the number of remaining ones. */
  async #trimMinutes(handlerId: HandlerId, keep: number): Promise<number> {
    const surplus = await this.#db.reader
      .selectFrom('usage')
      .select('minute_ms')
      .where('handler_id', '=', handlerId)
      .orderBy('minute_ms', 'desc')
      .limit(1)
      .offset(keep)
      .executeTakeFirst();
    if (surplus !== undefined)
      await this.#db.relaxed
        .deleteFrom('usage')
        .where('handler_id', '=', handlerId)
        .where('minute_ms', '<=', surplus.minute_ms)
        .execute();
    const { rows } = await this.#db.relaxed
      .selectFrom('usage')
      .select(({ fn }) => fn.countAll<number>().as('rows'))
      .where('handler_id', '=', handlerId)
      .executeTakeFirstOrThrow();
    return Number(rows);
  }

  async #trim(handlerId: HandlerId): Promise<void> {
    const surplus = await this.#db.reader
      .selectFrom('invocations')
      .select('started_ms')
      .where('handler_id', '=', handlerId)
      .orderBy('started_ms', 'desc')
      .limit(1)
      .offset(recordLimits.retained)
      .executeTakeFirst();
    if (surplus !== undefined) await this.#deleteUpTo(handlerId, surplus.started_ms);
  }

  async #deleteUpTo(handlerId: HandlerId, startedMs: number): Promise<void> {
    for (;;) {
      const step = await this.#db.reader
        .selectFrom('invocations')
        .select('id')
        .where('handler_id', '=', handlerId)
        .where('started_ms', '<=', startedMs)
        .orderBy('started_ms')
        .limit(recordLimits.step)
        .execute();
      if (step.length === 0) return;
      const ids = step.map(({ id }) => id);
      await this.#db.relaxed.deleteFrom('invocations').where('id', 'in', ids).execute();
    }
  }
}

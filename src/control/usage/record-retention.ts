/** Keeps the newest invocation records of each handler, in small steps between the writes. */
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';

export const recordLimits = {
  /** Records kept per handler; about 1 KiB each. */
  retained: 10_000,
  /** A handler is looked at again when it has grown by this many. */
  slack: 1_000,
  /** Records deleted by one statement. */
  step: 500,
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

  /** Takes notice that `records` more of a handler have been stored. */
  grown(handlerId: string, records: number): void {
    this.#watch.grown(handlerId, records);
  }

  /** Resolves when nothing is due. */
  idle(): Promise<void> {
    return this.#watch.idle();
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  async removeAll(handlerId: string): Promise<void> {
    await this.#deleteUpTo(handlerId, Number.MAX_SAFE_INTEGER);
    this.#watch.forget(handlerId);
  }

  async #trim(handlerId: string): Promise<void> {
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

  async #deleteUpTo(handlerId: string, startedMs: number): Promise<void> {
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

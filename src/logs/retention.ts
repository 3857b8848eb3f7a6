/** Keeps the newest lines of each handler. Off the hot path, in small steps between the inserts. */
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import { logLimits } from '../protocol/limits.ts';

export const retentionLimits = {
  /** Lines deleted by one statement: a few milliseconds that an insert may have to wait. */
  stepLines: 1_000,
  /** A handler is looked at again when it has grown by this many: a tenth more than retained, at worst. */
  slackLines: logLimits.retainedLines / 10,
} as const;

export class LogRetention {
  readonly #db: Database;
  readonly #retained: number;
  readonly #watch: GrowthWatch;
  #closed = false;

  constructor(options: {
    readonly db: Database;
    readonly onError: (error: unknown) => void;
    readonly retainedLines?: number;
    readonly slackLines?: number;
  }) {
    this.#db = options.db;
    this.#retained = options.retainedLines ?? logLimits.retainedLines;
    this.#watch = new GrowthWatch({
      slack: options.slackLines ?? retentionLimits.slackLines,
      trim: (handlerId) => this.#trim(handlerId),
      onError: options.onError,
    });
  }

  /** `lines` more of a handler have been stored. */
  grown(handlerId: string, lines: number): void {
    this.#watch.grown(handlerId, lines);
  }

  /** Resolves when nothing is due. */
  idle(): Promise<void> {
    return this.#watch.idle();
  }

  /** Ends a running trim after its step: at the next start it goes on. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#watch.close();
  }

  /** Throws where it was closed meanwhile: not everything is gone then. */
  async removeAll(handlerId: string): Promise<void> {
    if (!(await this.#deleteUpTo(handlerId, Number.MAX_SAFE_INTEGER))) throw new Error('the log store is closed');
    this.#watch.forget(handlerId);
  }

  async #trim(handlerId: string): Promise<void> {
    const newestSurplus = await this.#db.reader
      .selectFrom('log_lines')
      .select('cursor')
      .where('handler_id', '=', handlerId)
      .orderBy('cursor', 'desc')
      .limit(1)
      .offset(this.#retained)
      .executeTakeFirst();
    if (newestSurplus !== undefined) await this.#deleteUpTo(handlerId, newestSurplus.cursor);
  }

  /** Whether everything has gone. */
  async #deleteUpTo(handlerId: string, cursor: number): Promise<boolean> {
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom('log_lines')
        .select('cursor')
        .where('handler_id', '=', handlerId)
        .where('cursor', '<=', cursor)
        .orderBy('cursor')
        .limit(1)
        .offset(retentionLimits.stepLines - 1)
        .executeTakeFirst();
      await this.#db.relaxed
        .deleteFrom('log_lines')
        .where('handler_id', '=', handlerId)
        .where('cursor', '<=', step?.cursor ?? cursor)
        .execute();
      if (step === undefined) return true;
    }
    return false;
  }
}

/** Keeps the newest lines of each handler. Off the hot path, in small steps between the inserts. */
import { sql } from 'kysely';
import { logLimits, MIB } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import { forgetExpired, noteExpired } from './expired.ts';

export const retentionLimits = {
  /** Lines deleted, or added up, by one statement: a few milliseconds that an insert may have to wait. */
  stepLines: 1_000,
  /** Text kept per handler; full-length lines would otherwise make 1.6 GB of the lines retained. */
  retainedBytes: 128 * MIB,
  /** What a line costs besides its text: the other columns and the index. */
  lineOverheadBytes: 150,
  /** A handler is looked at again when it has grown by a tenth of what is retained, of lines or of bytes. */
  slack: 0.1,
} as const;

export interface LogRetentionOptions {
  readonly db: Database;
  readonly onError: (error: unknown) => void;
  readonly retainedLines?: number;
  readonly retainedBytes?: number;
}

export class LogRetention {
  readonly #db: Database;
  readonly #lines: number;
  readonly #bytes: number;
  readonly #watch: GrowthWatch;
  #closed = false;

  constructor(options: LogRetentionOptions) {
    this.#db = options.db;
    this.#lines = options.retainedLines ?? logLimits.retainedLines;
    this.#bytes = options.retainedBytes ?? retentionLimits.retainedBytes;
    this.#watch = new GrowthWatch({
      slack: retentionLimits.slack,
      trim: (handlerId) => this.#trim(handlerId),
      onError: options.onError,
    });
  }

  /** Takes notice that so much more of a handler has been stored. */
  grown(handlerId: string, by: { readonly lines: number; readonly bytes: number }): void {
    this.#watch.grown(handlerId, by.lines / this.#lines + by.bytes / this.#bytes);
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
    await forgetExpired(this.#db.relaxed, handlerId);
    this.#watch.forget(handlerId);
  }

  async #trim(handlerId: string): Promise<void> {
    const byLines = await this.#db.reader
      .selectFrom('log_lines')
      .select('cursor')
      .where('handler_id', '=', handlerId)
      .orderBy('cursor', 'desc')
      .limit(1)
      .offset(this.#lines)
      .executeTakeFirst();
    if (byLines !== undefined) await this.#deleteUpTo(handlerId, byLines.cursor);
    await this.trimTo(handlerId, this.#bytes);
  }

  /** Removes the oldest lines of a handler until at most `bytes` are left; the newest step of lines always stays. */
  async trimTo(handlerId: string, bytes: number): Promise<void> {
    const last = await this.#lastBeyondBytes(handlerId, bytes);
    if (last !== null) await this.#deleteUpTo(handlerId, last);
  }

  /** Adds up from the newest line backward; the newest cursor of the step that is too much, null if none is. */
  async #lastBeyondBytes(handlerId: string, bytes: number): Promise<number | null> {
    let total = 0;
    let below = Number.MAX_SAFE_INTEGER;
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom((from) =>
          from
            .selectFrom('log_lines')
            // Bytes, not characters: length() ends at a NUL on SQLite.
            .select(['cursor', sql<number>`octet_length(text)`.as('bytes')])
            .where('handler_id', '=', handlerId)
            .where('cursor', '<', below)
            .orderBy('cursor', 'desc')
            .limit(retentionLimits.stepLines)
            .as('step'),
        )
        .select(({ fn }) => [
          fn.max('cursor').as('high'),
          fn.min('cursor').as('low'),
          fn.countAll<number>().as('lines'),
          fn.sum<number | null>('bytes').as('bytes'),
        ])
        .executeTakeFirstOrThrow();
      if (step.low === null || step.high === null) return null;
      total += Number(step.bytes ?? 0) + Number(step.lines) * retentionLimits.lineOverheadBytes;
      // The newest step always stays: somebody may want to know what the last lines said.
      if (total > bytes && below !== Number.MAX_SAFE_INTEGER) return step.high;
      below = step.low;
    }
    return null;
  }

  /** Removes a handler's lines up to `cursor`, in steps. Returns whether everything has gone. */
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
      await this.#db.relaxed.transaction().execute(async (trx) => {
        const gone = await trx
          .deleteFrom('log_lines')
          .where('handler_id', '=', handlerId)
          .where('cursor', '<=', step?.cursor ?? cursor)
          .returning('cursor')
          .execute();
        const lastCursor = gone.reduce((last, row) => Math.max(last, row.cursor), 0);
        await noteExpired(trx, { handlerId, lastCursor, lines: gone.length });
      });
      if (step === undefined) return true;
    }
    return false;
  }
}

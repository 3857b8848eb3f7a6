/** Keeps the newest lines of each handler, in small steps between the inserts. */
import { sql } from 'kysely';
import { logLimits, MIB } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import { forgetExpired, noteExpired } from './expired.ts';

export const retentionLimits = {
  /** Lines deleted or added up by one statement: a few milliseconds that an insert may have to wait. */
  stepLines: 1_000,
  /** Bytes of text kept per handler; lines of full length would otherwise take 1.6 GB. */
  retainedBytes: 128 * MIB,
  /** Bytes counted for a line besides its text: the other columns and the index. */
  lineOverheadBytes: 150,
  /** Growth after which a handler is trimmed again, as a share of the retained lines or bytes. */
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

  /** Adds stored lines and bytes to a handler's growth. */
  grown(handlerId: string, by: { readonly lines: number; readonly bytes: number }): void {
    this.#watch.grown(handlerId, by.lines / this.#lines + by.bytes / this.#bytes);
  }

  /** Resolves when no trim is due. */
  idle(): Promise<void> {
    return this.#watch.idle();
  }

  /** Ends a running trim after its current step; the next start continues it. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#watch.close();
  }

  /** Removes all lines of a handler. Throws when retention was closed meanwhile, since some lines are then left. */
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

  /**
   * Adds up bytes from the newest line backward. Returns the newest cursor of the step that exceeds `bytes`, null if
   * none does.
   */
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
      // The newest step of lines always stays, so that the last lines can be read.
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

/**
 * Keeps the newest blocks of each handler, in small steps between the inserts: by bytes whenever a handler has grown,
 * by age once an hour.
 */
import { MIB } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import { forgetExpired, noteExpired } from './expired.ts';
import { LogKeeping } from './log-keeping.ts';
import { TrustedClock, trustedClockLimits } from './trusted-clock.ts';

export const retentionLimits = {
  /** Blocks deleted by one statement: a few milliseconds that an insert may have to wait. */
  stepBlocks: 100,
  /** Blocks whose sizes one statement reads. */
  readBlocks: 1_000,
  /** Bytes of blocks kept per handler, as they are stored, and days, unless the operator sets others. */
  retainedBytes: 128 * MIB,
  retainedDays: 30,
  /** Bytes counted for a block besides its own: the other columns and the index. */
  blockOverheadBytes: 200,
  /** Growth after which a handler is trimmed again, as a share of the retained lines or bytes. */
  slack: 0.1,
} as const;

export interface LogRetentionOptions {
  readonly db: Database;
  readonly onError: (error: unknown) => void;
  /** Lines kept per handler; absent: any number. */
  readonly retainedLines?: number;
  readonly retainedBytes?: number;
  readonly retainedDays?: number;
  /** Unix milliseconds, followed by monotonic milliseconds; absent: those of this machine. */
  readonly now?: () => number;
  readonly uptimeMs?: () => number;
}

const dayMs = 24 * 60 * 60_000;

export class LogRetention {
  readonly #db: Database;
  readonly #lines: number;
  readonly #keeping: LogKeeping;
  readonly #watch: GrowthWatch;
  readonly #now: () => number;
  readonly #clock: TrustedClock;
  #closed = false;

  constructor(options: LogRetentionOptions) {
    this.#db = options.db;
    this.#lines = options.retainedLines ?? Number.MAX_SAFE_INTEGER;
    this.#keeping = new LogKeeping(options.db, {
      days: options.retainedDays ?? retentionLimits.retainedDays,
      bytes: options.retainedBytes ?? retentionLimits.retainedBytes,
    });
    this.#now = options.now ?? Date.now;
    const uptimeMs = options.uptimeMs ?? (() => performance.now());
    this.#clock = new TrustedClock({ db: options.db, now: this.#now, uptimeMs });
    this.#watch = new GrowthWatch({
      slack: retentionLimits.slack,
      trim: (handlerId) => this.#trim(handlerId, { lines: this.#lines, bytes: this.#keeping.of(handlerId).bytes }),
      onError: options.onError,
    });
  }

  /** Adds stored lines and bytes to a handler's growth. */
  grown(handlerId: HandlerId, by: { readonly lines: number; readonly bytes: number }): void {
    this.#watch.grown(handlerId, by.lines / this.#lines + by.bytes / this.#keeping.of(handlerId).bytes);
  }

  /** What is kept of each handler. */
  get keeping(): LogKeeping {
    return this.#keeping;
  }

  /** Applies new values of `keeping` to a handler at once. */
  async apply(handlerId: HandlerId): Promise<void> {
    const { days, bytes } = this.#keeping.of(handlerId);
    await this.trimTo(handlerId, bytes);
    if (await this.#clock.isSettled()) await this.#expire(handlerId, this.#now() - days * dayMs);
  }

  /**
   * Removes blocks whose lines are all older than their handler keeps them. While the wall clock has just been moved,
   * nothing is: a clock that jumps forward and back again would cost every log.
   */
  async expireAll(): Promise<void> {
    await this.#keeping.load();
    if (!(await this.#clock.isSettled())) return;
    const rows = await this.#db.reader.selectFrom('log_blocks').select('handler_id').distinct().execute();
    for (const { handler_id: handlerId } of rows)
      await this.#expire(handlerId, this.#now() - this.#keeping.of(handlerId).days * dayMs);
  }

  /**
   * Removes a handler's oldest blocks up to the first with a line of `cutoffMs` or later. A block with a line of the
   * future was stored while the clock was wrong: it goes with the first older block after it, and keeps no other.
   */
  async #expire(handlerId: HandlerId, cutoffMs: number): Promise<void> {
    const futureMs = this.#now() + trustedClockLimits.movedMs;
    let last = 0;
    let looked = 0;
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom('log_blocks')
        .select(['first_cursor', 'last_cursor', 'last_ms'])
        .where('handler_id', '=', handlerId)
        .where('first_cursor', '>', looked)
        .orderBy('first_cursor')
        .limit(retentionLimits.readBlocks)
        .execute();
      const kept = step.findIndex(({ last_ms }) => last_ms >= cutoffMs && last_ms <= futureMs);
      const before = kept < 0 ? step : step.slice(0, kept);
      looked = before.at(-1)?.last_cursor ?? looked;
      last = before.findLast(({ last_ms }) => last_ms < cutoffMs)?.last_cursor ?? last;
      if (before.length < retentionLimits.readBlocks) break;
    }
    if (last > 0) await this.#deleteUpTo(handlerId, last);
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
  async removeAll(handlerId: HandlerId): Promise<void> {
    if (!(await this.#deleteUpTo(handlerId, Number.MAX_SAFE_INTEGER))) throw new Error('the log store is closed');
    await forgetExpired(this.#db.relaxed, handlerId);
    this.#watch.forget(handlerId);
  }

  /** Removes the oldest blocks of a handler until at most `bytes` are left; the newest block always stays. */
  trimTo(handlerId: HandlerId, bytes: number): Promise<void> {
    return this.#trim(handlerId, { lines: Number.MAX_SAFE_INTEGER, bytes });
  }

  /**
   * Removes the oldest blocks that are not needed to keep `lines` lines, and those beyond `bytes`; the newest block
   * always stays.
   */
  async #trim(handlerId: HandlerId, keep: { readonly lines: number; readonly bytes: number }): Promise<void> {
    let lines = 0;
    let bytes = 0;
    let below = Number.MAX_SAFE_INTEGER;
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom('log_blocks')
        .select(['first_cursor', 'last_cursor', 'lines', 'bytes'])
        .where('handler_id', '=', handlerId)
        .where('first_cursor', '<', below)
        .orderBy('first_cursor', 'desc')
        .limit(retentionLimits.readBlocks)
        .execute();
      for (const block of step) {
        bytes += block.bytes + retentionLimits.blockOverheadBytes;
        if (lines >= keep.lines || (lines > 0 && bytes > keep.bytes)) {
          await this.#deleteUpTo(handlerId, block.last_cursor);
          return;
        }
        lines += block.lines;
        below = block.first_cursor;
      }
      if (step.length < retentionLimits.readBlocks) return;
    }
  }

  /**
   * Removes a handler's blocks that end at `cursor` or before, in steps. Returns whether everything has gone. A block
   * that merging has meanwhile made of older and newer ones ends after `cursor` and stays.
   */
  async #deleteUpTo(handlerId: HandlerId, cursor: number): Promise<boolean> {
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom('log_blocks')
        .select('first_cursor')
        .where('handler_id', '=', handlerId)
        .where('first_cursor', '<=', cursor)
        .where('last_cursor', '<=', cursor)
        .orderBy('first_cursor')
        .limit(1)
        .offset(retentionLimits.stepBlocks - 1)
        .executeTakeFirst();
      await this.#db.relaxed.transaction().execute(async (trx) => {
        const gone = await trx
          .deleteFrom('log_blocks')
          .where('handler_id', '=', handlerId)
          .where('first_cursor', '<=', step?.first_cursor ?? cursor)
          .where('last_cursor', '<=', cursor)
          .returning(['last_cursor', 'lines'])
          .execute();
        const lastCursor = gone.reduce((last, row) => Math.max(last, row.last_cursor), 0);
        await noteExpired(trx, { handlerId, lastCursor, lines: gone.reduce((sum, row) => sum + row.lines, 0) });
      });
      if (step === undefined) return true;
    }
    return false;
  }
}

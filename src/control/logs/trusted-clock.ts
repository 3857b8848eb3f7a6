/**
 * Tells whether the wall clock may be used to remove what is old. A clock that jumps ahead and back again would cost
 * every log, also if control is restarted in between; so what it showed last is stored.
 */
import type { Database } from '../db/database.ts';

export const trustedClockLimits = {
  /** Milliseconds by which the wall clock may differ from what the monotonic clock tells before it counts as moved. */
  movedMs: 60 * 60_000,
  /** Milliseconds between two starts that are not taken for a clock that has moved ahead: machines are off at night. */
  offMs: 24 * 60 * 60_000,
  /** Milliseconds of running for which a clock that has moved is not used. */
  waitMs: 24 * 60 * 60_000,
} as const;

const settingKey = 'log_clock';

/** What the clock showed when it was last used. */
interface Seen {
  readonly wallMs: number;
  /** Milliseconds of running until the clock may be used again; 0: it may. */
  readonly waitMs: number;
}

export class TrustedClock {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #uptimeMs: () => number;
  /** Wall clock minus monotonic clock, in milliseconds, when both were last compared. */
  #offsetMs: number;
  /** Monotonic milliseconds before which the clock may not be used; null: what was stored has not been read. */
  #settledMs: number | null = null;

  constructor(options: { readonly db: Database; readonly now: () => number; readonly uptimeMs: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#uptimeMs = options.uptimeMs;
    this.#offsetMs = this.#now() - this.#uptimeMs();
  }

  /** Returns whether the clock may be used, and stores what it shows. Ask at least once an hour. */
  async isSettled(): Promise<boolean> {
    const { movedMs, waitMs } = trustedClockLimits;
    this.#settledMs ??= this.#uptimeMs() + (await this.#waitAtStart());
    const uptimeMs = this.#uptimeMs();
    const wallMs = this.#now();
    if (Math.abs(wallMs - uptimeMs - this.#offsetMs) > movedMs) this.#settledMs = uptimeMs + waitMs;
    this.#offsetMs = wallMs - uptimeMs;
    await this.#store({ wallMs, waitMs: Math.max(0, this.#settledMs - uptimeMs) });
    return uptimeMs >= this.#settledMs;
  }

  /** Returns the milliseconds of running to wait after a start. */
  async #waitAtStart(): Promise<number> {
    const row = await this.#db.reader
      .selectFrom('settings')
      .select('value')
      .where('key', '=', settingKey)
      .executeTakeFirst();
    if (row === undefined) return 0;
    const seen = JSON.parse(row.value) as Seen; // #store wrote it.
    const passedMs = this.#now() - seen.wallMs;
    const hasMoved = passedMs < -trustedClockLimits.movedMs || passedMs > trustedClockLimits.offMs;
    return hasMoved ? trustedClockLimits.waitMs : seen.waitMs;
  }

  async #store(seen: Seen): Promise<void> {
    const value = JSON.stringify(seen);
    await this.#db.relaxed
      .insertInto('settings')
      .values({ key: settingKey, value })
      .onConflict((oc) => oc.column('key').doUpdateSet({ value }))
      .execute();
  }
}

/** Limits the codes of second factors that are tried for one user, over all controls and across restarts. */
import { sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { Database } from '../db/database.ts';

export const codeTryLimits = {
  /**
   * Wrong codes of one user at once. Each one is right by chance in 3 of a million cases, since a clock may be a step
   * off in both directions.
   */
  burst: 10,
  /** Milliseconds after which one more may be tried: somebody who has the password guesses for three years. */
  everyMs: 5 * 60_000,
} as const;

export class CodeTries {
  readonly #db: Database;
  readonly #now: () => number;

  /** `now`: clock, in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Counts one try of a user. Throws `rate_limited` with the seconds to wait, and counts nothing then. */
  async take(userId: string): Promise<void> {
    const { burst, everyMs } = codeTryLimits;
    const nowMs = this.#now();
    // The column is the time at which every counted try is forgotten: a token bucket in one number and one statement.
    const { numUpdatedRows } = await this.#db
      .updateTable('users')
      .set((eb) => ({
        totp_tries_until_ms: sql<number>`case when ${eb.ref('totp_tries_until_ms')} > ${nowMs}
          then ${eb.ref('totp_tries_until_ms')} else ${nowMs} end + ${everyMs}`,
      }))
      .where('id', '=', userId)
      .where('totp_tries_until_ms', '<=', nowMs + (burst - 1) * everyMs)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return;
    const row = await this.#db
      .selectFrom('users')
      .select('totp_tries_until_ms')
      .where('id', '=', userId)
      .executeTakeFirst();
    const waitMs = (row?.totp_tries_until_ms ?? 0) - nowMs - (burst - 1) * everyMs;
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    throw new PlatformError('rate_limited', `too many codes, try again in ${retryAfterSeconds} s`, {
      retryAfterSeconds,
    });
  }

  /** Takes one counted try back, after a right code. */
  async giveBack(userId: string): Promise<void> {
    await this.#db
      .updateTable('users')
      .set((eb) => ({ totp_tries_until_ms: eb('totp_tries_until_ms', '-', codeTryLimits.everyMs) }))
      .where('id', '=', userId)
      .execute();
  }
}

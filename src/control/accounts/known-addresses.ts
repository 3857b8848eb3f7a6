/**
 * Remembers the addresses from which a user has logged in. Log-ins from known addresses are counted apart from all
 * others, so that nobody can lock a user out by wrong guesses.
 */
import type { Kysely } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { hashSecret } from './secrets.ts';

export const knownAddressLimits = {
  /** Addresses kept of one user; above that, the one that was used longest ago is forgotten. */
  perUser: 50,
  /** Milliseconds after which an address is forgotten: in 90 days it may have been given to another person. */
  ageMs: 90 * 24 * 60 * 60_000,
} as const;

export class KnownAddresses {
  readonly #db: Database;
  readonly #now: () => number;

  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Returns whether `userId` has logged in from `address` (addressKey) in the last 90 days. */
  async has(userId: string, address: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom('known_addresses')
      .select('last_ms')
      .where('user_id', '=', userId)
      .where('address', '=', keyOf(userId, address))
      .where('last_ms', '>', this.#now() - knownAddressLimits.ageMs)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Stores a log-in of `userId` from `address`, in the transaction that makes its Token. Removes the user's addresses
   * that are too old or too many.
   */
  async remember(trx: Kysely<Schema>, userId: string, address: string): Promise<void> {
    const nowMs = this.#now();
    await trx
      .insertInto('known_addresses')
      .values({ user_id: userId, address: keyOf(userId, address), last_ms: nowMs })
      .onConflict((conflict) => conflict.columns(['user_id', 'address']).doUpdateSet({ last_ms: nowMs }))
      .execute();
    const surplus = await trx
      .selectFrom('known_addresses')
      .select('last_ms')
      .where('user_id', '=', userId)
      .orderBy('last_ms', 'desc')
      .limit(1)
      .offset(knownAddressLimits.perUser)
      .executeTakeFirst();
    const upToMs = Math.max(surplus?.last_ms ?? 0, nowMs - knownAddressLimits.ageMs);
    await trx.deleteFrom('known_addresses').where('user_id', '=', userId).where('last_ms', '<=', upToMs).execute();
  }
}

/**
 * Returns the SHA-256 of the address with the user's id, so that the table shows neither addresses nor which users
 * share one.
 */
function keyOf(userId: string, address: string): string {
  return hashSecret(`${userId} ${address}`);
}

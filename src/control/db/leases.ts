/** Leases in the table `leases`: the database decides who takes one first, and counts the epochs. */
import { type RawBuilder, sql } from 'kysely';
import type { Lease, Leases } from '../../protocol/ports.ts';
import type { Database } from './database.ts';
import { databaseMs } from './database-clock.ts';

export class SqlLeases implements Leases {
  readonly #db: Database;
  readonly #now: (() => number) | null;

  /**
   * Makes the port over `db`. `now`: clock in Unix milliseconds; absent: the database's own, which all controls share.
   */
  constructor(options: { readonly db: Database; readonly now?: () => number }) {
    this.#db = options.db;
    this.#now = options.now ?? null;
  }

  async take({ name, holder, ttlMs }: { name: string; holder: string; ttlMs: number }): Promise<Lease | null> {
    const nowMs = this.#nowMs();
    const expires = sql<number>`${nowMs} + cast(${ttlMs} as bigint)`;
    const row = await this.#db
      .insertInto('leases')
      .values({ name, holder, epoch: 1, expires_ms: expires })
      .onConflict((oc) =>
        oc
          .column('name')
          .doUpdateSet((eb) => ({ holder, epoch: eb('leases.epoch', '+', 1), expires_ms: expires }))
          .where((eb) => eb.or([eb('leases.holder', '=', holder), eb('leases.expires_ms', '<=', nowMs)])),
      )
      .returning(['epoch', 'expires_ms'])
      .executeTakeFirst();
    return row === undefined ? null : { name, holder, epoch: row.epoch, expiresMs: Number(row.expires_ms) };
  }

  async renew(lease: Lease, ttlMs: number): Promise<Lease | null> {
    const row = await this.#set(lease, sql<number>`${this.#nowMs()} + cast(${ttlMs} as bigint)`);
    return row === undefined ? null : { ...lease, expiresMs: Number(row.expires_ms) };
  }

  async release(lease: Lease): Promise<void> {
    // Keeps the row, whose epoch must never be given again.
    await this.#set(lease, sql<number>`cast(0 as bigint)`);
  }

  #nowMs(): RawBuilder<number> {
    return this.#now === null ? databaseMs(this.#db) : sql<number>`cast(${this.#now()} as bigint)`;
  }

  #set(
    { name, holder, epoch }: Lease,
    expires: RawBuilder<number>,
  ): Promise<{ readonly expires_ms: number } | undefined> {
    return this.#db
      .updateTable('leases')
      .set({ expires_ms: expires })
      .where('name', '=', name)
      .where('holder', '=', holder)
      .where('epoch', '=', epoch)
      .returning('expires_ms')
      .executeTakeFirst();
  }
}

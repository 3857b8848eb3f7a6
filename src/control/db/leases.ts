/** Leases in the table `leases`: the database decides who takes one first, and counts the epochs. */
import type { Lease, Leases } from '../../protocol/ports.ts';
import type { Database } from './database.ts';

export class SqlLeases implements Leases {
  readonly #db: Database;
  readonly #now: () => number;

  /** Makes the port over `db`. `now`: clock in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  async take({ name, holder, ttlMs }: { name: string; holder: string; ttlMs: number }): Promise<Lease | null> {
    const nowMs = this.#now();
    const expiresMs = nowMs + ttlMs;
    const row = await this.#db
      .insertInto('leases')
      .values({ name, holder, epoch: 1, expires_ms: expiresMs })
      .onConflict((oc) =>
        oc
          .column('name')
          .doUpdateSet((eb) => ({ holder, epoch: eb('leases.epoch', '+', 1), expires_ms: expiresMs }))
          .where((eb) => eb.or([eb('leases.holder', '=', holder), eb('leases.expires_ms', '<=', nowMs)])),
      )
      .returning('epoch')
      .executeTakeFirst();
    return row === undefined ? null : { name, holder, epoch: row.epoch, expiresMs };
  }

  async renew(lease: Lease, ttlMs: number): Promise<Lease | null> {
    const expiresMs = this.#now() + ttlMs;
    const { numUpdatedRows } = await this.#set(lease, expiresMs);
    return numUpdatedRows === 0n ? null : { ...lease, expiresMs };
  }

  async release(lease: Lease): Promise<void> {
    // Keeps the row, whose epoch must never be given again.
    await this.#set(lease, 0);
  }

  #set({ name, holder, epoch }: Lease, expiresMs: number): Promise<{ readonly numUpdatedRows: bigint }> {
    return this.#db
      .updateTable('leases')
      .set({ expires_ms: expiresMs })
      .where('name', '=', name)
      .where('holder', '=', holder)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
  }
}

/** Adds the addresses from which users have logged in (src/control/accounts/known-addresses.ts). */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const knownAddresses: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('known_addresses')
      .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
      /** SHA-256 of the user's id and the address, hex. */
      .addColumn('address', 'text', (column) => column.notNull())
      .addColumn('last_ms', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('known_addresses_key', ['user_id', 'address'])
      .execute();
  },
};

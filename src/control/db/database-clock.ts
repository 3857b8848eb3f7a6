/** The clock of the database: the only one that all controls of it share. */
import { type RawBuilder, sql } from 'kysely';
import type { Database } from './database.ts';

/**
 * Returns an SQL expression for the present time in Unix milliseconds by the database's clock. Controls compare times
 * of leases with it alone, since the clocks of their machines may differ by minutes.
 */
export function databaseMs(db: Pick<Database, 'isShared'>): RawBuilder<number> {
  return db.isShared
    ? sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`
    : sql<number>`cast(unixepoch('subsec') * 1000 as bigint)`;
}

/** Returns an SQL expression for `ms` milliseconds from now by the database's clock. */
export function databaseMsIn(db: Pick<Database, 'isShared'>, ms: number): RawBuilder<number> {
  return sql<number>`${databaseMs(db)} + cast(${ms} as bigint)`;
}

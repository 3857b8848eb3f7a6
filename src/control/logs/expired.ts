/**
 * Stores how many log lines of a handler retention has removed, by cursor, so that a reader who returns with an old
 * cursor is told the number of missing lines.
 */
import type { Kysely } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

/** Rows per handler. Above it the older half becomes one row, and counts for cursors inside it are upper bounds. */
const rowsMax = 64;

/** Stores that `lines` lines, the last at `lastCursor`, are removed. Runs in the transaction that removes them. */
export async function noteExpired(
  trx: Kysely<Schema>,
  row: { readonly handlerId: HandlerId; readonly lastCursor: number; readonly lines: number },
): Promise<void> {
  const { handlerId, lastCursor, lines } = row;
  if (lines === 0) return;
  await trx
    .insertInto('log_expired')
    .values({ handler_id: handlerId, last_cursor: lastCursor, lines })
    .onConflict((oc) =>
      oc.columns(['handler_id', 'last_cursor']).doUpdateSet((eb) => ({ lines: eb('log_expired.lines', '+', lines) })),
    )
    .execute();
  const rows = await trx
    .selectFrom('log_expired')
    .select(['last_cursor', 'lines'])
    .where('handler_id', '=', handlerId)
    .orderBy('last_cursor')
    .execute();
  if (rows.length <= rowsMax) return;
  const older = rows.slice(0, rowsMax / 2);
  const kept = older.at(-1)!;
  await trx
    .deleteFrom('log_expired')
    .where('handler_id', '=', handlerId)
    .where('last_cursor', '<', kept.last_cursor)
    .execute();
  await trx
    .updateTable('log_expired')
    .set({ lines: older.reduce((sum, one) => sum + one.lines, 0) })
    .where('handler_id', '=', handlerId)
    .where('last_cursor', '=', kept.last_cursor)
    .execute();
}

/**
 * Returns the number of the handler's lines removed between the cursors `after` and `below`, both excluded. Exact when
 * `after` is where a step of retention ended; otherwise at most one row of `log_expired` too many.
 */
export async function expiredBetween(
  db: Kysely<Schema>,
  range: { readonly handlerId: HandlerId; readonly after: number; readonly below: number },
): Promise<number> {
  const { lines } = await db
    .selectFrom('log_expired')
    .select(({ fn }) => fn.sum<number | null>('lines').as('lines'))
    .where('handler_id', '=', range.handlerId)
    .where('last_cursor', '>', range.after)
    .where('last_cursor', '<', range.below)
    .executeTakeFirstOrThrow();
  return lines ?? 0;
}

/** Removes the rows of a handler that is being purged. */
export async function forgetExpired(db: Kysely<Schema>, handlerId: HandlerId): Promise<void> {
  await db.deleteFrom('log_expired').where('handler_id', '=', handlerId).execute();
}

/** Reads counters by the minute. */
import type { HandlerId } from '../../protocol/names.ts';
import type { UsageMinute } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';

/** Returns one row per minute that saw an invocation, over all Deployments, from `sinceMs` on, ascending. */
export async function readMinutes(
  db: Database,
  handlerId: HandlerId,
  sinceMs: number,
): Promise<readonly UsageMinute[]> {
  const rows = await db.reader
    .selectFrom('usage')
    .select((eb) => [
      'minute_ms',
      eb.fn.sum<number>('invocations').as('invocations'),
      eb.fn.sum<number>('failures').as('failures'),
      eb.fn.sum<number>('gas').as('gas'),
      eb.fn.sum<number>('duration_ms').as('duration_ms'),
      eb.fn.sum<number>('bytes_in').as('bytes_in'),
      eb.fn.sum<number>('bytes_out').as('bytes_out'),
    ])
    .where('handler_id', '=', handlerId)
    .where('minute_ms', '>=', sinceMs)
    .groupBy('minute_ms')
    .orderBy('minute_ms')
    .execute();
  return rows.map((row) => ({
    minuteMs: row.minute_ms,
    invocations: Number(row.invocations),
    failures: Number(row.failures),
    gas: Number(row.gas),
    durationMs: Number(row.duration_ms),
    bytesIn: Number(row.bytes_in),
    bytesOut: Number(row.bytes_out),
  }));
}

/**
 * Returns the last minute, in Unix milliseconds, in which each handler had an invocation; without handlers that had
 * none since counters were pruned. One seek in an index per handler.
 */
export async function readLastCalls(db: Database): Promise<Readonly<Record<HandlerId, number>>> {
  const rows = await db.reader
    .selectFrom('handlers')
    .select((eb) => [
      'handlers.id',
      eb
        .selectFrom('usage')
        .select((usage) => usage.fn.max('usage.minute_ms').as('last'))
        .whereRef('usage.handler_id', '=', 'handlers.id')
        .as('last'),
    ])
    .where('deleted_ms', 'is', null)
    .execute();
  return Object.fromEntries(rows.flatMap(({ id, last }) => (last === null ? [] : [[id, Number(last)]])));
}

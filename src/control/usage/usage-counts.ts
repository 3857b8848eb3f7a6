/** Collects exact counters for the table `usage`: one row per handler, Deployment and minute. */
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { UsageCount } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

/** Rows that wait for a database that fails: an hour of 1,600 busy handlers. */
const pendingMax = 100_000;

export const minuteMs = 60_000;

/**
 * Greatest count of a row. A runner runs hostile guests, and may send counts whose sum no `bigint` holds: the write of
 * all counts that come with it would fail, again and again.
 */
const countMax = Number.MAX_SAFE_INTEGER;

/** Returns a row of a runner's counters. A runner runs hostile guests: a value that is no valid count becomes 0. */
export function toCountRow(count: UsageCount, atMs: number): Schema['usage'] {
  return {
    handler_id: count.handlerId,
    deployment: whole(count.deployment),
    minute_ms: Math.floor(atMs / minuteMs) * minuteMs,
    invocations: whole(count.invocations),
    failures: whole(count.failures),
    refusals: whole(count.refusals ?? 0),
    gas: whole(count.gas),
    duration_ms: Math.min(positive(count.durationMs), countMax),
    bytes_in: whole(count.bytesIn),
    bytes_out: whole(count.bytesOut),
  };
}

export class PendingCounts implements Iterable<Schema['usage']> {
  readonly #rows = new Map<string, Schema['usage']>();

  /** Adds counts. Returns false when there is no room for another row; the counts are then lost. */
  add(count: Schema['usage']): boolean {
    const key = `${count.handler_id} ${count.deployment} ${count.minute_ms}`;
    const known = this.#rows.get(key);
    if (known === undefined) {
      if (this.#rows.size >= pendingMax) return false;
      this.#rows.set(key, { ...count });
      return true;
    }
    known.invocations = Math.min(known.invocations + count.invocations, countMax);
    known.failures = Math.min(known.failures + count.failures, countMax);
    known.refusals = Math.min(known.refusals + count.refusals, countMax);
    known.gas = Math.min(known.gas + count.gas, countMax);
    known.duration_ms += count.duration_ms;
    known.bytes_in = Math.min(known.bytes_in + count.bytes_in, countMax);
    known.bytes_out = Math.min(known.bytes_out + count.bytes_out, countMax);
    return true;
  }

  /** Number of rows. */
  get size(): number {
    return this.#rows.size;
  }

  handlerIds(): readonly HandlerId[] {
    return [...this.#rows.values()].map((row) => handlerIdOf(row.handler_id));
  }

  [Symbol.iterator](): Iterator<Schema['usage']> {
    return this.#rows.values();
  }
}

/** Adds to the row in the database, or inserts it. */
export async function addCount(trx: Kysely<Schema>, row: Schema['usage']): Promise<void> {
  await trx
    .insertInto('usage')
    .values(row)
    .onConflict((oc) =>
      oc.columns(['handler_id', 'minute_ms', 'deployment']).doUpdateSet({
        invocations: added('invocations', row.invocations),
        failures: added('failures', row.failures),
        refusals: added('refusals', row.refusals),
        gas: added('gas', row.gas),
        duration_ms: sql`usage.duration_ms + ${row.duration_ms}`,
        bytes_in: added('bytes_in', row.bytes_in),
        bytes_out: added('bytes_out', row.bytes_out),
      }),
    )
    .execute();
}

/** Returns the expression of a column with `n` added, at most countMax. */
function added(
  column: 'invocations' | 'failures' | 'refusals' | 'gas' | 'bytes_in' | 'bytes_out',
  n: number,
): RawBuilder<number> {
  const stored = sql.ref(`usage.${column}`);
  return sql<number>`case when ${stored} > ${countMax - n} then ${countMax} else ${stored} + ${n} end`;
}

/** Returns a count from outside: `n`, or 0 if it is no whole number from 0 to 2^53 - 1. */
export function whole(n: number): number {
  return Number.isSafeInteger(n) && n >= 0 ? n : 0;
}

/** Returns an amount from outside: `n`, or 0 if it is below 0 or not finite. */
export function positive(n: number): number {
  return Number.isFinite(n) && n >= 0 ? n : 0;
}

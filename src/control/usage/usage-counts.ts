/** Collects exact counters for the table `usage`: one row per handler, Deployment and minute. */
import { type Kysely, sql } from 'kysely';
import type { UsageCount } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

/** Rows that wait for a database that fails: an hour of 1,600 busy handlers. */
const pendingMax = 100_000;

export const minuteMs = 60_000;

/** Returns a row of a runner's counters. A runner runs hostile guests: a value that is no valid count becomes 0. */
export function toRow(count: UsageCount, atMs: number): Schema['usage'] {
  return {
    handler_id: count.handlerId,
    deployment: whole(count.deployment),
    minute_ms: Math.floor(atMs / minuteMs) * minuteMs,
    invocations: whole(count.invocations),
    failures: whole(count.failures),
    gas: whole(count.gas),
    duration_ms: positive(count.durationMs),
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
    known.invocations += count.invocations;
    known.failures += count.failures;
    known.gas += count.gas;
    known.duration_ms += count.duration_ms;
    known.bytes_in += count.bytes_in;
    known.bytes_out += count.bytes_out;
    return true;
  }

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
        invocations: sql`usage.invocations + ${row.invocations}`,
        failures: sql`usage.failures + ${row.failures}`,
        gas: sql`usage.gas + ${row.gas}`,
        duration_ms: sql`usage.duration_ms + ${row.duration_ms}`,
        bytes_in: sql`usage.bytes_in + ${row.bytes_in}`,
        bytes_out: sql`usage.bytes_out + ${row.bytes_out}`,
      }),
    )
    .execute();
}

export function whole(n: number): number {
  return Number.isSafeInteger(n) && n >= 0 ? n : 0;
}

export function positive(n: number): number {
  return Number.isFinite(n) && n >= 0 ? n : 0;
}

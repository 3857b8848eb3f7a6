/**
 * Stores which batches of log lines or usage have been stored, by sender, so that one that is sent again is stored
 * once.
 */
import type { Kysely, Transaction } from 'kysely';
import type { LogBatchId } from '../../protocol/ports.ts';
import type { Schema } from './schema.ts';

/** Milliseconds after which a silent sender is removed: far longer than it keeps a batch to send again. */
const keptMs = 24 * 60 * 60_000;

/**
 * Stores that the batch `id` is stored; `trx` is the transaction that stores it. Returns false when this batch, or a
 * later one of its origin, had been stored before. `nowMs` in Unix milliseconds.
 */
export async function advanceOrigin(trx: Transaction<Schema>, id: LogBatchId, nowMs: number): Promise<boolean> {
  const row = await trx
    .insertInto('log_origins')
    .values({ origin: id.origin, number: id.number, stored_ms: nowMs })
    .onConflict((oc) =>
      oc
        .column('origin')
        .doUpdateSet({ number: id.number, stored_ms: nowMs })
        .where('log_origins.number', '<', id.number),
    )
    .returning('number')
    .executeTakeFirst();
  return row !== undefined;
}

/** Removes origins that have stored nothing for `keptMs`. `nowMs` in Unix milliseconds. */
export async function forgetOldOrigins(db: Kysely<Schema>, nowMs: number): Promise<void> {
  await db
    .deleteFrom('log_origins')
    .where('stored_ms', '<', nowMs - keptMs)
    .execute();
}

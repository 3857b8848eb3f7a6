/**
 * Number and bytes that each handler stores, by kind: one row, updated in the transactions that change the stored data.
 */
import type { Transaction } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

export interface Total {
  readonly items: number;
  readonly bytes: number;
}

type Kind = Schema['storage_totals']['kind'];

/**
 * Returns the handler's total and keeps its row locked until the transaction ends, so that writers of one handler
 * follow each other on every control, and a limit that is checked then holds.
 */
export async function lockTotal(trx: Transaction<Schema>, handlerId: HandlerId, kind: Kind): Promise<Total> {
  return trx
    .insertInto('storage_totals')
    .values({ handler_id: handlerId, kind, items: 0, bytes: 0 })
    .onConflict((oc) =>
      oc.columns(['handler_id', 'kind']).doUpdateSet((eb) => ({ items: eb.ref('storage_totals.items') })),
    )
    .returning(['items', 'bytes'])
    .executeTakeFirstOrThrow();
}

/** Writes the total that `lockTotal` gave, changed. */
export async function setTotal(
  trx: Transaction<Schema>,
  handlerId: HandlerId,
  kind: Kind,
  { items, bytes }: Total,
): Promise<void> {
  await trx
    .updateTable('storage_totals')
    .set({ items, bytes })
    .where('handler_id', '=', handlerId)
    .where('kind', '=', kind)
    .execute();
}

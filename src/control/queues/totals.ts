/** Number and bytes of a user's messages: one row, updated in the transactions that change messages. */
import type { Transaction } from 'kysely';
import type { Schema } from '../db/schema.ts';

export interface MessageTotal {
  readonly items: number;
  readonly bytes: number;
}

/**
 * Returns a user's total and locks its row until the transaction ends, so that writers for one user run one after the
 * other on all controls and a checked limit holds.
 */
export async function lockTotal(trx: Transaction<Schema>, ownerId: string): Promise<MessageTotal> {
  const { items, bytes } = await trx
    .insertInto('message_totals')
    .values({ owner_id: ownerId, items: 0, bytes: 0 })
    .onConflict((oc) => oc.column('owner_id').doUpdateSet((eb) => ({ items: eb.ref('message_totals.items') })))
    .returning(['items', 'bytes'])
    .executeTakeFirstOrThrow();
  return { items: Number(items), bytes: Number(bytes) };
}

/** Adds to the total that `lockTotal` has locked. */
export async function changeTotal(trx: Transaction<Schema>, ownerId: string, by: MessageTotal): Promise<void> {
  await trx
    .updateTable('message_totals')
    .set((eb) => ({ items: eb('items', '+', by.items), bytes: eb('bytes', '+', by.bytes) }))
    .where('owner_id', '=', ownerId)
    .execute();
}

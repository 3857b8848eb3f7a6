/** How many messages a user has, and their bytes: one row, changed in the transactions that change what it counts. */
import type { Transaction } from 'kysely';
import type { Schema } from '../db/schema.ts';

export interface MessageTotal {
  readonly items: number;
  readonly bytes: number;
}

/**
 * Returns a user's total and keeps its row locked until the transaction ends, so that writers for one user follow each
 * other on every control, and a limit that is checked then holds.
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

/** Adds to the total that `lockTotal` holds locked. */
export async function changeTotal(trx: Transaction<Schema>, ownerId: string, by: MessageTotal): Promise<void> {
  await trx
    .updateTable('message_totals')
    .set((eb) => ({ items: eb('items', '+', by.items), bytes: eb('bytes', '+', by.bytes) }))
    .where('owner_id', '=', ownerId)
    .execute();
}

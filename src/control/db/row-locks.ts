/**
 * Row locks for transactions that read, decide and write: of two transactions that lock the same row, on any controls,
 * the second waits for the first and then reads its result. On SQLite every transaction does so anyway.
 *
 * A transaction that needs locks of a user and a handler locks the user first.
 */
import type { Kysely } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { Schema } from './schema.ts';

/**
 * Locks a user's row until the transaction ends, for limits per user. Returns whether the user exists and was not
 * deleted.
 */
export async function lockUser(trx: Kysely<Schema>, userId: string): Promise<boolean> {
  // `no key`: other transactions can write rows that refer to the user meanwhile.
  const row = await trx
    .selectFrom('users')
    .select('id')
    .where('id', '=', userId)
    .where('deleted_ms', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Locks a handler's row until the transaction ends, for numbers, releases and limits per handler. Returns whether the
 * handler exists, deleted or not.
 */
export async function lockHandler(trx: Kysely<Schema>, handlerId: HandlerId): Promise<boolean> {
  const row = await trx
    .selectFrom('handlers')
    .select('id')
    .where('id', '=', handlerId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Locks a name of the platform until the transaction ends, for limits of the whole platform. The row that is locked
 * stays in the table of settings.
 */
export async function lockPlatform(trx: Kysely<Schema>, name: string): Promise<void> {
  await trx
    .insertInto('settings')
    .values({ key: `lock_${name}`, value: '' })
    .onConflict((oc) => oc.column('key').doUpdateSet({ value: '' }))
    .execute();
}

/** kv: of every handler, durable: a value is there when put() returns. */

import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { kvLimits } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { lockTotal, setTotal } from './totals.ts';

export interface KvAddress {
  readonly handlerId: string;
  readonly bucket: string;
  readonly key: string;
}

export class KvStore {
  readonly #db: Database;
  readonly #now: () => number;

  /** Makes a view of the values in `db`. `now` in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  async get({ handlerId, bucket, key }: KvAddress): Promise<Uint8Array | null> {
    const row = await this.#db.reader
      .selectFrom('kv')
      .select('value')
      .where('handler_id', '=', handlerId)
      .where('bucket', '=', bucket)
      .where('key', '=', key)
      .executeTakeFirst();
    return row === undefined ? null : new Uint8Array(row.value);
  }

  /**
   * Replaces the whole value; with `expected` only where the value is that (null: where there is none). Returns whether
   * it did. Throws `limit_exceeded` past kvLimits.
   */
  async put(
    { handlerId, bucket, key }: KvAddress,
    value: Uint8Array,
    { expected }: { readonly expected?: Uint8Array | null } = {},
  ): Promise<boolean> {
    if (Buffer.byteLength(key) > kvLimits.keyBytes || value.length > kvLimits.valueBytes) {
      throw new PlatformError('limit_exceeded', `a kv value has at most ${kvLimits.valueBytes} bytes`);
    }
    return this.#db.transaction().execute(async (trx) => {
      const total = await lockTotal(trx, handlerId, 'kv');
      if (expected !== undefined && !(await isValue(trx, { handlerId, bucket, key }, expected))) return false;
      const old = await trx
        .selectFrom('kv')
        .select(({ fn }) => fn<number>('length', ['value']).as('bytes'))
        .where('handler_id', '=', handlerId)
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .executeTakeFirst();
      const items = total.items + (old === undefined ? 1 : 0);
      const bytes = total.bytes + value.length - (old?.bytes ?? 0);
      if (items > kvLimits.keys) {
        throw new PlatformError('limit_exceeded', `a handler has at most ${kvLimits.keys} kv keys`);
      }
      if (bytes > kvLimits.handlerBytes) {
        throw new PlatformError('limit_exceeded', `a handler's kv values have at most ${kvLimits.handlerBytes} bytes`);
      }
      const row = { value: Buffer.from(value), updated_ms: this.#now() };
      await trx
        .insertInto('kv')
        .values({ handler_id: handlerId, bucket, key, ...row })
        .onConflict((conflict) => conflict.columns(['handler_id', 'bucket', 'key']).doUpdateSet(row))
        .execute();
      await setTotal(trx, handlerId, 'kv', { items, bytes });
      return true;
    });
  }

  /** Removes the value, where there is one. */
  async delete({ handlerId, bucket, key }: KvAddress): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const total = await lockTotal(trx, handlerId, 'kv');
      const removed = await trx
        .deleteFrom('kv')
        .where('handler_id', '=', handlerId)
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .returning(({ fn }) => fn<number>('length', ['value']).as('bytes'))
        .executeTakeFirst();
      if (removed === undefined) return;
      await setTotal(trx, handlerId, 'kv', { items: total.items - 1, bytes: total.bytes - removed.bytes });
    });
  }

  /** Returns up to kvLimits.keysPerPage keys behind `after` in the order of the database; '' begins. */
  async keys({ handlerId, bucket, after }: Omit<KvAddress, 'key'> & { readonly after: string }): Promise<string[]> {
    const rows = await this.#db.reader
      .selectFrom('kv')
      .select('key')
      .where('handler_id', '=', handlerId)
      .where('bucket', '=', bucket)
      .where('key', '>', after)
      .orderBy('key')
      .limit(kvLimits.keysPerPage)
      .execute();
    return rows.map(({ key }) => key);
  }
}

/** Returns whether the value is `expected`; null: whether there is none. */
async function isValue(
  trx: Transaction<Schema>,
  { handlerId, bucket, key }: KvAddress,
  expected: Uint8Array | null,
): Promise<boolean> {
  const row = await trx
    .selectFrom('kv')
    .select('value')
    .where('handler_id', '=', handlerId)
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .executeTakeFirst();
  return row === undefined || expected === null
    ? row === undefined && expected === null
    : Buffer.compare(row.value, expected) === 0;
}

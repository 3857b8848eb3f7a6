/** Durable kv values of every handler and of each of its previews: a value is stored when put() resolves. */

import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { kvLimits } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { lockTotal, setTotal } from './totals.ts';

export interface KvAddress {
  readonly handlerId: HandlerId;
  /** Id of the preview that owns the values; null or absent: the handler itself. */
  readonly preview?: string | null;
  readonly bucket: string;
  readonly key: string;
}

export class KvStore {
  readonly #db: Database;
  readonly #now: () => number;

  /** Makes a store over `db`. `now`: clock in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Returns the value as it was put; null: there is none. */
  async get(address: KvAddress): Promise<Uint8Array | null> {
    const { handlerId, bucket, key } = stored(address);
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
   * Replaces the whole value; with `expected` only if the value equals it (null: if there is no value). Returns whether
   * it was replaced. Throws `limit_exceeded` above kvLimits.
   */
  async put(
    address: KvAddress,
    value: Uint8Array,
    { expected }: { readonly expected?: Uint8Array | null } = {},
  ): Promise<boolean> {
    const { handlerId, bucket, key, kind } = stored(address);
    if (Buffer.byteLength(key) > kvLimits.keyBytes || value.length > kvLimits.valueBytes) {
      throw new PlatformError('limit_exceeded', `a kv value has at most ${kvLimits.valueBytes} bytes`);
    }
    return this.#db.transaction().execute(async (trx) => {
      await checkPreview(trx, address);
      const total = await lockTotal(trx, handlerId, kind);
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
      await setTotal(trx, handlerId, kind, { items, bytes });
      return true;
    });
  }

  /** Removes the value; does nothing when there is none. */
  async delete(address: KvAddress): Promise<void> {
    const { handlerId, bucket, key, kind } = stored(address);
    await this.#db.transaction().execute(async (trx) => {
      await checkPreview(trx, address);
      const total = await lockTotal(trx, handlerId, kind);
      const removed = await trx
        .deleteFrom('kv')
        .where('handler_id', '=', handlerId)
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .returning(({ fn }) => fn<number>('length', ['value']).as('bytes'))
        .executeTakeFirst();
      if (removed === undefined) return;
      await setTotal(trx, handlerId, kind, { items: total.items - 1, bytes: total.bytes - removed.bytes });
    });
  }

  /**
   * Returns up to kvLimits.keysPerPage keys after `after`, in the order of the database; '' starts at the first key.
   */
  async keys(address: Omit<KvAddress, 'key'> & { readonly after: string }): Promise<string[]> {
    const { after } = address;
    const { handlerId, bucket } = stored({ ...address, key: '' });
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

/** Removes all values of a preview. Runs in the transaction that removes the preview. */
export async function removePreviewValues(
  trx: Transaction<Schema>,
  { handlerId, preview }: { readonly handlerId: HandlerId; readonly preview: string },
): Promise<void> {
  await trx
    .deleteFrom('kv')
    .where('handler_id', '=', handlerId)
    // Matches all text that begins with `preview/`: `0` is the character after `/`.
    .where('bucket', '>', `${preview}/`)
    .where('bucket', '<', `${preview}0`)
    .execute();
  await trx
    .deleteFrom('storage_totals')
    .where('handler_id', '=', handlerId)
    .where('kind', '=', totalKind(preview))
    .execute();
}

/**
 * Returns where a value is stored. Buckets of a preview are stored under `PREVIEWID/`: no bucket name contains a slash,
 * so neither the handler nor another preview can name them. Throws `bad_request` for a bucket with a slash.
 */
function stored({ handlerId, preview = null, bucket, key }: KvAddress): {
  readonly handlerId: HandlerId;
  readonly bucket: string;
  readonly key: string;
  readonly kind: Schema['storage_totals']['kind'];
} {
  if (bucket.includes('/')) throw new PlatformError('bad_request', 'a bucket has no slash in its name');
  return { handlerId, bucket: preview === null ? bucket : `${preview}/${bucket}`, key, kind: totalKind(preview) };
}

/** Previews have limits of their own, so that a preview cannot use up the room of the handler itself. */
function totalKind(preview: string | null): Schema['storage_totals']['kind'] {
  return preview === null ? 'kv' : `kv:${preview}`;
}

/** Throws `not_found` when the preview has been deleted: a call that still runs would leave values for ever. */
async function checkPreview(trx: Transaction<Schema>, { preview = null }: KvAddress): Promise<void> {
  if (preview === null) return;
  // `key share`: other calls may write meanwhile, but the preview's removal waits for this transaction.
  const row = await trx.selectFrom('previews').select('id').where('id', '=', preview).forKeyShare().executeTakeFirst();
  if (row === undefined) throw new PlatformError('not_found', 'this preview has been deleted');
}

/** Returns whether the value equals `expected`; null: whether there is no value. */
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

/** kv: of every handler, durable: a value is there when put() returns. */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { kvLimits } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';

export interface KvAddress {
  readonly handlerId: string;
  readonly bucket: string;
  readonly key: string;
}

interface Total {
  readonly keys: number;
  readonly bytes: number;
}

/** Handlers whose totals are remembered; beyond it all are counted anew. */
const totalsMax = 10_000;

export class KvStore {
  readonly #totals = new Map<string, Total>();
  readonly #db: Database;
  readonly #now: () => number;

  /** `now` in Unix milliseconds. */
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

  /** Replaces the whole value. Throws `limit_exceeded` past kvLimits. */
  async put({ handlerId, bucket, key }: KvAddress, value: Uint8Array): Promise<void> {
    if (Buffer.byteLength(key) > kvLimits.keyBytes || value.length > kvLimits.valueBytes) {
      throw new PlatformError('limit_exceeded', `a kv value has at most ${kvLimits.valueBytes} bytes`);
    }
    try {
      await this.#db.transaction().execute(async (trx) => {
        const total = await this.#total(trx, handlerId);
        const old = await trx
          .selectFrom('kv')
          .select(({ fn }) => fn<number>('length', ['value']).as('bytes'))
          .where('handler_id', '=', handlerId)
          .where('bucket', '=', bucket)
          .where('key', '=', key)
          .executeTakeFirst();
        const keys = total.keys + (old === undefined ? 1 : 0);
        const bytes = total.bytes + value.length - Number(old?.bytes ?? 0);
        if (keys > kvLimits.keys) {
          throw new PlatformError('limit_exceeded', `a handler has at most ${kvLimits.keys} kv keys`);
        }
        if (bytes > kvLimits.handlerBytes) {
          throw new PlatformError(
            'limit_exceeded',
            `a handler's kv values have at most ${kvLimits.handlerBytes} bytes`,
          );
        }
        const row = { value: Buffer.from(value), updated_ms: this.#now() };
        await trx
          .insertInto('kv')
          .values({ handler_id: handlerId, bucket, key, ...row })
          .onConflict((conflict) => conflict.columns(['handler_id', 'bucket', 'key']).doUpdateSet(row))
          .execute();
        // Inside the transaction: the next one must see it, and it may begin before we hear of the commit.
        this.#totals.set(handlerId, { keys, bytes });
      });
    } catch (error) {
      this.#totals.delete(handlerId);
      throw error;
    }
  }

  /** Counted once per handler, kept up to date from then on: control is the only writer. */
  async #total(trx: Transaction<Schema>, handlerId: string): Promise<Total> {
    const known = this.#totals.get(handlerId);
    if (known !== undefined) return known;
    const row = await trx
      .selectFrom('kv')
      .select(({ fn }) => [
        fn.countAll<number>().as('keys'),
        fn.sum<number | null>(fn('length', ['value'])).as('bytes'),
      ])
      .where('handler_id', '=', handlerId)
      .executeTakeFirstOrThrow();
    if (this.#totals.size >= totalsMax) this.#totals.clear();
    return { keys: Number(row.keys), bytes: Number(row.bytes ?? 0) };
  }
}

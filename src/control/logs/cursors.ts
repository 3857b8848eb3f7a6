/**
 * Cursors of log lines: numbers that always grow, over restarts, power cuts and several controls.
 *
 * The last given cursor is in one row (`log_cursor`), which is changed in the transaction that stores the lines. The
 * row is locked until the commit, so cursors grow in the order of commits of all controls.
 *
 * On SQLite this commit does not wait for the disk, so a power cut can undo it after readers have seen its lines. A
 * second row (`log_cursor_reserved`) is therefore written durably in advance, for `cursorBlock` cursors at a time, and
 * each start continues above it: a cursor that a reader has seen is never given again.
 */
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';

/** Other controls have taken reserved cursors: more must be reserved before lines are stored. */
export class CursorsTaken extends Error {
  readonly last: number;

  /** `last`: the last cursor that has been given. */
  constructor(last: number) {
    super('log cursors were taken by another control');
    this.last = last;
  }
}

/**
 * Cursors reserved by one durable write; each start skips those that are left. Has nothing to do with blocks of lines.
 */
export const cursorBlock = 100_000;

const lastKey = 'log_cursor';
const reservedKey = 'log_cursor_reserved';

export class Cursors {
  readonly #db: Database;
  /** Number of cursors that are reserved beyond those that are needed. */
  readonly #block: number;
  /** Greatest cursor that this control may give. */
  #reserved: number;

  private constructor(db: Database, options: { readonly block: number; readonly reserved: number }) {
    this.#db = db;
    this.#block = options.block;
    this.#reserved = options.reserved;
  }

  /** Opens the cursors, above every cursor that an earlier process can have given. */
  static async open(db: Database, block = cursorBlock): Promise<Cursors> {
    const reserved = await raise(db, reservedKey, 0);
    // Files of earlier versions have reserved in `log_cursor` itself.
    await raise(db, reservedKey, await raise(db, lastKey, reserved));
    return new Cursors(db, { block, reserved });
  }

  /** Reads the last cursor given by any control, as committed. */
  last(): Promise<number> {
    return lastCursor(this.#db.reader);
  }

  /** Reserves durably enough for `count` cursors above `last`. Must not run inside a transaction. */
  async reserve(last: number, count: number): Promise<void> {
    if (last + count <= this.#reserved) return;
    this.#reserved = await raise(this.#db, reservedKey, last + count + this.#block);
  }

  /**
   * Takes `count` cursors in the transaction that stores their lines; returns the first. Returns `last`, the last
   * cursor given, when they are not reserved, because other controls have taken some meanwhile; then no line may be
   * stored, and the transaction has to be rolled back.
   */
  async take(trx: Transaction<Schema>, count: number): Promise<{ readonly first: number } | { readonly last: number }> {
    const { value } = await trx
      .updateTable('settings')
      .set({ value: sql<string>`cast(cast(value as bigint) + cast(${count} as bigint) as text)` })
      .where('key', '=', lastKey)
      .returning('value')
      .executeTakeFirstOrThrow();
    const last = Number(value);
    return last <= this.#reserved ? { first: last - count + 1 } : { last: last - count };
  }
}

/**
 * Returns the last cursor that any control has given to a line of any handler, as committed; 0: none. Lines that are
 * stored later have greater cursors.
 */
export async function lastCursor(db: Kysely<Schema>): Promise<number> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', lastKey).executeTakeFirst();
  return Number(row?.value ?? 0);
}

/** Makes the number in the row `key` at least `least`, durably; returns the number. */
async function raise(db: Database, key: string, least: number): Promise<number> {
  const text = String(least);
  const { value } = await db
    .insertInto('settings')
    .values({ key, value: text })
    .onConflict((oc) =>
      oc.column('key').doUpdateSet({
        value: sql<string>`case when cast(settings.value as bigint) < cast(${text} as bigint) then ${text} else settings.value end`,
      }),
    )
    .returning('value')
    .executeTakeFirstOrThrow();
  return Number(value);
}

/** Cursors of log lines: numbers that grow for ever, over restarts and power cuts. */
import type { Database } from '../db/database.ts';

/** Cursors reserved with one durable write; at a restart the rest of a block is skipped. */
export const cursorBlock = 100_000;

const key = 'log_cursor';

export class Cursors {
  readonly #db: Database;
  readonly #block: number;
  #next: number;
  #reservedUpTo: number;

  private constructor(db: Database, options: { readonly block: number; readonly reservedUpTo: number }) {
    this.#db = db;
    this.#block = options.block;
    this.#next = options.reservedUpTo + 1;
    this.#reservedUpTo = options.reservedUpTo;
  }

  static async open(db: Database, block = cursorBlock): Promise<Cursors> {
    const row = await db.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst();
    return new Cursors(db, { block, reservedUpTo: row === undefined ? 0 : Number(row.value) });
  }

  /** The next cursor that `use` takes. */
  get next(): number {
    return this.#next;
  }

  /**
   * Before `count` cursors are used. Durable: the lines themselves may be lost in a power cut
   * (`relaxed`), but a cursor that a reader has seen is never given again.
   */
  async reserve(count: number): Promise<void> {
    const last = this.#next + count - 1;
    if (last <= this.#reservedUpTo) return;
    const upTo = last + this.#block;
    await this.#db
      .insertInto('settings')
      .values({ key, value: String(upTo) })
      .onConflict((oc) => oc.column('key').doUpdateSet({ value: String(upTo) }))
      .execute();
    this.#reservedUpTo = upTo;
  }

  /** The lines with the next `count` cursors are stored. */
  use(count: number): void {
    this.#next += count;
  }
}

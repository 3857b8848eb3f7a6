/** Handler name -> id, for what runners report by name. Bounded; names are asked for in one query. */
import type { Database } from '../db/database.ts';

export const handlerIdLimits = {
  /** Names remembered: more than have traffic at once. About 100 bytes each. */
  names: 20_000,
  /** Names in one question. */
  batch: 500,
} as const;

export class HandlerIds {
  readonly #db: Database;
  /**
   * Least recently used first. Only handlers in force: an unknown name may be created tomorrow, and a
   * deleted handler may be purged and its name be somebody else's.
   */
  readonly #ids = new Map<string, string>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** The ids of those names that exist, deleted handlers included (they may still be writing). */
  async resolve(names: Iterable<string>): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const unknown: string[] = [];
    for (const name of new Set(names)) {
      const id = this.#ids.get(name);
      if (id === undefined) unknown.push(name);
      else {
        found.set(name, id);
        this.#remember(name, id);
      }
    }
    for (let at = 0; at < unknown.length; at += handlerIdLimits.batch) {
      const rows = await this.#db.reader
        .selectFrom('handlers')
        .select(['id', 'name', 'deleted_ms'])
        .where('name', 'in', unknown.slice(at, at + handlerIdLimits.batch))
        .execute();
      for (const { id, name, deleted_ms } of rows) {
        found.set(name, id);
        if (deleted_ms === null) this.#remember(name, id);
      }
    }
    return found;
  }

  /** To be called when a handler has been purged: somebody else may take its name. */
  forget(name: string): void {
    this.#ids.delete(name);
  }

  #remember(name: string, id: string): void {
    this.#ids.delete(name);
    this.#ids.set(name, id);
    if (this.#ids.size <= handlerIdLimits.names) return;
    const [oldest] = this.#ids.keys();
    if (oldest !== undefined) this.#ids.delete(oldest);
  }
}

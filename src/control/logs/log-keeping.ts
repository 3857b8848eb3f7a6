/** Stores how long and how much of each handler's log is kept, where an owner wants less than the server keeps. */

import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';

export interface Keeping {
  /** Days after which lines are removed. */
  readonly days: number;
  /** Bytes of blocks, as they are stored, above which the oldest are removed. */
  readonly bytes: number;
}

/** Values of a handler; null: that of the server holds. */
export type OwnKeeping = { readonly [Name in keyof Keeping]: Keeping[Name] | null };

const none: OwnKeeping = { days: null, bytes: null };

export class LogKeeping {
  readonly #db: Database;
  readonly #server: Keeping;
  #own = new Map<string, OwnKeeping>();

  /** `server`: values of handlers without their own, and the most that a handler may have. */
  constructor(db: Database, server: Keeping) {
    this.#db = db;
    this.#server = server;
  }

  /** Values for handlers without their own. */
  get server(): Keeping {
    return this.#server;
  }

  /** Reads what is stored; again from time to time, because other controls may change it. */
  async load(): Promise<void> {
    const rows = await this.#db.reader.selectFrom('log_retention').selectAll().execute();
    this.#own = new Map(rows.map(({ handler_id, days, bytes }) => [handler_id, { days, bytes }]));
  }

  /** Returns what holds for a handler, as last read. */
  of(handlerId: HandlerId): Keeping {
    const { days, bytes } = this.#own.get(handlerId) ?? none;
    return {
      days: Math.min(days ?? this.#server.days, this.#server.days),
      bytes: Math.min(bytes ?? this.#server.bytes, this.#server.bytes),
    };
  }

  /** Returns a handler's own values, as stored. */
  async ownOf(handlerId: HandlerId): Promise<OwnKeeping> {
    const row = await this.#db
      .selectFrom('log_retention')
      .select(['days', 'bytes'])
      .where('handler_id', '=', handlerId)
      .executeTakeFirst();
    return row ?? none;
  }

  /** Changes the values that `change` has; null: that of the server holds again. Returns the values of the handler. */
  async set(handlerId: HandlerId, change: Partial<OwnKeeping>): Promise<OwnKeeping> {
    const row = await this.#db
      .insertInto('log_retention')
      .values({ handler_id: handlerId, ...none, ...change })
      .onConflict((oc) => oc.column('handler_id').doUpdateSet({ handler_id: handlerId, ...change }))
      .returning(['days', 'bytes'])
      .executeTakeFirstOrThrow();
    this.#own.set(handlerId, row);
    return row;
  }
}

/** Reads and writes the last measured bytes of each handler, by kind, in the database. */

import type { HandlerId } from '../../protocol/names.ts';
import type { HandlerKind } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { isForeignKeyViolation } from '../db/sql-error.ts';

/** A handler that stores data; a deleted one does until it is purged. */
export interface HandlerBytes {
  readonly handlerId: HandlerId;
  readonly name: string;
  readonly isDeleted: boolean;
  readonly kind: HandlerKind;
  readonly bytes: number;
}

export class StoredBytes {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Replaces the number of one handler and kind. Does nothing when the handler no longer exists. */
  async set(handlerId: HandlerId, kind: HandlerKind, bytes: number): Promise<void> {
    await this.#db.relaxed
      .insertInto('stored_bytes')
      .values({ handler_id: handlerId, kind, bytes })
      .onConflict((conflict) => conflict.columns(['handler_id', 'kind']).doUpdateSet({ bytes }))
      .execute()
      .catch((error: unknown) => {
        if (!isForeignKeyViolation(error)) throw error;
      });
  }

  /** Returns the figures of all handlers of a user. */
  async ofUser(userId: string): Promise<readonly HandlerBytes[]> {
    const rows = await this.#db
      .selectFrom('handlers')
      .innerJoin('stored_bytes', 'stored_bytes.handler_id', 'handlers.id')
      .select(['handlers.id', 'handlers.name', 'handlers.deleted_ms', 'stored_bytes.kind', 'stored_bytes.bytes'])
      .where('handlers.owner_id', '=', userId)
      .execute();
    return rows.map(({ id, name, deleted_ms, kind, bytes }) => {
      return { handlerId: id, name, isDeleted: deleted_ms !== null, kind, bytes: Number(bytes) };
    });
  }

  /** Returns the bytes of the user who stores most; 0: no user stores anything. */
  async ofLargestUser(): Promise<number> {
    const row = await this.#db
      .selectFrom('stored_bytes')
      .innerJoin('handlers', 'handlers.id', 'stored_bytes.handler_id')
      .select(({ fn }) => fn.sum<number>('stored_bytes.bytes').as('bytes'))
      .groupBy('handlers.owner_id')
      .orderBy('bytes', 'desc')
      .limit(1)
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }

  /** Returns the id of the handler's owner; null: the handler no longer exists. */
  async ownerOf(handlerId: HandlerId): Promise<string | null> {
    const row = await this.#db.selectFrom('handlers').select('owner_id').where('id', '=', handlerId).executeTakeFirst();
    return row?.owner_id ?? null;
  }

  /** Returns the bytes that one handler stores. */
  async ofHandler(handlerId: HandlerId): Promise<number> {
    const row = await this.#db
      .selectFrom('stored_bytes')
      .select(({ fn }) => fn.sum<number>('bytes').as('bytes'))
      .where('handler_id', '=', handlerId)
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }

  /** Returns the quota that an administrator has set for a user; null: none. */
  async quotaOf(userId: string): Promise<number | null> {
    const row = await this.#db.selectFrom('users').select('quota_bytes').where('id', '=', userId).executeTakeFirst();
    return row?.quota_bytes ?? null;
  }

  /** Returns the ids of a user's handlers, deleted ones included. */
  async handlerIdsOf(userId: string): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom('handlers').select('id').where('owner_id', '=', userId).execute();
    return rows.map(({ id }) => id);
  }

  /** Returns the ids of all handlers, deleted ones included. */
  async handlerIds(): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom('handlers').select('id').orderBy('id').execute();
    return rows.map(({ id }) => id);
  }
}

/** Drains in the database: where lines go, how far each has come in the log of each handler, and how it fares. */

import { type Kysely, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { DrainView } from '../../protocol/views.ts';
import type { Sealer } from '../accounts/sealer.ts';
import type { Database } from '../db/database.ts';
import { lockHandler, lockPlatform } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { lastCursor } from '../logs/cursors.ts';
import { type DrainSettings, drainLimits, shownTarget } from './settings.ts';

/** A drain with its settings, opened for a turn. */
export interface DueDrain {
  readonly id: string;
  /** Handler whose lines it hands on; null: those of all handlers. */
  readonly handlerId: HandlerId | null;
  readonly settings: DrainSettings;
  readonly failures: number;
}

/** A handler with lines that a drain has not handed on. */
export interface Behind {
  readonly handler: { readonly id: string; readonly name: string };
  /** Last cursor that was handed on. */
  readonly cursor: number;
}

/** Handlers that one turn of a drain goes through; the others follow in the next turn. */
const handlersPerTurn = 200;

export class DrainStore {
  readonly #db: Database;
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #newId: () => string;

  constructor(options: {
    readonly db: Database;
    readonly sealer: Sealer;
    readonly now: () => number;
    readonly newId: () => string;
  }) {
    this.#db = options.db;
    this.#sealer = options.sealer;
    this.#now = options.now;
    this.#newId = options.newId;
  }

  /** Returns the drains of a handler, or of the server (null), by name. */
  async list(handlerId: HandlerId | null): Promise<readonly DrainView[]> {
    const rows = await this.#db.reader
      .selectFrom('drains')
      .selectAll()
      .where('scope', '=', handlerId ?? '')
      .orderBy('name')
      .execute();
    return rows.map((row) => viewOf(row, this.#now()));
  }

  /** Returns one drain. Throws `not_found`. */
  async show(handlerId: HandlerId | null, name: string): Promise<DrainView> {
    const row = await this.#db.reader
      .selectFrom('drains')
      .selectAll()
      .where('scope', '=', handlerId ?? '')
      .where('name', '=', name)
      .executeTakeFirst();
    if (row === undefined) throw unknown();
    return viewOf(row, this.#now());
  }

  /**
   * Makes a drain of a handler, or of the server (null), which hands on lines that are written from now on; or gives
   * one other settings: it goes on where it was. `ownerId`: owner of the handler for whom the request was permitted.
   * Throws `limit_exceeded`, and `not_found` if the handler has got another owner meanwhile: the new owner's log would
   * go to a receiver of the earlier one.
   */
  async put(
    handler: { readonly id: string; readonly ownerId: string } | null,
    name: string,
    settings: DrainSettings,
  ): Promise<void> {
    const scope = handler?.id ?? '';
    await this.#db.transaction().execute(async (trx) => {
      if (handler === null) await lockPlatform(trx, 'drains');
      else await lockOwned(trx, handler);
      const drains = await trx.selectFrom('drains').select(['id', 'name']).where('scope', '=', scope).execute();
      const known = drains.find((drain) => drain.name === name);
      if (known === undefined && drains.length >= drainLimits.each)
        throw new PlatformError('limit_exceeded', `there are ${drainLimits.each} drains already`, {
          hints: ['remove one first'],
        });
      const id = known?.id ?? this.#newId();
      const set = {
        kind: settings.kind,
        target: shownTarget(settings),
        sealed: this.#sealer.seal(drainPlace(id), JSON.stringify(settings)),
        ...{ failures: 0, error: null, failed_ms: null, retry_ms: 0 },
      };
      if (known !== undefined) {
        await trx.updateTable('drains').set(set).where('id', '=', id).execute();
        return;
      }
      await trx
        .insertInto('drains')
        .values({
          ...{ id, handler_id: handler?.id ?? null, scope, name, ...set, start_cursor: await lastCursor(trx) },
          ...{ created_ms: this.#now(), sent: 0, lost: 0, sent_ms: null },
        })
        .execute();
    });
  }

  /** Removes a drain. Throws `not_found`. */
  async remove(handlerId: HandlerId | null, name: string): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('drains')
      .where('scope', '=', handlerId ?? '')
      .where('name', '=', name)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw unknown();
  }

  /**
   * Returns the drains that no back-off keeps from sending: those of a handler with lines after their cursor, and all
   * of the server, whose owner is ''.
   */
  async due(): Promise<readonly { readonly id: string; readonly ownerId: string }[]> {
    const rows = await this.#db.reader
      .selectFrom('drains')
      .leftJoin('handlers', 'handlers.id', 'drains.handler_id')
      .leftJoin('drain_cursors', (join) =>
        join
          .onRef('drain_cursors.drain_id', '=', 'drains.id')
          .onRef('drain_cursors.handler_id', '=', 'drains.handler_id'),
      )
      .select(['drains.id', 'handlers.owner_id'])
      .where('retry_ms', '<=', this.#now())
      .where('handlers.deleted_ms', 'is', null)
      .where((eb) =>
        eb.or([
          eb('drains.handler_id', 'is', null),
          eb(
            eb
              .selectFrom('log_blocks')
              .select('last_cursor')
              .whereRef('log_blocks.handler_id', '=', 'drains.handler_id')
              .orderBy('first_cursor', 'desc')
              .limit(1),
            '>',
            eb.fn.coalesce('drain_cursors.cursor', 'drains.start_cursor'),
          ),
        ]),
      )
      .execute();
    return rows.map(({ id, owner_id }) => ({ id, ownerId: owner_id ?? '' }));
  }

  /**
   * Returns a drain with its settings; null if it is gone, or if its settings cannot be opened, which is a failed
   * attempt.
   */
  async open(id: string): Promise<DueDrain | null> {
    const row = await this.#db.reader
      .selectFrom('drains')
      .select(['handler_id', 'sealed', 'failures'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return null;
    try {
      // `put` wrote it.
      const settings = JSON.parse(this.#sealer.unseal(drainPlace(id), row.sealed).toString()) as DrainSettings;
      return { id, handlerId: row.handler_id, settings, failures: Number(row.failures) };
    } catch {
      await this.failed(id, { error: 'its settings cannot be opened with the key of this server', afterMs: 60_000 });
      return null;
    }
  }

  /** Returns handlers of a drain with lines after its cursor. One seek in an index for each handler of the drain. */
  async behind({ id, handlerId }: Pick<DueDrain, 'id' | 'handlerId'>): Promise<readonly Behind[]> {
    const rows = await this.#db.reader
      .selectFrom((from) =>
        from
          .selectFrom('handlers')
          .innerJoin('drains', (join) => join.on('drains.id', '=', id))
          .leftJoin('drain_cursors', (join) =>
            join.onRef('drain_cursors.handler_id', '=', 'handlers.id').on('drain_cursors.drain_id', '=', id),
          )
          .select((eb) => [
            'handlers.id',
            'handlers.name',
            eb.fn.coalesce('drain_cursors.cursor', 'drains.start_cursor').as('cursor'),
            eb
              .selectFrom('log_blocks')
              .select('last_cursor')
              .whereRef('log_blocks.handler_id', '=', 'handlers.id')
              .orderBy('first_cursor', 'desc')
              .limit(1)
              .as('newest'),
          ])
          .where('handlers.deleted_ms', 'is', null)
          // Asked on this line.
          .$if(handlerId !== null, (query) => query.where('handlers.id', '=', handlerId as string))
          .as('found'),
      )
      .select(['id', 'name', 'cursor'])
      .where(sql<boolean>`newest > cursor`)
      .orderBy('cursor')
      .limit(handlersPerTurn)
      .execute();
    return rows.map((row) => ({ handler: { id: row.id, name: row.name }, cursor: Number(row.cursor) }));
  }

  /**
   * Returns how many stored lines the drains of each kind have not handed on. Lines of requests count, which most
   * drains leave out; a block of which some lines were handed on does not.
   */
  async waiting(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#db.reader
      .selectFrom('drains')
      .innerJoin('handlers', (join) =>
        join.on((eb) =>
          eb.or([eb('drains.handler_id', 'is', null), eb('handlers.id', '=', eb.ref('drains.handler_id'))]),
        ),
      )
      .leftJoin('drain_cursors', (join) =>
        join.onRef('drain_cursors.drain_id', '=', 'drains.id').onRef('drain_cursors.handler_id', '=', 'handlers.id'),
      )
      .innerJoin('log_blocks', (join) =>
        join
          .onRef('log_blocks.handler_id', '=', 'handlers.id')
          .on((eb) =>
            eb('log_blocks.first_cursor', '>', eb.fn.coalesce('drain_cursors.cursor', 'drains.start_cursor')),
          ),
      )
      .select(({ fn }) => ['drains.kind', fn.sum<number | string>('log_blocks.lines').as('lines')])
      .where('handlers.deleted_ms', 'is', null)
      .groupBy('drains.kind')
      .execute();
    return new Map(rows.map(({ kind, lines }) => [kind, Number(lines)]));
  }

  /**
   * Stores how far a drain has come. `sent`, `lost`: lines since the last call. Returns whether the drain still exists.
   */
  async advance(
    drain: string,
    handlerId: HandlerId,
    { cursor, sent, lost }: { readonly cursor: number; readonly sent: number; readonly lost: number },
  ): Promise<boolean> {
    return this.#db.relaxed.transaction().execute(async (trx) => {
      // Locks the drain's row: with PostgreSQL it may be removed at the same time.
      const { numUpdatedRows } = await trx
        .updateTable('drains')
        .set((eb) => ({
          sent: eb('sent', '+', sent),
          lost: eb('lost', '+', lost),
          ...(sent > 0 ? { sent_ms: this.#now() } : {}),
          ...{ failures: 0, error: null, retry_ms: 0 },
        }))
        .where('id', '=', drain)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await trx
        .insertInto('drain_cursors')
        .values({ drain_id: drain, handler_id: handlerId, cursor })
        // Never backwards, should two controls have sent at the same time.
        .onConflict((oc) =>
          oc.columns(['drain_id', 'handler_id']).doUpdateSet({ cursor }).where('drain_cursors.cursor', '<', cursor),
        )
        .execute();
      return true;
    });
  }

  /** Stores that an attempt has failed. The next begins after `afterMs` milliseconds. */
  async failed(drain: string, { error, afterMs }: { readonly error: string; readonly afterMs: number }): Promise<void> {
    const nowMs = this.#now();
    await this.#db.relaxed
      .updateTable('drains')
      .set((eb) => ({ failures: eb('failures', '+', 1), error, failed_ms: nowMs, retry_ms: nowMs + afterMs }))
      .where('id', '=', drain)
      .execute();
  }
}

/** Returns the place that the settings of a drain are sealed for. */
export function drainPlace(id: string): readonly string[] {
  return ['drain', id];
}

/**
 * Locks the row of a handler until the transaction ends. Throws `not_found` if `ownerId` does not own it, or it is
 * deleted.
 */
async function lockOwned(
  trx: Kysely<Schema>,
  { id, ownerId }: { readonly id: string; readonly ownerId: string },
): Promise<void> {
  await lockHandler(trx, id);
  const row = await trx
    .selectFrom('handlers')
    .select('id')
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .where('deleted_ms', 'is', null)
    .executeTakeFirst();
  if (row === undefined) throw new PlatformError('not_found', 'this handler has another owner, or is deleted');
}

function viewOf(row: Schema['drains'], nowMs: number): DrainView {
  const whole = (value: number | null): number | null => (value === null ? null : Number(value));
  return {
    name: row.name,
    kind: row.kind,
    target: row.target,
    createdMs: Number(row.created_ms),
    sent: Number(row.sent),
    lost: Number(row.lost),
    sentMs: whole(row.sent_ms),
    failures: Number(row.failures),
    error: row.error,
    failedMs: whole(row.failed_ms),
    retryMs: Number(row.retry_ms) > nowMs ? Number(row.retry_ms) : null,
  };
}

function unknown(): PlatformError {
  return new PlatformError('not_found', 'there is no such drain');
}

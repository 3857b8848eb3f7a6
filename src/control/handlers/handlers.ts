/**
 * Makes, finds, renames, deletes and restores handlers. A name is unique; a deleted handler keeps its name until it is
 * purged. The name that a renamed handler had leads to it until another handler takes the name.
 */

import type { Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { checkHandlerName, generateName, type HandlerId } from '../../protocol/names.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { isUniqueViolation } from '../db/sql-error.ts';

export const handlerLimits = {
  /** Handlers of one user that are not deleted. A runner holds compiled code for each. */
  live: 200,
  /**
   * Handlers of one user, deleted ones included: these keep their names, so deleting must not make room for unlimited
   * new ones.
   */
  total: 400,
  /** Milliseconds for which a deleted handler can be restored; then its data is removed and its name is free. */
  retentionMs: 30 * 24 * 60 * 60_000,
  /** Milliseconds for which only the owner of a renamed handler can take the name that the handler had. */
  formerNameMs: 30 * 24 * 60 * 60_000,
  /** Former names of one handler, so that renaming does not reserve names without end. */
  formerNames: 10,
  /** Names tried when one is generated: 504,000 exist, so even half of them taken leaves one in a million to fail. */
  nameAttempts: 20,
  /** Handlers removed in one round of purging, each by itself. */
  purgeBatch: 50,
  branchChars: 200,
} as const;

export interface Handler {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  /** Name of the deploy branch; null until the first push. */
  readonly deployBranch: string | null;
  readonly createdMs: number;
  readonly deletedMs: number | null;
}

export interface HandlersOptions {
  readonly db: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Returns an integer in [0, n), evenly distributed. */
  readonly randomInt: (n: number) => number;
}

export class Handlers {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #randomInt: (n: number) => number;
  readonly #deletedListeners = new Set<(handlerId: HandlerId) => void>();

  constructor(options: HandlersOptions) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
    this.#randomInt = options.randomInt;
  }

  /** Returns the handler of that name; null where there is none or it is deleted. */
  async find(name: string): Promise<Handler | null> {
    const handler = await this.#named(name);
    return handler?.deletedMs === null ? handler : null;
  }

  async findById(id: string): Promise<Handler | null> {
    const row = await this.#db.selectFrom('handlers').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : toHandler(row);
  }

  /** Returns the handler with an id. Throws `not_found` where it does not exist or is deleted. */
  async existing(id: string): Promise<Handler> {
    const handler = await this.findById(id);
    if (handler === null || handler.deletedMs !== null) throw new PlatformError('not_found', 'no such handler');
    return handler;
  }

  /**
   * Makes a handler; without a name it gets a generated one. `id`: id of the repository that a first push already uses.
   * Throws `name_invalid`, `name_taken`, `limit_exceeded`.
   */
  async create(options: {
    readonly name?: string | undefined;
    readonly ownerId: string;
    readonly id?: string | undefined;
  }): Promise<Handler> {
    const { name, ownerId, id } = options;
    if (name !== undefined) return this.#insert(checkHandlerName(name), ownerId, id);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#insert(generateName(this.#randomInt), ownerId, id);
      } catch (error) {
        const taken = error instanceof PlatformError && error.code === 'name_taken';
        if (!taken || attempt === handlerLimits.nameAttempts) throw error;
      }
    }
  }

  async list(ownerId: string, options: { readonly deleted?: boolean } = {}): Promise<readonly Handler[]> {
    const rows = await this.#db
      .selectFrom('handlers')
      .selectAll()
      .where('owner_id', '=', ownerId)
      .where('deleted_ms', options.deleted === true ? 'is not' : 'is', null)
      .orderBy('name')
      .execute();
    return rows.map(toHandler);
  }

  /**
   * Changes the branch whose pushes are released. Throws `bad_request` for a name that git does not allow, `not_found`
   * for a deleted handler.
   */
  async setDeployBranch(handlerId: HandlerId, branch: string): Promise<void> {
    if (!isBranchName(branch))
      throw new PlatformError('bad_request', 'this cannot be a branch name', { hints: ['for example main'] });
    const { numUpdatedRows } = await this.#db
      .updateTable('handlers')
      .set({ deploy_branch: branch })
      .where('id', '=', handlerId)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new PlatformError('not_found', 'no such handler');
  }

  /**
   * Gives a handler another name. The name before becomes a former name, which leads to the handler; `name` stops being
   * one. Returns the name before, and the handler's oldest former names where they were more than
   * `handlerLimits.formerNames` and are free now. Throws `name_invalid`, `name_taken`, `not_found`, `limit_exceeded`.
   */
  async rename(
    handlerId: HandlerId,
    name: string,
  ): Promise<{ readonly before: string; readonly freed: readonly string[] }> {
    checkHandlerName(name);
    return this.#db
      .transaction()
      .execute(async (trx) => {
        const row = await trx
          .selectFrom('handlers')
          .select(['name', 'owner_id'])
          .where('id', '=', handlerId)
          .where('deleted_ms', 'is', null)
          .forNoKeyUpdate()
          .executeTakeFirst();
        if (row === undefined) throw new PlatformError('not_found', 'no such handler');
        if (row.name === name) return { before: name, freed: [] };
        await trx.updateTable('handlers').set({ name }).where('id', '=', handlerId).execute();
        await this.#takeName(trx, name, row.owner_id);
        const former = { name: row.name, handler_id: handlerId, renamed_ms: this.#now() };
        await trx.insertInto('former_names').values(former).execute();
        return { before: row.name, freed: await this.#freeFormerNames(trx, handlerId) };
      })
      .catch((error: unknown) => {
        throw isUniqueViolation(error) ? nameTaken(name, error) : error;
      });
  }

  /**
   * Deletes a handler softly: its name stays taken, and it can be restored for `handlerLimits.retentionMs`.
   * Throws `not_found`.
   */
  async delete(handlerId: HandlerId): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('handlers')
      .set({ deleted_ms: this.#now() })
      .where('id', '=', handlerId)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new PlatformError('not_found', 'no such handler');
    for (const listener of this.#deletedListeners) listener(handlerId);
  }

  /**
   * Returns those of `ids` (at most some thousand) that exist and are not deleted; deletions by other controls count.
   */
  async inUse(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#db.reader
      .selectFrom('handlers')
      .select('id')
      .where('id', 'in', ids)
      .where('deleted_ms', 'is', null)
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * Calls `listener` with the id of each handler that this control deletes from now on. Returns a function that ends
   * this.
   */
  onDeleted(listener: (handlerId: HandlerId) => void): () => void {
    this.#deletedListeners.add(listener);
    return () => this.#deletedListeners.delete(listener);
  }

  /**
   * Restores a deleted handler. Throws `not_found` (another user's, never existing, or purged), `conflict` (not
   * deleted), `limit_exceeded`.
   */
  async restore(name: string, ownerId: string): Promise<Handler> {
    return this.#db.transaction().execute(async (trx) => {
      await lockUser(trx, ownerId);
      const row = await trx
        .selectFrom('handlers')
        .selectAll()
        .where('name', '=', name)
        .where('owner_id', '=', ownerId)
        .executeTakeFirst();
      if (row === undefined) throw missing(name);
      if (row.deleted_ms === null) throw new PlatformError('conflict', `${name} is not deleted`);
      await this.checkRoom(trx, ownerId, { restored: true });
      await trx.updateTable('handlers').set({ deleted_ms: null }).where('id', '=', row.id).execute();
      return toHandler({ ...row, deleted_ms: null });
    });
  }

  /**
   * Removes handlers that were deleted longer ago than the retention. `before` removes data outside these tables
   * (repository, logs, usage) and may be called again for the same handler: the row is removed last, so the next round
   * finishes after a crash. Returns the number of removed handlers.
   */
  async purge(before: (handler: Handler) => Promise<void>): Promise<number> {
    const rows = await this.#db
      .selectFrom('handlers')
      .selectAll()
      .where('deleted_ms', '<', this.#now() - handlerLimits.retentionMs)
      .orderBy('deleted_ms')
      .limit(handlerLimits.purgeBatch)
      .execute();
    for (const row of rows) await this.purgeOne(toHandler(row), before);
    return rows.length;
  }

  /** Removes a deleted handler now, as purge() does after the retention. Its name is then free. */
  async purgeOne(handler: Handler, before: (handler: Handler) => Promise<void>): Promise<void> {
    await before(handler);
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('releases').where('handler_id', '=', handler.id).execute();
      await trx.deleteFrom('deployments').where('handler_id', '=', handler.id).execute();
      await trx.deleteFrom('handlers').where('id', '=', handler.id).where('deleted_ms', 'is not', null).execute();
    });
  }

  /**
   * Throws `limit_exceeded` when a user has as many handlers as the user's own limit, or else the platform's, allows.
   * `restored`: a deleted handler comes back. Throws `unauthorized` for a user who was deleted meanwhile. Requires the
   * lock on the user.
   */
  async checkRoom(
    trx: Kysely<Schema>,
    userId: string,
    { restored = false }: { readonly restored?: boolean } = {},
  ): Promise<void> {
    const user = await trx
      .selectFrom('users')
      .select('handlers_max')
      .where('id', '=', userId)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    if (user === undefined) throw new PlatformError('unauthorized', 'this account was deleted');
    const max = user.handlers_max ?? handlerLimits.live;
    const owned = await trx.selectFrom('handlers').select('deleted_ms').where('owner_id', '=', userId).execute();
    if (owned.filter((row) => row.deleted_ms === null).length >= max) throw tooMany(max, 'handlers');
    const total = Math.max(handlerLimits.total, 2 * max);
    if (!restored && owned.length >= total) throw tooMany(total, 'handlers, deleted ones included');
  }

  /** Returns the handler of that name, deleted or not: names are unique. */
  async #named(name: string): Promise<Handler | null> {
    const row = await this.#db.selectFrom('handlers').selectAll().where('name', '=', name).executeTakeFirst();
    return row === undefined ? null : toHandler(row);
  }

  async #insert(name: string, ownerId: string, id = newId('h', this.#randomBytes)): Promise<Handler> {
    const handler: Handler = {
      id,
      name,
      ownerId,
      deployBranch: null,
      createdMs: this.#now(),
      deletedMs: null,
    };
    try {
      await this.#db.transaction().execute(async (trx) => {
        await lockUser(trx, ownerId);
        await this.checkRoom(trx, ownerId);
        await trx
          .insertInto('handlers')
          .values({
            id: handler.id,
            name,
            owner_id: ownerId,
            deploy_branch: null,
            next_number: 1,
            created_ms: handler.createdMs,
            deleted_ms: null,
          })
          .execute();
        await this.#takeName(trx, name, ownerId);
      });
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken(name, error) : error;
    }
    return handler;
  }

  /**
   * Removes `name` from the former names, once a handler of `ownerId` has the name. Throws `name_taken` where it was
   * the name of another user's handler within `handlerLimits.formerNameMs`. Runs after the statement that gives the
   * name: that statement waits for a transaction that renames the earlier holder, and this one then sees what it wrote.
   */
  async #takeName(trx: Kysely<Schema>, name: string, ownerId: string): Promise<void> {
    const held = await trx
      .selectFrom('former_names')
      .innerJoin('handlers', 'handlers.id', 'former_names.handler_id')
      .select(['handlers.owner_id', 'former_names.renamed_ms'])
      .where('former_names.name', '=', name)
      .executeTakeFirst();
    if (held === undefined) return;
    const isReserved = Number(held.renamed_ms) + handlerLimits.formerNameMs > this.#now();
    if (isReserved && held.owner_id !== ownerId) throw nameTaken(name);
    await trx.deleteFrom('former_names').where('name', '=', name).execute();
  }

  /** Removes the oldest former names beyond the limit, and returns them. Throws `limit_exceeded` if one is reserved. */
  async #freeFormerNames(trx: Kysely<Schema>, handlerId: HandlerId): Promise<readonly string[]> {
    const rows = await trx
      .selectFrom('former_names')
      .select(['name', 'renamed_ms'])
      .where('handler_id', '=', handlerId)
      .orderBy('renamed_ms', 'desc')
      .execute();
    const surplus = rows.slice(handlerLimits.formerNames);
    if (surplus.some((row) => Number(row.renamed_ms) + handlerLimits.formerNameMs > this.#now()))
      throw new PlatformError(
        'limit_exceeded',
        `a handler is renamed at most ${handlerLimits.formerNames} times in 30 days`,
      );
    const names = surplus.map(({ name }) => name);
    if (names.length > 0) await trx.deleteFrom('former_names').where('name', 'in', names).execute();
    return names;
  }
}

/** Returns whether a branch (without refs/heads/) may have this name: a subset of git-check-ref-format(1). */
export function isBranchName(branch: string): boolean {
  return (
    branch.length <= handlerLimits.branchChars &&
    /^[A-Za-z0-9_][A-Za-z0-9._/+-]*$/.test(branch) &&
    !/\.\.|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(branch)
  );
}

/** Returns a row of the table as a Handler. */
export function toHandler(row: {
  id: string;
  name: string;
  owner_id: string;
  deploy_branch: string | null;
  created_ms: number;
  deleted_ms: number | null;
}): Handler {
  return {
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    deployBranch: row.deploy_branch,
    createdMs: row.created_ms,
    deletedMs: row.deleted_ms,
  };
}

/** Makes the error for a handler that does not exist, or that the caller may not know of. */
export function missing(name: string): PlatformError {
  const shown = name.length <= 80 ? ` ${JSON.stringify(name)}` : '';
  return new PlatformError('not_found', `you have no handler${shown}`, {
    hints: ['see yours: wasmcloud list'],
  });
}

function nameTaken(name: string, cause?: unknown): PlatformError {
  return new PlatformError('name_taken', `the name ${name} is taken`, {
    hints: ['choose another name, or let wasmcloud namegen propose one'],
    cause,
  });
}

function tooMany(n: number, what: string): PlatformError {
  return new PlatformError('limit_exceeded', `a user has at most ${n} ${what}`, {
    hints: ['delete one that is not used any more'],
  });
}

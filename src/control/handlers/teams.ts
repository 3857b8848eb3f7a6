/**
 * Who works on a handler besides its owner, and how a handler gets another owner.
 *
 *     owner --offer(user)--> offered --accept(by user)--> the user owns it, nobody else has more than before
 *                              |  decline, withdraw, a week passes: nothing changes
 */

import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { CollaboratorRole } from '../../protocol/nouns.ts';
import type { CollaboratorView, TransferView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { lockHandler, lockUser } from '../db/row-locks.ts';
import { type Handler, type Handlers, toHandler } from './handlers.ts';

export const teamLimits = {
  /** Collaborators of one handler. A team that needs more should use a shared account. */
  collaborators: 50,
  /** Milliseconds after which an offer lapses: a week. */
  offerMs: 7 * 24 * 60 * 60_000,
} as const;

export interface TeamsOptions {
  readonly db: Database;
  readonly handlers: Pick<Handlers, 'checkRoom'>;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export class Teams {
  readonly #options: TeamsOptions;
  readonly #listeners = new Set<(lost: { readonly handlerId: HandlerId; readonly userId: string }) => void>();

  constructor(options: TeamsOptions) {
    this.#options = options;
  }

  /** Returns the collaborators of a handler by name. */
  async list(handlerId: HandlerId): Promise<readonly CollaboratorView[]> {
    const rows = await this.#collaborators(handlerId).orderBy('users.name').execute();
    return rows.map(toView);
  }

  /** Returns one collaborator. Throws `not_found`. */
  async get(handlerId: HandlerId, userName: string): Promise<CollaboratorView> {
    const row = await this.#collaborators(handlerId).where('users.name', '=', userName).executeTakeFirst();
    if (row === undefined) throw notInTeam(userName);
    return toView(row);
  }

  /** Sets a user's role. Throws `not_found` (no such user), `conflict` (the owner), `limit_exceeded`. */
  async set(handler: Handler, userName: string, role: CollaboratorRole): Promise<CollaboratorView> {
    const { db, now } = this.#options;
    const userId = await this.#userId(userName);
    if (userId === handler.ownerId) throw new PlatformError('conflict', `${userName} owns ${handler.name}`);
    await db.transaction().execute(async (trx) => {
      await lockHandler(trx, handler.id);
      const others = await trx
        .selectFrom('collaborators')
        .select('user_id')
        .where('handler_id', '=', handler.id)
        .where('user_id', '!=', userId)
        .execute();
      if (others.length >= teamLimits.collaborators)
        throw new PlatformError('limit_exceeded', `a handler has at most ${teamLimits.collaborators} collaborators`);
      await trx
        .insertInto('collaborators')
        .values({ handler_id: handler.id, user_id: userId, role, added_ms: now() })
        .onConflict((conflict) => conflict.columns(['handler_id', 'user_id']).doUpdateSet({ role }))
        .execute();
    });
    return this.get(handler.id, userName);
  }

  /** Removes a user's role with immediate effect, also on open log streams. Throws `not_found`. */
  async remove(handlerId: HandlerId, userName: string): Promise<void> {
    const { db } = this.#options;
    const row = await this.#collaborators(handlerId).where('users.name', '=', userName).executeTakeFirst();
    if (row === undefined) throw notInTeam(userName);
    await db
      .deleteFrom('collaborators')
      .where('handler_id', '=', handlerId)
      .where('user_id', '=', row.user_id)
      .execute();
    this.#tellLost(handlerId, row.user_id);
  }

  /**
   * Offers a handler to a user; an earlier offer is replaced. Throws `not_found` (no such user), `conflict` (the
   * owner).
   */
  async offer(handler: Handler, userName: string): Promise<TransferView> {
    const { db, now } = this.#options;
    const userId = await this.#userId(userName);
    if (userId === handler.ownerId) throw new PlatformError('conflict', `${userName} owns ${handler.name} already`);
    const offer = { to_user: userId, offered_ms: now() };
    await db
      .insertInto('transfers')
      .values({ handler_id: handler.id, ...offer })
      .onConflict((conflict) => conflict.column('handler_id').doUpdateSet(offer))
      .execute();
    return this.offerOf(handler);
  }

  /** Returns the offer of a handler. Throws `not_found` where there is none in force. */
  async offerOf(handler: Handler): Promise<TransferView> {
    const row = await this.#offers().where('handlers.id', '=', handler.id).executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', `${handler.name} is not offered to anybody`);
    return toTransfer(row);
  }

  /** Withdraws the offer of a handler. Throws `not_found`. */
  async withdraw(handler: Handler): Promise<void> {
    await this.offerOf(handler);
    await this.#options.db.deleteFrom('transfers').where('handler_id', '=', handler.id).execute();
  }

  /** Returns at most `limit` handlers that are offered to a user, by name: those with a name after `after`. */
  async offersTo(
    userId: string,
    { after = '', limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<readonly TransferView[]> {
    const rows = await this.#offers()
      .where('transfers.to_user', '=', userId)
      .where('handlers.name', '>', after)
      .orderBy('handlers.name')
      .limit(limit)
      .execute();
    return rows.map(toTransfer);
  }

  /** Refuses an offer to a user. Throws `not_found`. */
  async decline(handlerName: string, userId: string): Promise<void> {
    const { id } = await this.offeredTo(handlerName, userId);
    await this.#options.db.deleteFrom('transfers').where('handler_id', '=', id).where('to_user', '=', userId).execute();
  }

  /** Returns the handler that is offered to a user under this name. Throws `not_found`. */
  async offeredTo(handlerName: string, userId: string): Promise<Handler> {
    const row = await this.#offers()
      .selectAll('handlers')
      .where('handlers.name', '=', handlerName)
      .where('transfers.to_user', '=', userId)
      .executeTakeFirst();
    if (row === undefined) throw noOffer(handlerName);
    return toHandler(row);
  }

  /**
   * Makes the user to whom a handler is offered its owner. The earlier owner then has no role, and the handler no
   * drains: they lead to receivers that the earlier owner chose. Throws `not_found` (no valid offer), `limit_exceeded`
   * (the user has as many handlers as allowed).
   */
  async accept(handlerName: string, userId: string): Promise<Handler> {
    const { db, handlers, now } = this.#options;
    const handler = await this.offeredTo(handlerName, userId);
    await db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      await handlers.checkRoom(trx, userId);
      // Of two acceptances, or of an acceptance beside a withdrawal or deletion, exactly one succeeds.
      await lockHandler(trx, handler.id);
      const { numDeletedRows } = await trx
        .deleteFrom('transfers')
        .where('handler_id', '=', handler.id)
        .where('to_user', '=', userId)
        .where('offered_ms', '>', now() - teamLimits.offerMs)
        .executeTakeFirst();
      const { numUpdatedRows } = await trx
        .updateTable('handlers')
        .set({ owner_id: userId })
        .where('id', '=', handler.id)
        .where('owner_id', '=', handler.ownerId)
        .where('deleted_ms', 'is', null)
        .executeTakeFirst();
      if (numDeletedRows === 0n || numUpdatedRows === 0n) throw noOffer(handlerName);
      await trx
        .deleteFrom('collaborators')
        .where('handler_id', '=', handler.id)
        .where('user_id', '=', userId)
        .execute();
      await trx.deleteFrom('drains').where('handler_id', '=', handler.id).execute();
    });
    this.#tellLost(handler.id, handler.ownerId);
    return { ...handler, ownerId: userId };
  }

  /** Calls `listener` with each role that is lost from now on. Returns a function that ends this. */
  onLost(listener: (lost: { readonly handlerId: HandlerId; readonly userId: string }) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tellLost(handlerId: HandlerId, userId: string): void {
    for (const listener of this.#listeners) listener({ handlerId, userId });
  }

  async #userId(name: string): Promise<string> {
    const row = await this.#options.db
      .selectFrom('users')
      .select('id')
      .where('name', '=', name)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    if (row === undefined)
      throw new PlatformError('not_found', 'there is no user of this name', {
        hints: ['who has no account yet needs an invite: wasmcloud invites create'],
      });
    return row.id;
  }

  #collaborators(handlerId: HandlerId) {
    return this.#options.db
      .selectFrom('collaborators')
      .innerJoin('users', 'users.id', 'collaborators.user_id')
      .select(['users.name', 'collaborators.user_id', 'collaborators.role', 'collaborators.added_ms'])
      .where('collaborators.handler_id', '=', handlerId);
  }

  /** Returns the query for valid offers of handlers that are not deleted. */
  #offers() {
    return this.#options.db
      .selectFrom('transfers')
      .innerJoin('handlers', 'handlers.id', 'transfers.handler_id')
      .innerJoin('users as owners', 'owners.id', 'handlers.owner_id')
      .innerJoin('users as takers', 'takers.id', 'transfers.to_user')
      .select(['handlers.name as handler', 'owners.name as from', 'takers.name as to', 'transfers.offered_ms'])
      .where('handlers.deleted_ms', 'is', null)
      .where('transfers.offered_ms', '>', this.#options.now() - teamLimits.offerMs);
  }
}

function toView(row: { name: string; role: CollaboratorRole; added_ms: number }): CollaboratorView {
  return { user: row.name, role: row.role, addedMs: row.added_ms };
}

function toTransfer(row: { handler: string; from: string; to: string; offered_ms: number }): TransferView {
  const { handler, from, to, offered_ms } = row;
  return { handler, from, to, offeredMs: offered_ms, expiresMs: offered_ms + teamLimits.offerMs };
}

function notInTeam(userName: string): PlatformError {
  return new PlatformError('not_found', `${JSON.stringify(userName.slice(0, 40))} is no collaborator of this handler`);
}

function noOffer(handlerName: string): PlatformError {
  return new PlatformError('not_found', `nobody offers you a handler ${JSON.stringify(handlerName.slice(0, 60))}`, {
    hints: ['see what is offered to you: wasmcloud transfers'],
  });
}

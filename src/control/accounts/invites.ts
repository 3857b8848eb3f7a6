/** Makes, lists and uses up invites: codes with which one or several people may sign up. */

import type { ExpressionBuilder, Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { InviteView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { hashSecret, newId, newInvite, type RandomBytes } from './secrets.ts';

export const inviteLimits = {
  /** Invites of one user that can still be used. */
  open: 20,
  /** People who may sign up with one invite, for example a class. */
  uses: 1_000,
  /** Longest lifetime that may be asked for, in milliseconds: one year. An invite without a lifetime never expires. */
  lifeMs: 365 * 24 * 60 * 60_000,
} as const;

/** Position of an invite in the order of creation. */
export type InviteCursor = Pick<InviteView, 'createdMs' | 'id'>;

export interface InviteTerms {
  readonly usesMax?: number | undefined;
  /** Lifetime in milliseconds; absent: it never expires. */
  readonly lifeMs?: number | undefined;
}

export class Invites {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;

  constructor(options: { readonly db: Database; readonly now: () => number; readonly randomBytes: RandomBytes }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
  }

  /** Makes an invite code, with which people may sign up. It is shown once. Throws `limit_exceeded`, `bad_request`. */
  async create(userId: string, terms: InviteTerms = {}): Promise<{ invite: string; view: InviteView }> {
    const { usesMax = 1, lifeMs = null } = terms;
    if (!(usesMax >= 1 && usesMax <= inviteLimits.uses))
      throw new PlatformError('bad_request', `an invite is for 1 to ${inviteLimits.uses} people`);
    if (lifeMs !== null && !(lifeMs > 0 && lifeMs <= inviteLimits.lifeMs))
      throw new PlatformError('bad_request', 'an invite lives for 1 to 365 days');
    const invite = newInvite(this.#randomBytes);
    const createdMs = this.#now();
    const expiresMs = lifeMs === null ? null : createdMs + lifeMs;
    const id = newId('i', this.#randomBytes);
    const view: InviteView = { id, createdMs, usesMax, uses: 0, expiresMs, usedBy: [] };
    await this.#db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      const open = await trx
        .selectFrom('invites')
        .select('id')
        .where('created_by', '=', userId)
        .where(openAt(createdMs))
        .execute();
      if (open.length >= inviteLimits.open)
        throw new PlatformError('limit_exceeded', `a user has at most ${inviteLimits.open} open invites`, {
          hints: ['delete one that nobody will use'],
        });
      await trx
        .insertInto('invites')
        .values({
          ...{ id, hash: hashSecret(invite), created_by: userId, created_ms: createdMs },
          ...{ uses_max: usesMax, uses: 0, expires_ms: expiresMs },
        })
        .execute();
    });
    return { invite, view };
  }

  /** Returns at most `limit` invites of a user, oldest first, after the invite that `after` names. */
  async list(
    userId: string,
    { after, limit }: { readonly after?: InviteCursor | undefined; readonly limit: number },
  ): Promise<readonly InviteView[]> {
    let query = this.#db.selectFrom('invites').selectAll().where('created_by', '=', userId);
    if (after !== undefined)
      query = query.where((eb) =>
        eb.or([
          eb('created_ms', '>', after.createdMs),
          eb.and([eb('created_ms', '=', after.createdMs), eb('id', '>', after.id)]),
        ]),
      );
    const invites = await query.orderBy('created_ms').orderBy('id').limit(limit).execute();
    if (invites.length === 0) return [];
    const uses = await this.#db
      .selectFrom('invite_uses')
      .innerJoin('users', 'users.id', 'invite_uses.user_id')
      .select(['invite_uses.invite_id', 'users.name'])
      .where(
        'invite_uses.invite_id',
        'in',
        invites.map(({ id }) => id),
      )
      .orderBy('invite_uses.used_ms')
      .execute();
    const names = Map.groupBy(uses, ({ invite_id }) => invite_id);
    return invites.map((row) => ({
      id: row.id,
      createdMs: row.created_ms,
      usesMax: row.uses_max,
      uses: row.uses,
      expiresMs: row.expires_ms,
      usedBy: (names.get(row.id) ?? []).map(({ name }) => name),
    }));
  }

  /** Deletes an invite that can still be used. Throws `not_found`. */
  async delete(userId: string, inviteId: string): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('invites')
      .where('id', '=', inviteId)
      .where('created_by', '=', userId)
      .where(openAt(this.#now()))
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw new PlatformError('not_found', 'no such open invite');
  }

  /**
   * Throws `invite_required` unless the code is valid. Returns a function that uses it once, to be called when the user
   * exists.
   */
  async check(trx: Kysely<Schema>, invite: string): Promise<(userId: string) => Promise<void>> {
    const found = await trx
      .selectFrom('invites')
      .select('id')
      .where('hash', '=', hashSecret(invite))
      .where(openAt(this.#now()))
      .executeTakeFirst();
    if (found === undefined) throw usedUp();
    return async (userId) => {
      const usedMs = this.#now();
      const { numUpdatedRows } = await trx
        .updateTable('invites')
        .set((eb) => ({ uses: eb('uses', '+', 1) }))
        .where('id', '=', found.id)
        .where(openAt(usedMs))
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw usedUp();
      await trx.insertInto('invite_uses').values({ invite_id: found.id, user_id: userId, used_ms: usedMs }).execute();
    };
  }
}

/** Returns the condition for invites that can still be used at `nowMs`. */
function openAt(nowMs: number) {
  return (eb: ExpressionBuilder<Schema, 'invites'>) =>
    eb.and([
      eb('invites.uses', '<', eb.ref('invites.uses_max')),
      eb.or([eb('invites.expires_ms', 'is', null), eb('invites.expires_ms', '>', nowMs)]),
    ]);
}

function usedUp(): PlatformError {
  return new PlatformError('invite_required', 'this invite is unknown, used up or expired');
}

/** Makes, lists and uses up invites: codes with which one person each may sign up. */
import type { Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { hashSecret, newId, newInvite, type RandomBytes } from './secrets.ts';

export const inviteLimits = {
  /** Invites of one user that nobody has used yet. */
  open: 20,
} as const;

export interface InviteView {
  readonly id: string;
  readonly createdMs: number;
  /** Name of the user who signed up with it. */
  readonly usedBy: string | null;
  readonly usedMs: number | null;
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

  /** Makes a code with which one person may sign up; it is shown once. Throws `limit_exceeded`. */
  async create(userId: string): Promise<{ invite: string; view: InviteView }> {
    const invite = newInvite(this.#randomBytes);
    const view: InviteView = {
      id: newId('i', this.#randomBytes),
      createdMs: this.#now(),
      usedBy: null,
      usedMs: null,
    };
    await this.#db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      const open = await trx
        .selectFrom('invites')
        .select('id')
        .where('created_by', '=', userId)
        .where('used_ms', 'is', null)
        .execute();
      if (open.length >= inviteLimits.open)
        throw new PlatformError('limit_exceeded', `a user has at most ${inviteLimits.open} open invites`, {
          hints: ['delete one that nobody will use'],
        });
      await trx
        .insertInto('invites')
        .values({
          id: view.id,
          hash: hashSecret(invite),
          created_by: userId,
          created_ms: view.createdMs,
          used_by: null,
          used_ms: null,
        })
        .execute();
    });
    return { invite, view };
  }

  async list(userId: string): Promise<readonly InviteView[]> {
    const rows = await this.#db
      .selectFrom('invites')
      .leftJoin('users', 'users.id', 'invites.used_by')
      .select(['invites.id', 'invites.created_ms', 'invites.used_ms', 'users.name'])
      .where('invites.created_by', '=', userId)
      .orderBy('invites.created_ms')
      .orderBy('invites.id')
      .execute();
    return rows.map((row) => ({ id: row.id, createdMs: row.created_ms, usedBy: row.name, usedMs: row.used_ms }));
  }

  /** Deletes an invite that nobody has used. Throws `not_found`. */
  async delete(userId: string, inviteId: string): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('invites')
      .where('id', '=', inviteId)
      .where('created_by', '=', userId)
      .where('used_ms', 'is', null)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw new PlatformError('not_found', 'no such open invite');
  }

  /** Throws `invite_required` unless the code is good; returns what uses it up, for after the user exists. */
  async check(trx: Kysely<Schema>, invite: string): Promise<(userId: string) => Promise<void>> {
    const found = await trx
      .selectFrom('invites')
      .select('id')
      .where('hash', '=', hashSecret(invite))
      .where('used_ms', 'is', null)
      .executeTakeFirst();
    if (found === undefined) throw usedUp();
    return async (userId) => {
      const { numUpdatedRows } = await trx
        .updateTable('invites')
        .set({ used_by: userId, used_ms: this.#now() })
        .where('id', '=', found.id)
        .where('used_ms', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw usedUp();
    };
  }
}

function usedUp(): PlatformError {
  return new PlatformError('invite_required', 'this invite is unknown or used up');
}

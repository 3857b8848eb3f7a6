/**
 * Lists, changes and deletes the users of the platform for administrators: suspension, administrator rights, limits.
 */

import type { Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { OwnerState } from '../../protocol/messages.ts';
import type { AccountView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';

export interface UserChange {
  readonly suspended?: boolean | undefined;
  readonly admin?: boolean | undefined;
  readonly handlersMax?: number | null | undefined;
  readonly quotaBytes?: number | null | undefined;
  readonly callsMax?: number | null | undefined;
}

/** Applies a change of a user in another station. The change is in force there when the promise resolves. */
type UserListener = (owner: OwnerState) => void | Promise<void>;

export class Users {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #listeners = new Set<UserListener>();

  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Returns users in order of names, after `after`. `search`: only names that contain it. */
  async list(options: {
    readonly after: string;
    readonly limit: number;
    readonly search?: string | undefined;
  }): Promise<readonly AccountView[]> {
    let query = this.#query().where('users.name', '>', options.after).orderBy('users.name').limit(options.limit);
    // Names consist of a-z, 0-9 and hyphens, so none contains a wildcard of LIKE.
    const { search } = options;
    if (search !== undefined) {
      if (!/^[a-z0-9-]*$/.test(search)) return [];
      query = query.where('users.name', 'like', `%${search}%`);
    }
    return (await query.execute()).map(toView);
  }

  /** Returns a user. Throws `not_found`. */
  async get(name: string): Promise<AccountView> {
    const row = await this.#query().where('users.name', '=', name).executeTakeFirst();
    if (row === undefined) throw noSuchUser();
    return toView(row);
  }

  /** Returns the id of a user. Throws `not_found`. */
  async idOf(name: string): Promise<string> {
    const row = await this.#db
      .selectFrom('users')
      .select('id')
      .where('name', '=', name)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    if (row === undefined) throw noSuchUser();
    return row.id;
  }

  /**
   * Changes a user with immediate effect, and returns the changed user. Throws `not_found`, and `conflict` when no
   * administrator would be left who can log in.
   */
  async change(name: string, change: UserChange): Promise<AccountView> {
    const owner = await this.#db.transaction().execute(async (trx): Promise<OwnerState> => {
      const admins = await lockAdmins(trx);
      const row = await trx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst();
      if (row === undefined || row.deleted_ms !== null) throw noSuchUser();
      const isAdmin = change.admin ?? row.is_admin === 1;
      const isSuspended = change.suspended ?? row.suspended_ms !== null;
      if (!(isAdmin && !isSuspended)) checkOthers(admins, row.id);
      const isNewlySuspended = isSuspended && row.suspended_ms === null;
      const callsMax = change.callsMax === undefined ? row.calls_max : change.callsMax;
      await trx
        .updateTable('users')
        .set({
          is_admin: isAdmin ? 1 : 0,
          suspended_ms: isSuspended ? (row.suspended_ms ?? this.#now()) : null,
          credential_epoch: row.credential_epoch + (isNewlySuspended ? 1 : 0),
          calls_max: callsMax,
          ...(change.handlersMax === undefined ? {} : { handlers_max: change.handlersMax }),
          ...(change.quotaBytes === undefined ? {} : { quota_bytes: change.quotaBytes }),
        })
        .where('id', '=', row.id)
        .execute();
      return { ownerId: row.id, isSuspended, callsMax };
    });
    await Promise.all([...this.#listeners].map((listener) => listener(owner)));
    return this.get(name);
  }

  /**
   * Deletes a user at once: credentials, roles and offers go; versions that the user pushed stay, under a name that
   * nobody chose, and the user's own name is free. Throws `not_found`, and `conflict` when the user owns functions
   * (deleted ones until they are purged) or queues, or is the last administrator who can log in.
   */
  async remove(name: string): Promise<void> {
    const id = await this.#db.transaction().execute(async (trx) => {
      const admins = await lockAdmins(trx);
      const row = await trx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst();
      if (row === undefined || !(await lockUser(trx, row.id))) throw noSuchUser();
      if (row.is_admin === 1) checkOthers(admins, row.id);
      const owned = async (table: 'handlers' | 'queues') =>
        (await trx.selectFrom(table).select('id').where('owner_id', '=', row.id).execute()).length;
      const [handlers, queues] = [await owned('handlers'), await owned('queues')];
      if (handlers + queues > 0)
        throw new PlatformError(
          'conflict',
          `${name} owns ${handlers} functions and ${queues} queues; nothing was deleted`,
          {
            hints: ['their owner hands functions over (wasmcloud transfer) or purges them, and deletes queues'],
          },
        );
      for (const table of ['tokens', 'recovery_codes', 'known_addresses', 'collaborators', 'kept_answers'] as const)
        await trx.deleteFrom(table).where('user_id', '=', row.id).execute();
      await trx.deleteFrom('transfers').where('to_user', '=', row.id).execute();
      await trx.deleteFrom('invites').where('created_by', '=', row.id).execute();
      await trx
        .updateTable('users')
        .set({
          name: `deleted-${row.id
            .slice(-12)
            .toLowerCase()
            .replaceAll(/[^a-z0-9]/g, '0')}`,
          ...{ password_hash: '', is_admin: 0, totp_sealed: null, totp_confirmed_ms: null },
          ...{ suspended_ms: row.suspended_ms ?? this.#now(), deleted_ms: this.#now() },
          credential_epoch: row.credential_epoch + 1,
        })
        .where('id', '=', row.id)
        .execute();
      return row.id;
    });
    await Promise.all(
      [...this.#listeners].map((listener) => listener({ ownerId: id, isSuspended: true, callsMax: null })),
    );
  }

  /**
   * Calls `listener` with each user that is changed from now on, and waits for it. Returns a function that ends this.
   */
  onChanged(listener: UserListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #query() {
    return this.#db
      .selectFrom('users')
      .where('users.deleted_ms', 'is', null)
      .selectAll('users')
      .select((eb) => [
        eb
          .selectFrom('handlers')
          .select((inner) => inner.fn.countAll<number>().as('n'))
          .whereRef('handlers.owner_id', '=', 'users.id')
          .where('handlers.deleted_ms', 'is', null)
          .as('handlers'),
        eb
          .selectFrom('stored_bytes')
          .innerJoin('handlers', 'handlers.id', 'stored_bytes.handler_id')
          .select((inner) => inner.fn.sum<number>('stored_bytes.bytes').as('bytes'))
          .whereRef('handlers.owner_id', '=', 'users.id')
          .as('used_bytes'),
      ]);
  }
}

function toView(row: {
  name: string;
  created_ms: number;
  is_admin: number;
  suspended_ms: number | null;
  totp_confirmed_ms: number | null;
  handlers: number | null;
  used_bytes: number | null;
  handlers_max: number | null;
  quota_bytes: number | null;
  calls_max: number | null;
}): AccountView {
  return {
    name: row.name,
    createdMs: row.created_ms,
    admin: row.is_admin === 1,
    suspendedMs: row.suspended_ms,
    secondFactor: row.totp_confirmed_ms !== null,
    handlers: Number(row.handlers ?? 0),
    usedBytes: Number(row.used_bytes ?? 0),
    handlersMax: row.handlers_max,
    quotaBytes: row.quota_bytes,
    callsMax: row.calls_max,
  };
}

type Administrators = readonly { readonly id: string; readonly suspended_ms: number | null }[];

/** Locks the administrators: two that suspend each other must not both succeed. */
function lockAdmins(trx: Kysely<Schema>): Promise<Administrators> {
  return trx
    .selectFrom('users')
    .select(['id', 'suspended_ms'])
    .where('is_admin', '=', 1)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
}

/** Throws `conflict` unless another administrator than `id` can log in. */
function checkOthers(admins: Administrators, id: string): void {
  if (admins.some((admin) => admin.id !== id && admin.suspended_ms === null)) return;
  throw new PlatformError('conflict', 'no administrator would be left', {
    hints: ['make somebody else an administrator first: wasmcloud users NAME --admin'],
  });
}

function noSuchUser(): PlatformError {
  return new PlatformError('not_found', 'no such user', { hints: ['see who there is: wasmcloud users'] });
}

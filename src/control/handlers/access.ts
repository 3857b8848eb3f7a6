/**
 * Decides, by the table in protocol/permissions.ts, whether an actor may do an operation; API, git door and log stream
 * all ask here. A handler that the actor may not know of looks like one that does not exist.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerRole } from '../../protocol/nouns.ts';
import {
  type Actor,
  type Denial,
  denialFor,
  denialOn,
  type Guarded,
  type OperationOn,
  permissions,
} from '../../protocol/permissions.ts';
import type { Database } from '../db/database.ts';
import { type Handler, missing, toHandler } from './handlers.ts';

/** A handler that the actor may do the operation on. */
export interface GrantedHandler extends Handler {
  readonly role: HandlerRole;
}

/** A handler with what the decision needs. */
interface GuardedHandler extends Guarded {
  readonly handler: Handler;
}

export class HandlerAccess {
  readonly #db: Database;

  constructor(options: { readonly db: Database }) {
    this.#db = options.db;
  }

  /**
   * Returns the handler `name` for an operation. `deleted`: also one that is deleted and not purged; `former`: also one
   * that had this name before it was renamed.
   * Throws `not_found` (none, deleted, renamed, or the actor may not know of it), `forbidden`.
   */
  async handlerFor(
    actor: Actor,
    operation: OperationOn<'handler'>,
    name: string,
    options: { readonly deleted?: boolean; readonly former?: boolean } = {},
  ): Promise<GrantedHandler> {
    const found = await this.#guarded(name, actor.user.id);
    if (found === null) throw missing(name);
    const denial = denialOn(operation, actor, found);
    if (denial === 'hidden') throw missing(name);
    // Only actors who may see the handler learn that it is deleted, or called otherwise now.
    if (found.handler.name !== name && options.former !== true) throw renamed(name, found.handler.name);
    if (found.handler.deletedMs !== null && options.deleted !== true) throw missing(name);
    if (denial !== null) throw forbidden(denial, operation, found);
    return { ...found.handler, role: found.role! }; // without a role there is a denial
  }

  /**
   * Returns the handler that has or had the name `name` where the actor may push to it, null where nobody has the name
   * and the push may make it. The former name of a handler that the actor has no role on counts as one that nobody has:
   * Handlers.create decides whether it is free. Throws `not_found` (somebody else has the name, or it is deleted),
   * `forbidden`.
   */
  async pushTarget(actor: Actor, name: string): Promise<GrantedHandler | null> {
    const found = await this.#guarded(name, actor.user.id);
    if (found === null || (found.handler.name !== name && found.role === null)) {
      checkAllowed(actor, 'gitCreate');
      return null;
    }
    return this.handlerFor(actor, 'gitPush', name, { deleted: true, former: true });
  }

  /**
   * Returns the pairs `HANDLER USER` of ids that may see handlers of `ids` (at most some thousand); changes of roles by
   * other controls count.
   */
  async members(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const { reader } = this.#db;
    const [owners, others] = await Promise.all([
      reader.selectFrom('handlers').select(['id', 'owner_id']).where('id', 'in', ids).execute(),
      reader.selectFrom('collaborators').select(['handler_id', 'user_id']).where('handler_id', 'in', ids).execute(),
    ]);
    return new Set([
      ...owners.map(({ id, owner_id }) => `${id} ${owner_id}`),
      ...others.map(({ handler_id, user_id }) => `${handler_id} ${user_id}`),
    ]);
  }

  /** Returns the handler that has the name, or had it before it was renamed; null: there is none. */
  async #guarded(name: string, userId: string): Promise<GuardedHandler | null> {
    const row = await this.#db
      .selectFrom('handlers')
      .innerJoin('users', 'users.id', 'handlers.owner_id')
      .leftJoin('collaborators', (join) =>
        join.onRef('collaborators.handler_id', '=', 'handlers.id').on('collaborators.user_id', '=', userId),
      )
      .selectAll('handlers')
      .select(['users.suspended_ms', 'collaborators.role'])
      // One statement for both: between two, a rename could give the name back.
      .where((eb) =>
        eb.or([
          eb('handlers.name', '=', name),
          eb('handlers.id', 'in', eb.selectFrom('former_names').select('handler_id').where('name', '=', name)),
        ]),
      )
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      id: row.id,
      role: row.owner_id === userId ? 'owner' : row.role,
      isOwnerSuspended: row.suspended_ms !== null,
      handler: toHandler(row),
    };
  }
}

function renamed(former: string, name: string): PlatformError {
  return new PlatformError('not_found', `${former} is called ${name} now`, { hints: [`use that name: ${name}`] });
}

/** Throws `forbidden` unless the actor may do an operation on the account or the platform. */
export function checkAllowed(actor: Actor, operation: OperationOn<'account' | 'platform' | 'nothing'>): void {
  const denial = denialFor(operation, actor);
  if (denial !== null) throw forbidden(denial, operation, null);
}

function forbidden(denial: Denial, operation: keyof typeof permissions, found: GuardedHandler | null): PlatformError {
  const rule = permissions[operation];
  switch (denial) {
    case 'role':
      return new PlatformError(
        'forbidden',
        `you are a ${found?.role ?? 'stranger'} of ${found?.handler.name ?? 'it'}; ` +
          `this takes ${rule.on === 'handler' && rule.role === 'owner' ? 'its owner' : 'a deployer or its owner'}`,
        { hints: ['its owner can do it, or give you another role'] },
      );
    case 'owner_suspended':
      return new PlatformError('forbidden', `${found?.handler.name ?? 'it'} belongs to an account that is suspended`);
    case 'admin':
      return new PlatformError('forbidden', 'this takes an administrator of the platform');
    case 'bound':
      return new PlatformError('forbidden', 'this token is good for one handler only');
    case 'scope':
    case 'hidden': {
      const scope = rule.on === 'nothing' ? 'read' : rule.scope;
      return new PlatformError('forbidden', `this token may not do that: it takes one of scope ${scope}`, {
        hints: ['log in for a token that may do everything: wasmcloud login'],
      });
    }
  }
}

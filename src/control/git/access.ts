/** Who may do what at the git door. Asked for every request: the library asks for one in three. */
import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import { checkHandlerName, isHandlerName } from '../../protocol/names.ts';
import type { User } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { basicPassword, type GitRoute } from './git-url.ts';

/** As much of a handler as the door must know. */
export interface GitHandler {
  readonly id: string;
  readonly ownerId: string;
  readonly deleted: boolean;
}

export interface AccessOptions {
  readonly db: Database;
  /** Accounts.userOfToken. */
  readonly userOfToken: (token: string) => Promise<{ readonly user: User } | null>;
}

/** git shows this line when it has no password to try. */
const logIn = 'Log in first: wasmcloud login';

export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Throws `unauthorized`. */
  async authenticate(req: IncomingMessage): Promise<User> {
    const header = req.headers.authorization;
    const token = basicPassword(header);
    if (token === null)
      throw new PlatformError(
        'unauthorized',
        header === undefined ? logIn : `This takes a token as password. ${logIn}`,
      );
    const found = await this.#options.userOfToken(token);
    if (found === null) throw new PlatformError('unauthorized', `This token is wrong or has been revoked. ${logIn}`);
    return found.user;
  }

  /** The handler to read from; a foreign one looks like none. Throws `not_found`. */
  async reader({ name }: GitRoute, user: User): Promise<GitHandler> {
    const handler = await this.#own(name, user);
    if (handler === null) throw new PlatformError('not_found', `you have no handler ${shown(name)}`);
    return handler;
  }

  /** The handler to push to, null if the push may create it. Throws `name_invalid`, `not_found`. */
  async pusher({ name }: GitRoute, user: User): Promise<GitHandler | null> {
    checkHandlerName(name);
    const handler = await this.#own(name, user);
    if (handler !== null || (await this.find(name)) === null) return handler;
    throw new PlatformError('not_found', `you cannot push to ${name}: the name is taken`, {
      hints: ['choose another name: wasmcloud create'],
    });
  }

  /** Whoever owns it, deleted ones included: their names stay taken. */
  async find(name: string): Promise<GitHandler | null> {
    const row = await this.#options.db
      .selectFrom('handlers')
      .select(['id', 'owner_id', 'deleted_ms'])
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? null : { id: row.id, ownerId: row.owner_id, deleted: row.deleted_ms !== null };
  }

  async #own(name: string, user: User): Promise<GitHandler | null> {
    const handler = isHandlerName(name) ? await this.find(name) : null;
    if (handler === null || handler.ownerId !== user.id) return null;
    if (!handler.deleted) return handler;
    throw new PlatformError('not_found', `the handler ${name} is deleted`, {
      hints: [`to have it back: wasmcloud restore ${name}`],
    });
  }
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}

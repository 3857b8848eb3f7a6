/** Decides who may do what at the git door, for every request: the library asks for one in three. */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import { checkHandlerName, isHandlerName } from '../../protocol/names.ts';
import type { User } from '../../protocol/nouns.ts';
import { looksLikeToken } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { basicCredentials, type GitRoute } from './git-url.ts';

/** What the door must know of a handler. */
export interface GitHandler {
  readonly id: string;
  readonly ownerId: string;
  readonly deleted: boolean;
}

export interface AccessOptions {
  readonly db: Database;
  /** Accounts.userOfToken. */
  readonly userOfToken: (token: string) => Promise<{ readonly user: User } | null>;
  /** Accounts.userOfPassword: limits the rate of attempts, and takes 50 ms of a processor. */
  readonly userOfPassword: (login: {
    readonly name: string;
    readonly password: string;
    readonly address: string;
  }) => Promise<User>;
  /** The address of the client that sent `req`. */
  readonly addressOf: (req: IncomingMessage) => string;
  /** Milliseconds that never jump. */
  readonly now: () => number;
}

/** git shows this line when it has no password to try. */
const logIn = 'Log in first: wasmcloud login';

/** The name under which `wasmcloud git-credential` gives git a Token: what comes with it is never tried as a password. */
const tokenName = 'wasmcloud';

/** Milliseconds for which a right password is remembered: one push sends it four times. */
const passwordMs = 60_000;
/** Right passwords remembered; the oldest gives way. */
const passwordsMax = 1_000;

export class Access {
  readonly #options: AccessOptions;
  /** Keyed hash of a name and its right password -> the user, oldest first. */
  readonly #passwords = new Map<string, { readonly user: User; readonly untilMs: number }>();
  readonly #hashKey = randomBytes(32);

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * Returns the user of a Basic header: a Token as password under any name, or a name and its password, as a
   * person types them at git's prompt. Throws `unauthorized`, `rate_limited`, `overloaded`.
   */
  async authenticate(req: IncomingMessage): Promise<User> {
    const header = req.headers.authorization;
    const given = basicCredentials(header);
    if (given === null)
      throw new PlatformError(
        'unauthorized',
        header === undefined ? logIn : `This takes a token, or your name and password. ${logIn}`,
      );
    const isToken = given.name === tokenName || looksLikeToken(given.password);
    if (!isToken) return this.#userOfPassword(given, this.#options.addressOf(req));
    const found = await this.#options.userOfToken(given.password);
    if (found === null) throw new PlatformError('unauthorized', `This token is wrong or has been revoked. ${logIn}`);
    return found.user;
  }

  async #userOfPassword({ name, password }: { name: string; password: string }, address: string): Promise<User> {
    const key = createHmac('sha256', this.#hashKey).update(`${name}\0${password}`).digest('base64');
    const known = this.#passwords.get(key);
    if (known !== undefined && known.untilMs > this.#options.now()) return known.user;
    const user = await this.#options.userOfPassword({ name, password, address }).catch((error: unknown) => {
      if (!(error instanceof PlatformError) || error.code !== 'unauthorized') throw error;
      throw new PlatformError('unauthorized', `This name and password are wrong. ${logIn}`);
    });
    this.#passwords.delete(key);
    this.#passwords.set(key, { user, untilMs: this.#options.now() + passwordMs });
    const [oldest] = this.#passwords.keys();
    if (this.#passwords.size > passwordsMax && oldest !== undefined) this.#passwords.delete(oldest);
    return user;
  }

  /** Returns the handler to read from. Throws `not_found`, for a foreign one as for none. */
  async reader({ name }: GitRoute, user: User): Promise<GitHandler> {
    const handler = await this.#own(name, user);
    if (handler === null) throw new PlatformError('not_found', `you have no handler ${shown(name)}`);
    return handler;
  }

  /** Returns the handler to push to, null if the push may create it. Throws `name_invalid`, `not_found`. */
  async pusher({ name }: GitRoute, user: User): Promise<GitHandler | null> {
    checkHandlerName(name);
    const handler = await this.#own(name, user);
    if (handler !== null || (await this.find(name)) === null) return handler;
    throw new PlatformError('not_found', `you cannot push to ${name}: the name is taken`, {
      hints: ['choose another name: wasmcloud create'],
    });
  }

  /** Returns the handler of any owner, also a deleted one: its name stays taken. */
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

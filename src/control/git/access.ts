/** Decides who may do what at the git door, for every request: the library asks for only one request in three. */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import { checkHandlerName, type HandlerId } from '../../protocol/names.ts';
import type { Actor } from '../../protocol/permissions.ts';
import { looksLikeToken } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import type { HandlerAccess } from '../handlers/access.ts';
import type { Handler } from '../handlers/handlers.ts';
import { basicCredentials, type GitRoute } from './git-url.ts';

/** Facts about a handler that the door needs. */
export interface GitHandler {
  readonly id: string;
  /** Present name; the URL may have a former one. */
  readonly name: string;
  readonly ownerId: string;
  readonly deleted: boolean;
}

export interface AccessOptions {
  readonly db: Database;
  /** Decides about handlers. */
  readonly handlerAccess: HandlerAccess;
  /**
   * Accounts, as far as the door uses them. `actorOfPassword` limits the rate of attempts, and takes 50 ms of a
   * processor.
   */
  readonly accounts: {
    actorOfToken(token: string): Promise<Actor | null>;
    actorOfPassword(login: PasswordLogin): Promise<{ readonly actor: Actor; readonly epoch: number }>;
    isCurrent(userId: string, epoch: number): Promise<boolean>;
  };
  /** The address of the client that sent `req`. */
  readonly addressOf: (req: IncomingMessage) => string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface PasswordLogin {
  readonly name: string;
  readonly password: string;
  readonly address: string;
}

/** Line that git shows when it has no password to try. */
const logIn = 'Log in first: wasmcloud login';

/**
 * User name under which `wasmcloud git-credential` gives git a Token; its password is never tried as a password of a
 * user.
 */
const tokenName = 'wasmcloud';

/** Milliseconds for which a right password is remembered: one push sends it four times. */
const passwordMs = 60_000;
/** Number of right passwords remembered; above it the oldest is dropped. */
const passwordsMax = 1_000;

export class Access {
  readonly #options: AccessOptions;
  /** Actors by keyed hash of a name and its right password, oldest first. */
  readonly #passwords = new Map<string, { readonly actor: Actor; readonly epoch: number; readonly untilMs: number }>();
  readonly #hashKey = randomBytes(32);

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * Returns who acts with a Basic header: a Token as password under any name, or a name and its password, as a
   * person types them at git's prompt. Throws `unauthorized`, `forbidden`, `rate_limited`, `overloaded`.
   */
  async authenticate(req: IncomingMessage): Promise<Actor> {
    const header = req.headers.authorization;
    const given = basicCredentials(header);
    if (given === null)
      throw new PlatformError(
        'unauthorized',
        header === undefined ? logIn : `This takes a token, or your name and password. ${logIn}`,
      );
    const isToken = given.name === tokenName || looksLikeToken(given.password);
    if (!isToken) return this.#actorOfPassword({ ...given, address: this.#options.addressOf(req) });
    const found = await this.#options.accounts.actorOfToken(given.password);
    if (found === null) throw new PlatformError('unauthorized', `This token is wrong or has been revoked. ${logIn}`);
    return found;
  }

  async #actorOfPassword(login: PasswordLogin): Promise<Actor> {
    const { accounts, now } = this.#options;
    const key = createHmac('sha256', this.#hashKey).update(`${login.name}\0${login.password}`).digest('base64');
    const known = this.#passwords.get(key);
    const holds = known !== undefined && known.untilMs > now();
    if (holds && (await accounts.isCurrent(known.actor.user.id, known.epoch))) return known.actor;
    const found = await accounts.actorOfPassword(login).catch((error: unknown) => {
      if (!(error instanceof PlatformError)) throw error;
      if (error.code === 'code_required')
        throw new PlatformError('unauthorized', `This account has a second factor, which git cannot ask for. ${logIn}`);
      if (error.code !== 'unauthorized') throw error;
      throw new PlatformError('unauthorized', `This name and password are wrong. ${logIn}`);
    });
    this.#passwords.delete(key);
    this.#passwords.set(key, { ...found, untilMs: now() + passwordMs });
    const [oldest] = this.#passwords.keys();
    if (this.#passwords.size > passwordsMax && oldest !== undefined) this.#passwords.delete(oldest);
    return found.actor;
  }

  /**
   * Returns the handler to read from. Throws `not_found` (also for a handler that the actor may not know of) and
   * `forbidden`.
   */
  async reader({ name }: GitRoute, actor: Actor): Promise<GitHandler> {
    const { handlerAccess } = this.#options;
    return this.#notDeleted(await handlerAccess.handlerFor(actor, 'gitFetch', name, { deleted: true, former: true }));
  }

  /**
   * Returns the handler to push to, null if the push may create it. Throws `name_invalid`, `not_found`, `forbidden`.
   */
  async pusher({ name }: GitRoute, actor: Actor): Promise<GitHandler | null> {
    checkHandlerName(name);
    const handler = await this.#options.handlerAccess.pushTarget(actor, name).catch((error: unknown) => {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      throw new PlatformError('not_found', `you cannot push to ${name}: the name is taken`, {
        hints: ['choose another name: wasmcloud create'],
      });
    });
    return handler === null ? null : this.#notDeleted(handler);
  }

  #notDeleted(handler: Handler): GitHandler {
    const { id, name, ownerId } = handler;
    if (handler.deletedMs === null) return { id, name, ownerId, deleted: false };
    throw new PlatformError('not_found', `the handler ${handler.name} is deleted`, {
      hints: [`to have it back: wasmcloud restore ${handler.name}`],
    });
  }

  /** Returns whether a handler with this id exists, deleted or not. */
  async exists(handlerId: HandlerId): Promise<boolean> {
    const { db } = this.#options;
    const row = await db.selectFrom('handlers').select('id').where('id', '=', handlerId).executeTakeFirst();
    return row !== undefined;
  }
}

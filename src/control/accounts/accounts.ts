/**
 * Makes users, logs them in and says who may sign up. Tokens, invites, second factor and limits have files of their
 * own.
 */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { nameLimits } from '../../protocol/limits.ts';
import type { User } from '../../protocol/nouns.ts';
import type { Actor } from '../../protocol/permissions.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import type { InviteView, TokenView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { isUniqueViolation } from '../db/sql-error.ts';
import { type InviteCursor, Invites, type InviteTerms } from './invites.ts';
import { KnownAddresses } from './known-addresses.ts';
import { checkPassword, type PasswordCost, Passwords } from './passwords.ts';
import { addressKey, RateLimiter } from './rate-limiter.ts';
import type { Sealer } from './sealer.ts';
import { SecondFactor } from './second-factor.ts';
import { hashSecret, newFirstCode, newId, newToken, type RandomBytes } from './secrets.ts';
import { everything, suspended, Tokens, type TokenTerms } from './tokens.ts';
import { Users } from './users.ts';

export const accountLimits = {
  /** Failed log-ins from one address where no user has logged in before: 20 at once, then one in 10 s. */
  logInByAddress: { burst: 20, everyMs: 10_000, keys: 10_000 },
  /** Failed log-ins of one name from all such addresses together: guessing from many machines is no faster. */
  logInByName: { burst: 30, everyMs: 10_000, keys: 10_000 },
  /**
   * Failed log-ins of one name from an address that has logged in as that user. They are counted apart, so that guesses
   * from elsewhere do not lock the user out. A neighbour behind the same address has 100 guesses, then 8,640 a day.
   */
  logInFromKnown: { burst: 100, everyMs: 10_000, keys: 10_000 },
  /** Sign-ups from one address: 30 at once (a class, a test suite), then one in 30 s. */
  signUpByAddress: { burst: 30, everyMs: 30_000, keys: 10_000 },
} as const;

export type Registration = 'open' | 'invite' | 'closed';

export interface AccountsOptions {
  readonly db: Database;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  readonly registration: Registration;
  /** Seals the secrets of second factors for the database. */
  readonly sealer: Sealer;
  /** Cost of one password hash; only tests that hash many set it. */
  readonly passwordCost?: PasswordCost;
}

const firstCodeKey = 'first_account_code';

/** Facts that a client sends to log in. */
export interface Login {
  readonly name: string;
  readonly password: string;
  /** Code of the second factor, if the account has one: six digits, or a recovery code. */
  readonly code?: string | undefined;
  /** Address of the client. */
  readonly address: string;
}

export class Accounts {
  /** Users, as administrators see and change them. */
  readonly users: Users;
  readonly secondFactor: SecondFactor;
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #registration: Registration;
  readonly #passwords: Passwords;
  readonly #logInByAddress: RateLimiter;
  readonly #logInByName: RateLimiter;
  readonly #logInFromKnown: RateLimiter;
  readonly #signUpByAddress: RateLimiter;
  readonly #tokens: Tokens;
  readonly #invites: Invites;
  readonly #knownAddresses: KnownAddresses;

  constructor(options: AccountsOptions) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
    this.#registration = options.registration;
    this.#passwords = new Passwords({ randomBytes: options.randomBytes, cost: options.passwordCost });
    this.#tokens = new Tokens(options);
    this.#invites = new Invites(options);
    this.users = new Users(options);
    this.secondFactor = new SecondFactor(options);
    this.#knownAddresses = new KnownAddresses(options);
    this.#logInByAddress = new RateLimiter(accountLimits.logInByAddress, options.now);
    this.#logInByName = new RateLimiter(accountLimits.logInByName, options.now);
    this.#logInFromKnown = new RateLimiter(accountLimits.logInFromKnown, options.now);
    this.#signUpByAddress = new RateLimiter(accountLimits.signUpByAddress, options.now);
  }

  /** Returns the code that the very first sign-up needs, the same at every start until it is used; null after that. */
  async firstAccountCode(): Promise<string | null> {
    return this.#db.transaction().execute(async (trx) => {
      if (await anyUser(trx)) return null;
      const known = await trx.selectFrom('settings').select('value').where('key', '=', firstCodeKey).executeTakeFirst();
      if (known !== undefined) return known.value;
      const code = newFirstCode(this.#randomBytes);
      // Another control may start at the same time: the first code written is the one that both controls print.
      const row = await trx
        .insertInto('settings')
        .values({ key: firstCodeKey, value: code })
        .onConflict((oc) => oc.column('key').doUpdateSet((eb) => ({ value: eb.ref('settings.value') })))
        .returning('value')
        .executeTakeFirstOrThrow();
      return row.value;
    });
  }

  /**
   * Makes a user and a first Token; the platform's first user becomes administrator. `address`: address of the caller,
   * for the rate limit.
   * Throws `name_invalid`, `name_taken`, `bad_request`, `invite_required`, `registration_closed`, `rate_limited`,
   * `overloaded`.
   */
  async signUp(options: {
    readonly name: string;
    readonly password: string;
    readonly invite?: string | undefined;
    readonly address: string;
  }): Promise<{ user: User; token: string }> {
    const { name, password, invite } = options;
    this.#signUpByAddress.take(addressKey(options.address), 'sign-ups');
    checkUserName(name);
    checkPassword(password);
    // Checks the invite before the costly hash; the transaction below checks it again and uses it up.
    await this.#db.transaction().execute((trx) => this.#admit(trx, invite));
    const passwordHash = await this.#passwords.hash(password);
    const user: User = { id: newId('u', this.#randomBytes), name, createdMs: this.#now() };
    const token = newToken(this.#randomBytes);
    try {
      await this.#db.transaction().execute(async (trx) => {
        const useUp = await this.#admit(trx, invite);
        const isAdmin = (await isFirst(trx, user.id)) ? 1 : 0;
        const row = { id: user.id, name, password_hash: passwordHash, created_ms: user.createdMs, is_admin: isAdmin };
        await trx.insertInto('users').values(row).execute();
        await useUp(user.id);
        await this.#tokens.insert(trx, { userId: user.id, token, terms: everything('sign up') });
        await this.#knownAddresses.remember(trx, user.id, addressKey(options.address));
      });
    } catch (error) {
      if (isUniqueViolation(error))
        throw new PlatformError('name_taken', `the user name ${name} is taken`, { cause: error });
      throw error;
    }
    return { user, token };
  }

  /**
   * Makes a new Token for a name and a password, and for a code if the account has a second factor.
   * Throws `unauthorized` (the same for a wrong name, a wrong password and a wrong code), `code_required`, `forbidden`
   * (suspended), `rate_limited`, `overloaded`.
   */
  async logIn(login: Login & { readonly label?: string | undefined }): Promise<{ user: User; token: string }> {
    const { label = 'log in' } = login;
    const address = addressKey(login.address);
    const row = await this.#checkLogin(login);
    const token = newToken(this.#randomBytes);
    const replaced = await this.#db.transaction().execute(async (trx) => {
      const revoked = await this.#tokens.makeRoom(trx, row.id);
      await this.#tokens.insert(trx, { userId: row.id, token, terms: everything(label) });
      await this.#knownAddresses.remember(trx, row.id, address);
      return revoked;
    });
    for (const id of replaced) this.#tokens.tellRevoked(id);
    return { user: toUser(row), token };
  }

  /**
   * Returns the actor of a name and a password without making a Token: for clients that send both with every request.
   * `epoch` identifies the credentials; `isCurrent` says whether they are still valid. Throws like `logIn`.
   */
  async actorOfPassword(login: Omit<Login, 'code'>): Promise<{ actor: Actor; epoch: number }> {
    const row = await this.#checkLogin(login);
    const rights = { scope: 'full', boundTo: null, tokenId: null, expiresMs: null } as const;
    return { actor: { user: toUser(row), isAdmin: row.is_admin === 1, ...rights }, epoch: row.credential_epoch };
  }

  /** Returns whether a user's credentials are still those of `epoch`: not changed, and the user not suspended. */
  async isCurrent(userId: string, epoch: number): Promise<boolean> {
    const row = await this.#db
      .selectFrom('users')
      .select('id')
      .where('id', '=', userId)
      .where('credential_epoch', '=', epoch)
      .where('suspended_ms', 'is', null)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Changes a user's password. `endSessions`: revokes every other Token of the user. Throws `unauthorized` (the current
   * password or the code is wrong), `code_required`, `bad_request` (the new password), `rate_limited`, `overloaded`.
   */
  async changePassword(options: {
    readonly user: User;
    readonly tokenId: string;
    readonly current: string;
    readonly next: string;
    readonly code?: string | undefined;
    readonly endSessions: boolean;
    readonly address: string;
  }): Promise<void> {
    const { user, current, next, code, address } = options;
    checkPassword(next);
    await this.#checkLogin({ name: user.name, password: current, code, address });
    const passwordHash = await this.#passwords.hash(next);
    const revoked = await this.#db.transaction().execute(async (trx) => {
      await trx
        .updateTable('users')
        .set((eb) => ({ password_hash: passwordHash, credential_epoch: eb('credential_epoch', '+', 1) }))
        .where('id', '=', user.id)
        .execute();
      return options.endSessions ? this.#tokens.revokeAll(trx, user.id, options.tokenId) : [];
    });
    for (const id of revoked) this.#tokens.tellRevoked(id);
  }

  /** Returns the actor of a Token; null for any text that is not a valid Token. Throws `forbidden` (suspended). */
  actorOfToken(token: string): Promise<(Actor & { readonly tokenId: string }) | null> {
    return this.#tokens.actorOf(token);
  }

  /**
   * Makes a Token and returns it. Only its hash is stored, so it is shown once. Throws `limit_exceeded`, `bad_request`.
   */
  createToken(
    userId: string,
    terms: Partial<TokenTerms> & Pick<TokenTerms, 'label'>,
  ): Promise<{ token: string; view: TokenView }> {
    return this.#tokens.create(userId, { ...everything(terms.label), ...terms });
  }

  listTokens(userId: string): Promise<readonly TokenView[]> {
    return this.#tokens.list(userId);
  }

  /** Revokes a Token of a user with immediate effect, also on open log streams. Throws `not_found`. */
  revokeToken(userId: string, tokenId: string): Promise<void> {
    return this.#tokens.revoke(userId, tokenId);
  }

  /** Returns those of `tokenIds` (at most some thousand) that are valid; revocations by other controls count. */
  tokensInForce(tokenIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#tokens.inForce(tokenIds);
  }

  /** Calls `listener` with the id of each Token that is revoked from now on. Returns a function that ends this. */
  onTokenRevoked(listener: (tokenId: string) => void): () => void {
    return this.#tokens.onRevoked(listener);
  }

  /**
   * Makes an invite code, with which people may sign up. It is shown once. Throws `registration_closed`,
   * `limit_exceeded`, `bad_request`.
   */
  async createInvite(userId: string, terms: InviteTerms = {}): Promise<{ invite: string; view: InviteView }> {
    if (this.#registration === 'closed') throw closed();
    return this.#invites.create(userId, terms);
  }

  /** Returns at most `limit` invites of a user, oldest first, after the invite that `after` names. */
  listInvites(
    userId: string,
    page: { readonly after?: InviteCursor | undefined; readonly limit: number },
  ): Promise<readonly InviteView[]> {
    return this.#invites.list(userId, page);
  }

  /** Deletes an invite that can still be used. Throws `not_found`. */
  deleteInvite(userId: string, inviteId: string): Promise<void> {
    return this.#invites.delete(userId, inviteId);
  }

  async #checkLogin({ name, password, code, address: given }: Login) {
    const address = addressKey(given);
    const row = await this.#db
      .selectFrom('users')
      .selectAll()
      .where('name', '=', name)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    // Queries the database for an unknown name too, so that the answer takes as long.
    const isKnown = await this.#knownAddresses.has(row?.id ?? '', address);
    const giveBack = this.#countAttempt({ name, address, isKnown });
    const tooLong = Buffer.byteLength(password) > 1024;
    const right = await this.#passwords.verify(tooLong ? '' : password, tooLong ? null : (row?.password_hash ?? null));
    if (row === undefined || !right) throw new PlatformError('unauthorized', 'wrong name or password');
    // Only a caller who knows the password learns what follows.
    if (row.suspended_ms !== null) throw suspended();
    if (row.totp_confirmed_ms !== null) {
      if (code === undefined) {
        giveBack();
        throw new PlatformError('code_required', 'this account has a second factor: send its code as well', {
          hints: ['wasmcloud login asks for it'],
        });
      }
      // A wrong code counts like a wrong password, and by itself: there are only a million codes.
      if (!(await this.secondFactor.accepts(row, code)))
        throw new PlatformError('unauthorized', 'this code is wrong or has been used');
    }
    giveBack();
    return row;
  }

  /**
   * Counts one attempt to log in, by name and by address. Returns a function that takes the count back after a success.
   * Throws `rate_limited`.
   */
  #countAttempt(attempt: { readonly name: string; readonly address: string; readonly isKnown: boolean }): () => void {
    const { address, isKnown } = attempt;
    const name = hashSecret(attempt.name); // Hashes the name, which may be a megabyte long.
    if (isKnown) {
      const pair = `${name} ${address}`;
      this.#logInFromKnown.take(pair, 'log-ins');
      return () => this.#logInFromKnown.giveBack(pair);
    }
    this.#logInByAddress.take(address, 'log-ins');
    this.#logInByName.take(name, 'log-ins');
    return () => {
      this.#logInByAddress.giveBack(address);
      this.#logInByName.giveBack(name);
    };
  }

  /**
   * Throws unless a sign-up with `invite` is allowed. Returns a function that uses the invite up, to be called once the
   * user exists.
   */
  async #admit(trx: Transaction<Schema>, given: string | undefined): Promise<(userId: string) => Promise<void>> {
    const invite = given?.trim() ?? '';
    if (!(await anyUser(trx))) {
      const code = await trx.selectFrom('settings').select('value').where('key', '=', firstCodeKey).executeTakeFirst();
      if (code !== undefined && sameSecret(code.value, invite.toLowerCase()))
        return async () => {
          const { numDeletedRows } = await trx
            .deleteFrom('settings')
            .where('key', '=', firstCodeKey)
            .executeTakeFirst();
          // Another sign-up, on this control or another one, has just used the code.
          if (numDeletedRows === 0n) throw firstCodeNeeded();
        };
      if (this.#registration !== 'open') throw firstCodeNeeded();
    }
    if (this.#registration === 'open') return async () => {};
    if (this.#registration === 'closed') throw closed();
    if (invite === '')
      throw new PlatformError('invite_required', 'signing up here needs an invite', {
        hints: ['ask somebody with an account for one'],
      });
    return this.#invites.check(trx, invite);
  }
}

/**
 * Returns `name` if a user may have it, else throws `name_invalid`. Names of users are no host names, so none is
 * reserved.
 */
export function checkUserName(name: string): string {
  if (name.length <= nameLimits.userChars && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) return name;
  throw new PlatformError('name_invalid', 'this cannot be a user name', {
    hints: [`a user name has 1 to ${nameLimits.userChars} of a-z, 0-9 and hyphens inside, for example ada`],
  });
}

function toUser(row: { id: string; name: string; created_ms: number }): User {
  return { id: row.id, name: row.name, createdMs: row.created_ms };
}

/**
 * Returns whether `userId` is the platform's first user. When two users sign up at the same time, on two controls,
 * exactly one is.
 */
async function isFirst(trx: Transaction<Schema>, userId: string): Promise<boolean> {
  if (await anyUser(trx)) return false;
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('settings')
    .values({ key: 'first_user', value: userId })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

async function anyUser(trx: Transaction<Schema>): Promise<boolean> {
  return (await trx.selectFrom('users').select('id').limit(1).executeTakeFirst()) !== undefined;
}

function firstCodeNeeded(): PlatformError {
  return new PlatformError('invite_required', 'the first account needs the code that the server printed', {
    hints: ['look for the code in the output of npm start'],
  });
}

function closed(): PlatformError {
  return new PlatformError('registration_closed', 'this server takes no new accounts');
}

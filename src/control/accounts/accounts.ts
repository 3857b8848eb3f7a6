/** Makes users, logs them in, and holds who may sign up; Tokens, invites, second factor and limits are files of their own. */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { nameLimits } from '../../protocol/limits.ts';
import type { User } from '../../protocol/nouns.ts';
import type { Actor } from '../../protocol/permissions.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { isUniqueViolation } from '../db/sql-error.ts';
import { type InviteCursor, Invites, type InviteTerms, type InviteView } from './invites.ts';
import { KnownAddresses } from './known-addresses.ts';
import { checkPassword, type PasswordCost, Passwords } from './passwords.ts';
import { addressKey, RateLimiter } from './rate-limiter.ts';
import type { Sealer } from './sealer.ts';
import { SecondFactor } from './second-factor.ts';
import { hashSecret, newFirstCode, newId, newToken, type RandomBytes, sameSecret } from './secrets.ts';
import { everything, suspended, Tokens, type TokenTerms, type TokenView } from './tokens.ts';
import { Users } from './users.ts';

export const accountLimits = {
  /** Failed log-ins from one address where no user has logged in before: 20 at once, then one in 10 s. */
  logInByAddress: { burst: 20, everyMs: 10_000, keys: 10_000 },
  /** Failed log-ins of one name from all such addresses together: a guess from many machines is no faster. */
  logInByName: { burst: 30, everyMs: 10_000, keys: 10_000 },
  /**
   * Failed log-ins of one name from one address that has logged in as that user: counted apart, so that guesses from
   * elsewhere do not lock the user out. A neighbour behind the same address has 100 guesses, then 8,640 a day.
   */
  logInFromKnown: { burst: 100, everyMs: 10_000, keys: 10_000 },
  /** Sign-ups by address: 30 at once (a class, a test suite), then one in 30 s. */
  signUpByAddress: { burst: 30, everyMs: 30_000, keys: 10_000 },
} as const;

export type Registration = 'open' | 'invite' | 'closed';

export interface AccountsOptions {
  readonly db: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  readonly registration: Registration;
  /** Seals the secrets of second factors. */
  readonly sealer: Sealer;
  /** Cost of one password hash; only tests that hash much set it. */
  readonly passwordCost?: PasswordCost;
}

const firstCodeKey = 'first_account_code';

/** What a client sends to log in. */
export interface Login {
  readonly name: string;
  readonly password: string;
  /** Of the second factor, where the account has one: six digits, or a recovery code. */
  readonly code?: string | undefined;
  /** The client's. */
  readonly address: string;
}

export class Accounts {
  /** The users as administrators see and change them. */
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

  /** Returns the code that the very first sign-up needs: the same at every start until it is used, then null. */
  async firstAccountCode(): Promise<string | null> {
    return this.#db.transaction().execute(async (trx) => {
      if (await anyUser(trx)) return null;
      const known = await trx.selectFrom('settings').select('value').where('key', '=', firstCodeKey).executeTakeFirst();
      if (known !== undefined) return known.value;
      const code = newFirstCode(this.#randomBytes);
      // Another control may start at the same time: the first code written is the one that both print.
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
   * Makes a user and a first Token; the first user of all becomes the administrator. `address` is the caller's, for the
   * rate limit.
   * Throws `name_invalid`, `name_taken`, `bad_request`, `invite_required`, `registration_closed`,
   * `rate_limited`, `overloaded`.
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
    // Asked once before the costly hash and once more, with effect, in the transaction below.
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
   * Makes a new Token for a name and a password, and a code where the account has a second factor.
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
   * Returns who acts with a name and a password, and makes no Token: for a client that sends both with every request.
   * `epoch` stands for the credentials: `isCurrent` says whether they still hold. Throws like `logIn`.
   */
  async actorOfPassword(login: Omit<Login, 'code'>): Promise<{ actor: Actor; epoch: number }> {
    const row = await this.#checkLogin(login);
    const rights = { scope: 'full', boundTo: null, tokenId: null, expiresMs: null } as const;
    return { actor: { user: toUser(row), isAdmin: row.is_admin === 1, ...rights }, epoch: row.credential_epoch };
  }

  /** Says whether a user's credentials are those of `epoch`: nothing has been changed, nobody has been suspended. */
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
   * password or the code is wrong), `code_required`, `bad_request` (the new one), `rate_limited`, `overloaded`.
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

  /** Returns who acts with a Token; null for anything that is not one in force. Throws `forbidden` (suspended). */
  actorOfToken(token: string): Promise<(Actor & { readonly tokenId: string }) | null> {
    return this.#tokens.actorOf(token);
  }

  /** Makes a Token and returns it; it is shown once, only its hash is kept. Throws `limit_exceeded`, `bad_request`. */
  createToken(
    userId: string,
    terms: Partial<TokenTerms> & Pick<TokenTerms, 'label'>,
  ): Promise<{ token: string; view: TokenView }> {
    return this.#tokens.create(userId, { ...everything(terms.label), ...terms });
  }

  listTokens(userId: string): Promise<readonly TokenView[]> {
    return this.#tokens.list(userId);
  }

  /** Revokes a Token of a user, in force at once, on open log streams too. Throws `not_found`. */
  revokeToken(userId: string, tokenId: string): Promise<void> {
    return this.#tokens.revoke(userId, tokenId);
  }

  /** Returns those of `tokenIds` (at most some thousand) that are in force, whichever control has revoked others. */
  tokensInForce(tokenIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#tokens.inForce(tokenIds);
  }

  /** Calls `listener` with the id of each Token that is revoked from now on; returns how to stop that. */
  onTokenRevoked(listener: (tokenId: string) => void): () => void {
    return this.#tokens.onRevoked(listener);
  }

  /**
   * Makes a code with which people may sign up; it is shown once. Throws `registration_closed`, `limit_exceeded`,
   * `bad_request`.
   */
  async createInvite(userId: string, terms: InviteTerms = {}): Promise<{ invite: string; view: InviteView }> {
    if (this.#registration === 'closed') throw closed();
    return this.#invites.create(userId, terms);
  }

  /** Returns at most `limit` invites of a user, the oldest first: those made after the invite that `after` names. */
  listInvites(
    userId: string,
    page: { readonly after?: InviteCursor | undefined; readonly limit: number },
  ): Promise<readonly InviteView[]> {
    return this.#invites.list(userId, page);
  }

  /** Deletes an invite that somebody could still use. Throws `not_found`. */
  deleteInvite(userId: string, inviteId: string): Promise<void> {
    return this.#invites.delete(userId, inviteId);
  }

  async #checkLogin({ name, password, code, address: given }: Login) {
    const address = addressKey(given);
    const row = await this.#db.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst();
    // Asked for an unknown name too, so that its answer takes as long.
    const isKnown = await this.#knownAddresses.has(row?.id ?? '', address);
    const giveBack = this.#countAttempt({ name, address, isKnown });
    const tooLong = Buffer.byteLength(password) > 1024;
    const right = await this.#passwords.verify(tooLong ? '' : password, tooLong ? null : (row?.password_hash ?? null));
    if (row === undefined || !right) throw new PlatformError('unauthorized', 'wrong name or password');
    // What follows is told only to somebody who knows the password.
    if (row.suspended_ms !== null) throw suspended();
    if (row.totp_confirmed_ms !== null) {
      if (code === undefined) {
        giveBack();
        throw new PlatformError('code_required', 'this account has a second factor: send its code as well', {
          hints: ['wasmcloud login asks for it'],
        });
      }
      // Counted as a wrong password is: a code has a million values only.
      if (!(await this.secondFactor.accepts(row, code)))
        throw new PlatformError('unauthorized', 'this code is wrong or has been used');
    }
    giveBack();
    return row;
  }

  /**
   * Counts one attempt to log in where attempts of its kind are counted. Returns what takes it back, for one that
   * turns out well. Throws `rate_limited`.
   */
  #countAttempt(attempt: { readonly name: string; readonly address: string; readonly isKnown: boolean }): () => void {
    const { address, isKnown } = attempt;
    const name = hashSecret(attempt.name); // a name may be a megabyte long
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

  /** Throws unless a sign-up with `invite` is allowed; returns what uses the invite up, for after the user exists. */
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
          // Somebody else has just used it, on this control or another.
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

/** Returns `name` if a user may have it, else throws `name_invalid`. Users are no hosts, so no name is reserved. */
export function checkUserName(name: string): string {
  if (name.length <= nameLimits.userChars && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) return name;
  throw new PlatformError('name_invalid', 'this cannot be a user name', {
    hints: [`a user name has 1 to ${nameLimits.userChars} of a-z, 0-9 and hyphens inside, for example ada`],
  });
}

function toUser(row: { id: string; name: string; created_ms: number }): User {
  return { id: row.id, name: row.name, createdMs: row.created_ms };
}

/** Says whether `userId` is the first user of all; of two that sign up at the same time, on two controls, one is. */
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

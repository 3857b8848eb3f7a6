/** Users, their Tokens, invites, and who may sign up. */
import type { Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { isUniqueViolation } from '../db/sql-error.ts';
import { PlatformError } from '../protocol/errors.ts';
import { nameLimits } from '../protocol/limits.ts';
import type { User } from '../protocol/nouns.ts';
import { checkPassword, Passwords } from './passwords.ts';
import { addressKey, RateLimiter } from './rate-limiter.ts';
import {
  hashSecret,
  looksLikeToken,
  newFirstCode,
  newId,
  newInvite,
  newToken,
  type RandomBytes,
  sameSecret,
} from './secrets.ts';

export const accountLimits = {
  /** Tokens of one user that are in force; one per machine and CI job is enough. */
  tokens: 100,
  /** Invites of one user that nobody has used yet. */
  invites: 20,
  labelChars: 80,
  /** A Token's last use is written at most this often: not a write for every request. */
  lastUsedMs: 60_000,
  /** Revoked Tokens stay visible in the database for 30 days, for whoever looks into an incident. */
  revokedMs: 30 * 24 * 60 * 60_000,
  /** Log-in attempts by address: 20 at once, then one in 10 s. Successful ones do not count. */
  logInByAddress: { burst: 20, everyMs: 10_000, keys: 10_000 },
  /** By user name, from anywhere: slows a distributed guess without locking the owner out for long. */
  logInByName: { burst: 30, everyMs: 10_000, keys: 10_000 },
  /** Sign-ups by address: 10 at once, then one in a minute. */
  signUpByAddress: { burst: 10, everyMs: 60_000, keys: 10_000 },
} as const;

export type Registration = 'open' | 'invite' | 'closed';

export interface TokenView {
  readonly id: string;
  readonly label: string;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
}

export interface InviteView {
  readonly id: string;
  readonly createdMs: number;
  /** Name of the user who signed up with it. */
  readonly usedBy: string | null;
  readonly usedMs: number | null;
}

export interface AccountsOptions {
  readonly db: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  readonly registration: Registration;
}

const firstCodeKey = 'first_account_code';

export class Accounts {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #registration: Registration;
  readonly #passwords: Passwords;
  readonly #logInByAddress: RateLimiter;
  readonly #logInByName: RateLimiter;
  readonly #signUpByAddress: RateLimiter;
  readonly #revokedListeners = new Set<(tokenId: string) => void>();

  constructor(options: AccountsOptions) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
    this.#registration = options.registration;
    this.#passwords = new Passwords(options);
    this.#logInByAddress = new RateLimiter(accountLimits.logInByAddress, options.now);
    this.#logInByName = new RateLimiter(accountLimits.logInByName, options.now);
    this.#signUpByAddress = new RateLimiter(accountLimits.signUpByAddress, options.now);
  }

  /** The code that the very first sign-up needs, the same at every start until it is used; then null. */
  async firstAccountCode(): Promise<string | null> {
    return this.#db.transaction().execute(async (trx) => {
      if (await anyUser(trx)) return null;
      const known = await trx.selectFrom('settings').select('value').where('key', '=', firstCodeKey).executeTakeFirst();
      if (known !== undefined) return known.value;
      const code = newFirstCode(this.#randomBytes);
      await trx.insertInto('settings').values({ key: firstCodeKey, value: code }).execute();
      return code;
    });
  }

  /**
   * Makes a user and a first Token. `address` is the caller's, for the rate limit.
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
    await this.#db.transaction().execute((trx) => this.#admit(trx, { invite, userId: null }));
    const passwordHash = await this.#passwords.hash(password);
    const user: User = { id: newId('u', this.#randomBytes), name, createdMs: this.#now() };
    const token = newToken(this.#randomBytes);
    try {
      await this.#db.transaction().execute(async (trx) => {
        const admission = await this.#admit(trx, { invite, userId: user.id });
        const row = { id: user.id, name, password_hash: passwordHash, created_ms: user.createdMs };
        await trx.insertInto('users').values(row).execute();
        await admission();
        await this.#insertToken(trx, { userId: user.id, token, label: 'sign up' });
      });
    } catch (error) {
      if (isUniqueViolation(error))
        throw new PlatformError('name_taken', `the user name ${name} is taken`, { cause: error });
      throw error;
    }
    return { user, token };
  }

  /** A new Token. Throws `unauthorized` (the same for a wrong name and a wrong password), `rate_limited`, `overloaded`. */
  async logIn(options: {
    readonly name: string;
    readonly password: string;
    readonly address: string;
    readonly label?: string | undefined;
  }): Promise<{ user: User; token: string }> {
    const { name, password, label = 'log in' } = options;
    const address = addressKey(options.address);
    this.#logInByAddress.take(address, 'log-ins');
    const nameKey = hashSecret(name); // a name may be a megabyte long
    this.#logInByName.take(nameKey, 'log-ins');
    const row = await this.#db.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst();
    const tooLong = Buffer.byteLength(password) > 1024;
    const right = await this.#passwords.verify(tooLong ? '' : password, tooLong ? null : (row?.password_hash ?? null));
    if (row === undefined || !right) throw new PlatformError('unauthorized', 'wrong name or password');
    this.#logInByAddress.giveBack(address);
    this.#logInByName.giveBack(nameKey);
    const token = newToken(this.#randomBytes);
    const replaced = await this.#db.transaction().execute(async (trx) => {
      const oldest = await this.#tokensInForce(trx, row.id);
      const surplus = oldest.slice(0, Math.max(0, oldest.length - accountLimits.tokens + 1)).map(({ id }) => id);
      if (surplus.length > 0)
        await trx.updateTable('tokens').set({ revoked_ms: this.#now() }).where('id', 'in', surplus).execute();
      await this.#insertToken(trx, { userId: row.id, token, label });
      return surplus;
    });
    for (const id of replaced) this.#tellRevoked(id);
    return { user: toUser(row), token };
  }

  /** Who a Token belongs to; null for anything that is not a Token in force. */
  async userOfToken(token: string): Promise<{ user: User; tokenId: string } | null> {
    if (!looksLikeToken(token)) return null;
    const hash = hashSecret(token);
    const row = await this.#db
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.user_id')
      .select(['tokens.id as token_id', 'tokens.hash', 'tokens.last_used_ms'])
      .select(['users.id', 'users.name', 'users.created_ms'])
      .where('tokens.hash', '=', hash)
      .where('tokens.revoked_ms', 'is', null)
      .executeTakeFirst();
    if (row === undefined || !sameSecret(row.hash, hash)) return null;
    if (this.#now() - (row.last_used_ms ?? 0) >= accountLimits.lastUsedMs) await this.#touch(row.token_id);
    return { user: toUser(row), tokenId: row.token_id };
  }

  /** Shown once: only its hash is kept. Throws `limit_exceeded`, `bad_request`. */
  async createToken(userId: string, label: string): Promise<{ token: string; view: TokenView }> {
    if (label.length === 0 || label.length > accountLimits.labelChars)
      throw new PlatformError('bad_request', `a label has 1 to ${accountLimits.labelChars} characters`);
    const token = newToken(this.#randomBytes);
    const view = await this.#db.transaction().execute(async (trx) => {
      if ((await this.#tokensInForce(trx, userId)).length >= accountLimits.tokens)
        throw new PlatformError('limit_exceeded', `a user has at most ${accountLimits.tokens} tokens`, {
          hints: ['revoke one that is not used any more'],
        });
      return this.#insertToken(trx, { userId, token, label });
    });
    return { token, view };
  }

  async listTokens(userId: string): Promise<readonly TokenView[]> {
    const rows = await this.#db
      .selectFrom('tokens')
      .select(['id', 'label', 'created_ms', 'last_used_ms'])
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is', null)
      .orderBy('created_ms')
      .orderBy('id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      label: row.label,
      createdMs: row.created_ms,
      lastUsedMs: row.last_used_ms,
    }));
  }

  /** In force at once, on open log streams too. Throws `not_found`. */
  async revokeToken(userId: string, tokenId: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('tokens')
      .set({ revoked_ms: this.#now() })
      .where('id', '=', tokenId)
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new PlatformError('not_found', 'no such token');
    this.#tellRevoked(tokenId);
  }

  /** Calls `listener` with the id of each Token that is revoked from now on; returns how to stop that. */
  onTokenRevoked(listener: (tokenId: string) => void): () => void {
    this.#revokedListeners.add(listener);
    return () => this.#revokedListeners.delete(listener);
  }

  /** A code with which one person may sign up; shown once. Throws `registration_closed`, `limit_exceeded`. */
  async createInvite(userId: string): Promise<{ invite: string; view: InviteView }> {
    if (this.#registration === 'closed') throw closed();
    const invite = newInvite(this.#randomBytes);
    const view: InviteView = {
      id: newId('i', this.#randomBytes),
      createdMs: this.#now(),
      usedBy: null,
      usedMs: null,
    };
    await this.#db.transaction().execute(async (trx) => {
      const open = await trx
        .selectFrom('invites')
        .select('id')
        .where('created_by', '=', userId)
        .where('used_ms', 'is', null)
        .execute();
      if (open.length >= accountLimits.invites)
        throw new PlatformError('limit_exceeded', `a user has at most ${accountLimits.invites} open invites`, {
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

  async listInvites(userId: string): Promise<readonly InviteView[]> {
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

  /** Only one that nobody has used. Throws `not_found`. */
  async deleteInvite(userId: string, inviteId: string): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('invites')
      .where('id', '=', inviteId)
      .where('created_by', '=', userId)
      .where('used_ms', 'is', null)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw new PlatformError('not_found', 'no such open invite');
  }

  /**
   * Throws unless a sign-up with `invite` is allowed. Returns what uses the invite up, to be called
   * when the user exists (the invite refers to it).
   */
  async #admit(
    trx: Transaction<Schema>,
    options: { readonly invite: string | undefined; readonly userId: string | null },
  ): Promise<() => Promise<void>> {
    const invite = options.invite?.trim();
    if (!(await anyUser(trx))) {
      const code = await trx.selectFrom('settings').select('value').where('key', '=', firstCodeKey).executeTakeFirst();
      if (code !== undefined && invite !== undefined && sameSecret(code.value, invite.toLowerCase()))
        return async () => {
          await trx.deleteFrom('settings').where('key', '=', firstCodeKey).execute();
        };
      if (this.#registration !== 'open')
        throw new PlatformError('invite_required', 'the first account needs the code that the server printed', {
          hints: ['look for the code in the output of npm start'],
        });
    }
    if (this.#registration === 'open') return async () => {};
    if (this.#registration === 'closed') throw closed();
    if (invite === undefined || invite === '')
      throw new PlatformError('invite_required', 'signing up here needs an invite', {
        hints: ['ask somebody with an account for one'],
      });
    const found = await trx
      .selectFrom('invites')
      .select('id')
      .where('hash', '=', hashSecret(invite))
      .where('used_ms', 'is', null)
      .executeTakeFirst();
    if (found === undefined) throw usedUp();
    return async () => {
      const { numUpdatedRows } = await trx
        .updateTable('invites')
        .set({ used_by: options.userId, used_ms: this.#now() })
        .where('id', '=', found.id)
        .where('used_ms', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw usedUp();
    };
  }

  async #insertToken(
    trx: Transaction<Schema>,
    options: { readonly userId: string; readonly token: string; readonly label: string },
  ): Promise<TokenView> {
    const now = this.#now();
    await trx
      .deleteFrom('tokens')
      .where('user_id', '=', options.userId)
      .where('revoked_ms', '<', now - accountLimits.revokedMs)
      .execute();
    const view: TokenView = {
      id: newId('t', this.#randomBytes),
      label: options.label,
      createdMs: now,
      lastUsedMs: null,
    };
    await trx
      .insertInto('tokens')
      .values({
        id: view.id,
        user_id: options.userId,
        hash: hashSecret(options.token),
        label: view.label,
        created_ms: now,
        last_used_ms: null,
        revoked_ms: null,
      })
      .execute();
    return view;
  }

  /** Least recently used first. */
  async #tokensInForce(trx: Transaction<Schema>, userId: string): Promise<readonly { id: string }[]> {
    const rows = await trx
      .selectFrom('tokens')
      .select(['id', 'created_ms', 'last_used_ms'])
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is', null)
      .execute();
    const lastMs = (row: (typeof rows)[number]) => row.last_used_ms ?? row.created_ms;
    return rows.sort((a, b) => lastMs(a) - lastMs(b));
  }

  /** Not worth waiting for the disk, and no reason to refuse a request when it fails. */
  async #touch(tokenId: string): Promise<void> {
    await this.#db.relaxed
      .updateTable('tokens')
      .set({ last_used_ms: this.#now() })
      .where('id', '=', tokenId)
      .execute()
      .catch(() => {});
  }

  #tellRevoked(tokenId: string): void {
    for (const listener of this.#revokedListeners) listener(tokenId);
  }
}

/** Users are no hosts, so no name is reserved; otherwise as handlers'. */
export function checkUserName(name: string): string {
  if (name.length <= nameLimits.userChars && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) return name;
  throw new PlatformError('name_invalid', 'this cannot be a user name', {
    hints: [`a user name has 1 to ${nameLimits.userChars} of a-z, 0-9 and hyphens inside, for example ada`],
  });
}

function toUser(row: { id: string; name: string; created_ms: number }): User {
  return { id: row.id, name: row.name, createdMs: row.created_ms };
}

async function anyUser(trx: Transaction<Schema>): Promise<boolean> {
  return (await trx.selectFrom('users').select('id').limit(1).executeTakeFirst()) !== undefined;
}

function usedUp(): PlatformError {
  return new PlatformError('invite_required', 'this invite is unknown or used up');
}

function closed(): PlatformError {
  return new PlatformError('registration_closed', 'this server takes no new accounts');
}

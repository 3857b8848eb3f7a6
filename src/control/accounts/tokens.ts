/** Makes, recognises and revokes Tokens. */

import type { ExpressionBuilder, Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { TokenScope } from '../../protocol/nouns.ts';
import type { Actor } from '../../protocol/permissions.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import type { TokenView } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { hashSecret, looksLikeToken, newId, newToken, type RandomBytes } from './secrets.ts';

export const tokenLimits = {
  /** Valid Tokens of one user. One per machine and CI job is enough. */
  perUser: 100,
  labelChars: 80,
  /** Milliseconds between two writes of a Token's last use, so that not every request writes. */
  lastUsedMs: 60_000,
  /** Milliseconds that a revoked Token stays in the database, for operators who look into an incident. */
  revokedMs: 30 * 24 * 60 * 60_000,
  /** Revoked Tokens kept of one user, so that making and revoking in a loop does not fill the disk. */
  revoked: 200,
  /** Longest lifetime that may be asked for, in milliseconds: ten years. A Token without a lifetime never expires. */
  lifeMs: 3_650 * 24 * 60 * 60_000,
} as const;

/** Rights and lifetime of a new Token. */
export interface TokenTerms {
  readonly label: string;
  readonly scope: TokenScope;
  /** The only handler that the Token is valid for; null: all handlers of its user. */
  readonly handler: { readonly id: string; readonly name: string } | null;
  /** Lifetime in milliseconds; null: it never expires. */
  readonly lifeMs: number | null;
}

/** Returns the terms of a Token with all rights, as a log-in makes it. */
export function everything(label: string): TokenTerms {
  return { label, scope: 'full', handler: null, lifeMs: null };
}

export class Tokens {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #revokedListeners = new Set<(tokenId: string) => void>();

  constructor(options: { readonly db: Database; readonly now: () => number; readonly randomBytes: RandomBytes }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
  }

  /**
   * Returns the actor of a Token and the Token's rights; null for any text that is not a valid Token. Throws
   * `forbidden` when its user is suspended.
   */
  async actorOf(token: string): Promise<(Actor & { readonly tokenId: string }) | null> {
    if (!looksLikeToken(token)) return null;
    const hash = hashSecret(token);
    const row = await this.#db
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.user_id')
      .select(['tokens.id as token_id', 'tokens.hash', 'tokens.last_used_ms'])
      .select(['tokens.scope', 'tokens.handler_id', 'tokens.expires_ms'])
      .select(['users.id', 'users.name', 'users.created_ms', 'users.is_admin', 'users.suspended_ms'])
      .where('tokens.hash', '=', hash)
      .where(inForceAt(this.#now()))
      .executeTakeFirst();
    if (row === undefined || !sameSecret(row.hash, hash)) return null;
    if (row.suspended_ms !== null) throw suspended();
    if (this.#now() - (row.last_used_ms ?? 0) >= tokenLimits.lastUsedMs) await this.#touch(row.token_id);
    return {
      user: { id: row.id, name: row.name, createdMs: row.created_ms },
      isAdmin: row.is_admin === 1,
      tokenId: row.token_id,
      scope: row.scope,
      boundTo: row.handler_id,
      expiresMs: row.expires_ms,
    };
  }

  /**
   * Makes a Token and returns it. Only its hash is stored, so it is shown once. Throws `limit_exceeded`, and
   * `bad_request` (a bad label or lifetime; one handler with the scope `full`, which is for the whole account).
   */
  async create(userId: string, terms: TokenTerms): Promise<{ token: string; view: TokenView }> {
    const { label, scope, handler, lifeMs } = terms;
    if (label.trim() === '' || label.length > tokenLimits.labelChars)
      throw new PlatformError('bad_request', `a label has 1 to ${tokenLimits.labelChars} characters, not only blanks`);
    if (handler !== null && scope === 'full')
      throw new PlatformError('bad_request', 'a token of scope full is for the whole account', {
        hints: ['for one handler take the scope deploy or read'],
      });
    if (lifeMs !== null && !(lifeMs > 0 && lifeMs <= tokenLimits.lifeMs))
      throw new PlatformError('bad_request', 'a token lives for 1 to 3650 days');
    const token = newToken(this.#randomBytes);
    const view = await this.#db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      if ((await this.#inForce(trx, userId)).length >= tokenLimits.perUser)
        throw new PlatformError('limit_exceeded', `a user has at most ${tokenLimits.perUser} tokens`, {
          hints: ['revoke one that is not used any more'],
        });
      return this.insert(trx, { userId, token, terms });
    });
    return { token, view };
  }

  async list(userId: string): Promise<readonly TokenView[]> {
    const rows = await this.#db
      .selectFrom('tokens')
      .leftJoin('handlers', 'handlers.id', 'tokens.handler_id')
      .select(['tokens.id', 'tokens.label', 'tokens.scope', 'tokens.created_ms', 'tokens.last_used_ms'])
      .select(['tokens.expires_ms', 'handlers.name as handler'])
      .where('tokens.user_id', '=', userId)
      .where(inForceAt(this.#now()))
      .orderBy('tokens.created_ms')
      .orderBy('tokens.id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      label: row.label,
      scope: row.scope,
      handler: row.handler,
      createdMs: row.created_ms,
      lastUsedMs: row.last_used_ms,
      expiresMs: row.expires_ms,
    }));
  }

  /**
   * Revokes every Token of a user except `exceptId`, in a transaction. Returns their ids, for `tellRevoked` after the
   * commit.
   */
  async revokeAll(trx: Kysely<Schema>, userId: string, exceptId: string | null): Promise<readonly string[]> {
    const theirs = (await this.#inForce(trx, userId)).map(({ id }) => id).filter((id) => id !== exceptId);
    if (theirs.length > 0)
      await trx.updateTable('tokens').set({ revoked_ms: this.#now() }).where('id', 'in', theirs).execute();
    return theirs;
  }

  /** Revokes a Token of a user with immediate effect, also on open log streams. Throws `not_found`. */
  async revoke(userId: string, tokenId: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('tokens')
      .set({ revoked_ms: this.#now() })
      .where('id', '=', tokenId)
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new PlatformError('not_found', 'no such token');
    this.tellRevoked(tokenId);
  }

  /**
   * Returns those of `tokenIds` that are valid and whose user is not suspended; revocations by other controls count.
   */
  async inForce(tokenIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (tokenIds.length === 0) return new Set();
    const rows = await this.#db.reader
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.user_id')
      .select('tokens.id')
      .where('tokens.id', 'in', tokenIds)
      .where('users.suspended_ms', 'is', null)
      .where(inForceAt(this.#now()))
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * Calls `listener` with the id of each Token that this control revokes from now on. Returns a function that ends
   * this.
   */
  onRevoked(listener: (tokenId: string) => void): () => void {
    this.#revokedListeners.add(listener);
    return () => this.#revokedListeners.delete(listener);
  }

  /** Stores a new Token, in the transaction that makes its user or session. */
  async insert(
    trx: Kysely<Schema>,
    options: { readonly userId: string; readonly token: string; readonly terms: TokenTerms },
  ): Promise<TokenView> {
    const now = this.#now();
    const { label, scope, handler, lifeMs } = options.terms;
    await this.#forgetEnded(trx, options.userId);
    const view: TokenView = {
      id: newId('t', this.#randomBytes),
      label,
      scope,
      handler: handler?.name ?? null,
      createdMs: now,
      lastUsedMs: null,
      expiresMs: lifeMs === null ? null : now + lifeMs,
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
        scope,
        handler_id: handler?.id ?? null,
        expires_ms: view.expiresMs,
      })
      .execute();
    return view;
  }

  /**
   * Makes room for one more Token by revoking the least recently used ones. Returns their ids, for `tellRevoked` after
   * the commit.
   */
  async makeRoom(trx: Kysely<Schema>, userId: string): Promise<readonly string[]> {
    await lockUser(trx, userId);
    const oldest = await this.#inForce(trx, userId);
    const surplus = oldest.slice(0, Math.max(0, oldest.length - tokenLimits.perUser + 1)).map(({ id }) => id);
    if (surplus.length > 0)
      await trx.updateTable('tokens').set({ revoked_ms: this.#now() }).where('id', 'in', surplus).execute();
    return surplus;
  }

  tellRevoked(tokenId: string): void {
    for (const listener of this.#revokedListeners) listener(tokenId);
  }

  async #forgetEnded(trx: Kysely<Schema>, userId: string): Promise<void> {
    const surplus = await trx
      .selectFrom('tokens')
      .select('revoked_ms')
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is not', null)
      .orderBy('revoked_ms', 'desc')
      .limit(1)
      .offset(tokenLimits.revoked)
      .executeTakeFirst();
    const upToMs = Math.max(surplus?.revoked_ms ?? 0, this.#now() - tokenLimits.revokedMs);
    await trx.deleteFrom('tokens').where('user_id', '=', userId).where('revoked_ms', '<=', upToMs).execute();
    const expiredMs = this.#now() - tokenLimits.revokedMs;
    await trx.deleteFrom('tokens').where('user_id', '=', userId).where('expires_ms', '<=', expiredMs).execute();
  }

  /** Returns the ids of a user's valid Tokens, least recently used first. */
  async #inForce(trx: Kysely<Schema>, userId: string): Promise<readonly { id: string }[]> {
    const rows = await trx
      .selectFrom('tokens')
      .select(['id', 'created_ms', 'last_used_ms'])
      .where('user_id', '=', userId)
      .where(inForceAt(this.#now()))
      .orderBy('created_ms')
      .orderBy('id')
      .execute();
    const lastMs = (row: (typeof rows)[number]) => row.last_used_ms ?? row.created_ms;
    return rows.sort((a, b) => lastMs(a) - lastMs(b));
  }

  /** Stores the time of a Token's last use without waiting for the disk. A failure does not refuse the request. */
  async #touch(tokenId: string): Promise<void> {
    await this.#db.relaxed
      .updateTable('tokens')
      .set({ last_used_ms: this.#now() })
      .where('id', '=', tokenId)
      .execute()
      .catch(() => {});
  }
}

/** Returns the condition for Tokens that are neither revoked nor expired at `nowMs`. */
function inForceAt(nowMs: number) {
  return (eb: ExpressionBuilder<Schema, 'tokens'>) =>
    eb.and([
      eb('tokens.revoked_ms', 'is', null),
      eb.or([eb('tokens.expires_ms', 'is', null), eb('tokens.expires_ms', '>', nowMs)]),
    ]);
}

/** Makes the error for right credentials of a suspended user. */
export function suspended(): PlatformError {
  return new PlatformError('forbidden', 'this account is suspended', {
    hints: ['ask an administrator of this platform'],
  });
}

/** Makes, recognises and revokes Tokens. */
import type { Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { User } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { hashSecret, looksLikeToken, newId, newToken, type RandomBytes, sameSecret } from './secrets.ts';

export const tokenLimits = {
  /** Tokens of one user that are in force; one per machine and CI job is enough. */
  perUser: 100,
  labelChars: 80,
  /** Milliseconds between two writes of a Token's last use: not a write for every request. */
  lastUsedMs: 60_000,
  /** Milliseconds that a revoked Token stays in the database, for an operator who looks into an incident. */
  revokedMs: 30 * 24 * 60 * 60_000,
  /** Revoked Tokens of one user that are kept: making and revoking in a loop must not fill the disk. */
  revoked: 200,
} as const;

export interface TokenView {
  readonly id: string;
  readonly label: string;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
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

  /** Returns the user that a Token belongs to; null for anything that is not a Token in force. */
  async userOf(token: string): Promise<{ user: User; tokenId: string } | null> {
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
    if (this.#now() - (row.last_used_ms ?? 0) >= tokenLimits.lastUsedMs) await this.#touch(row.token_id);
    return { user: toUser(row), tokenId: row.token_id };
  }

  /** Makes a Token and returns it; it is shown once, only its hash is kept. Throws `limit_exceeded`, `bad_request`. */
  async create(userId: string, label: string): Promise<{ token: string; view: TokenView }> {
    if (label.length === 0 || label.length > tokenLimits.labelChars)
      throw new PlatformError('bad_request', `a label has 1 to ${tokenLimits.labelChars} characters`);
    const token = newToken(this.#randomBytes);
    const view = await this.#db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      if ((await this.#inForce(trx, userId)).length >= tokenLimits.perUser)
        throw new PlatformError('limit_exceeded', `a user has at most ${tokenLimits.perUser} tokens`, {
          hints: ['revoke one that is not used any more'],
        });
      return this.insert(trx, { userId, token, label });
    });
    return { token, view };
  }

  async list(userId: string): Promise<readonly TokenView[]> {
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

  /** Revokes a Token of a user, in force at once, on open log streams too. Throws `not_found`. */
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

  /** Returns those of `tokenIds` that are in force, whichever control has made or revoked them. */
  async inForce(tokenIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (tokenIds.length === 0) return new Set();
    const rows = await this.#db.reader
      .selectFrom('tokens')
      .select('id')
      .where('id', 'in', tokenIds)
      .where('revoked_ms', 'is', null)
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** Calls `listener` with the id of each Token that this control revokes from now on; returns how to stop that. */
  onRevoked(listener: (tokenId: string) => void): () => void {
    this.#revokedListeners.add(listener);
    return () => this.#revokedListeners.delete(listener);
  }

  /** Stores a new Token in the transaction that makes what it belongs to. */
  async insert(
    trx: Kysely<Schema>,
    options: { readonly userId: string; readonly token: string; readonly label: string },
  ): Promise<TokenView> {
    const now = this.#now();
    await this.#forgetRevoked(trx, options.userId);
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

  /** Makes room for one more. Returns the ids it revoked; tell them with `tellRevoked` after the commit. */
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

  async #forgetRevoked(trx: Kysely<Schema>, userId: string): Promise<void> {
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
  }

  /** Returns the ids of a user's Tokens in force, least recently used first. */
  async #inForce(trx: Kysely<Schema>, userId: string): Promise<readonly { id: string }[]> {
    const rows = await trx
      .selectFrom('tokens')
      .select(['id', 'created_ms', 'last_used_ms'])
      .where('user_id', '=', userId)
      .where('revoked_ms', 'is', null)
      .orderBy('created_ms')
      .orderBy('id')
      .execute();
    const lastMs = (row: (typeof rows)[number]) => row.last_used_ms ?? row.created_ms;
    return rows.sort((a, b) => lastMs(a) - lastMs(b));
  }

  /** Writes a Token's last use. Does not wait for the disk, and a failure is no reason to refuse a request. */
  async #touch(tokenId: string): Promise<void> {
    await this.#db.relaxed
      .updateTable('tokens')
      .set({ last_used_ms: this.#now() })
      .where('id', '=', tokenId)
      .execute()
      .catch(() => {});
  }
}

function toUser(row: { id: string; name: string; created_ms: number }): User {
  return { id: row.id, name: row.name, createdMs: row.created_ms };
}

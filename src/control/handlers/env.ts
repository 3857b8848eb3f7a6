/**
 * Stores environment variables of handlers and, laid over them, of their branches. Each value is sealed for the
 * handler's id, the variable's name and the branch, so that it cannot be moved to another one.
 */

import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { previewLimits } from '../../protocol/previews.ts';
import type { VariableView } from '../../protocol/views.ts';
import { type Sealer, sealedValueBytes, type VariableName, variableContext } from '../accounts/sealer.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';

export const envLimits = {
  /** Variables of one handler. Each is sent to every runner with each deployment. */
  variables: 100,
  keyChars: 128,
  /** Bytes of one value: certificates and keys fit. */
  valueBytes: 16 * KIB,
  /** All names and values of one handler. */
  totalBytes: 128 * KIB,
} as const;

export class HandlerEnv {
  readonly #db: Database;
  readonly #sealer: Sealer;
  readonly #now: () => number;

  constructor(options: HandlerEnvOptions) {
    this.#db = options.db;
    this.#sealer = options.sealer;
    this.#now = options.now;
  }

  /**
   * Returns all variables in clear, for the deploy station: the handler's, with those of a branch laid over them.
   * Throws `unavailable` when the key does not open a value.
   */
  async envOf(handlerId: HandlerId, branch = ''): Promise<Record<string, string>> {
    const rows = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed', 'branch'])
      .where('handler_id', '=', handlerId)
      .where('branch', 'in', ['', branch])
      // The empty name of the deploy branch sorts first, so a branch's values come after and win.
      .orderBy('branch')
      .orderBy('key')
      .execute();
    return Object.fromEntries(rows.map((row) => [row.key, this.#unseal({ handlerId, ...row })]));
  }

  /** Returns the variables of a branch, or of the handler itself (''). */
  async list(handlerId: HandlerId, branch = ''): Promise<readonly VariableView[]> {
    const rows = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed', 'updated_ms'])
      .where('handler_id', '=', handlerId)
      .where('branch', '=', branch)
      .orderBy('key')
      .execute();
    return rows.map((row) => this.#view(handlerId, branch, row));
  }

  /** Returns one variable. Throws `not_found`. */
  async get(handlerId: HandlerId, key: string, branch = ''): Promise<VariableView> {
    const row = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed', 'updated_ms'])
      .where('handler_id', '=', handlerId)
      .where('branch', '=', branch)
      .where('key', '=', key)
      .executeTakeFirst();
    if (row === undefined) throw unset(key);
    return this.#view(handlerId, branch, row);
  }

  /** Sets one variable, new or not. Returns its view. Throws `bad_request` (name, NUL), `limit_exceeded`. */
  async set(handlerId: HandlerId, key: string, value: string, branch = ''): Promise<VariableView> {
    checkKey(key);
    if (value.includes('\0')) throw new PlatformError('bad_request', 'a value cannot contain a NUL character');
    if (Buffer.byteLength(value) > envLimits.valueBytes)
      throw new PlatformError('limit_exceeded', `a value has at most ${envLimits.valueBytes} bytes`);
    const updatedMs = this.#now();
    const sealed = this.#seal({ handlerId, branch, key, value });
    await this.#db.transaction().execute(async (trx) => {
      await lockHandler(trx, handlerId);
      const others = await trx
        .selectFrom('handler_env')
        .select(['key', 'sealed'])
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .where('key', '!=', key)
        .execute();
      if (branch !== '') await checkBranches(trx, handlerId);
      if (others.length >= envLimits.variables)
        throw new PlatformError('limit_exceeded', `a handler has at most ${envLimits.variables} variables`);
      const bytes = others.reduce((sum, row) => sum + row.key.length + sealedValueBytes(row.sealed), 0);
      if (bytes + key.length + Buffer.byteLength(value) > envLimits.totalBytes)
        throw new PlatformError('limit_exceeded', `a handler's variables have at most ${envLimits.totalBytes} bytes`);
      await trx
        .insertInto('handler_env')
        .values({ handler_id: handlerId, branch, key, sealed, updated_ms: updatedMs })
        .onConflict((oc) => oc.columns(['handler_id', 'branch', 'key']).doUpdateSet({ sealed, updated_ms: updatedMs }))
        .execute();
    });
    return toView(key, value, updatedMs);
  }

  /** Removes one variable. Throws `not_found`. */
  async remove(handlerId: HandlerId, key: string, branch = ''): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('handler_env')
      .where('handler_id', '=', handlerId)
      .where('branch', '=', branch)
      .where('key', '=', key)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw unset(key);
  }

  /** Returns a variable's view even when the key does not open its value, so that its owner can see and replace it. */
  #view(handlerId: HandlerId, branch: string, row: { key: string; sealed: string; updated_ms: number }): VariableView {
    let value: string;
    try {
      value = this.#unseal({ handlerId, branch, ...row });
    } catch {
      return { key: row.key, bytes: sealedValueBytes(row.sealed), tail: '', updatedMs: row.updated_ms };
    }
    return toView(row.key, value, row.updated_ms);
  }

  #seal({ value, ...of }: VariableName & { value: string }): string {
    return this.#sealer.seal(variableContext(of), value);
  }

  #unseal({ sealed, ...of }: VariableName & { sealed: string }): string {
    const { key } = of;
    try {
      return this.#sealer.unseal(variableContext(of), sealed).toString('utf8');
    } catch (error) {
      throw new PlatformError('unavailable', `the variable ${key} cannot be decrypted`, {
        hints: ["the server's key file is not the one it was sealed with: restore the file, or set the variable again"],
        cause: error,
      });
    }
  }
}

/** Throws `limit_exceeded` when the branches of a handler have as many variables together as they may. */
async function checkBranches(trx: Transaction<Schema>, handlerId: HandlerId): Promise<void> {
  const { count } = await trx
    .selectFrom('handler_env')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('handler_id', '=', handlerId)
    .where('branch', '!=', '')
    .executeTakeFirstOrThrow();
  if (Number(count) >= previewLimits.variables)
    throw new PlatformError(
      'limit_exceeded',
      `the branches of a handler have at most ${previewLimits.variables} variables together`,
    );
}

export interface HandlerEnvOptions {
  readonly db: Database;
  readonly sealer: Sealer;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Throws `bad_request` unless `key` is a portable environment name (POSIX.1-2017, 8.1; lower case too). */
export function checkKey(key: string): void {
  if (key.length > envLimits.keyChars || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
    throw new PlatformError('bad_request', 'this cannot name a variable', {
      hints: [`a name has 1 to ${envLimits.keyChars} letters, digits and _, and does not begin with a digit`],
    });
}

function toView(key: string, value: string, updatedMs: number): VariableView {
  const chars = [...value];
  return {
    key,
    bytes: Buffer.byteLength(value),
    tail: chars.length >= 16 ? chars.slice(-4).join('') : '',
    updatedMs,
  };
}

function unset(key: string): PlatformError {
  return new PlatformError('not_found', `the variable ${key.slice(0, envLimits.keyChars)} is not set`);
}

/**
 * The second factor of a user: time-based codes (RFC 6238), and recovery codes for the day on which the phone is lost.
 *
 *     none --start--> waiting --confirm(code)--> in force --remove(code)--> none
 *                       ^  | start again: another secret
 *                       +--+
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { Database } from '../db/database.ts';
import { lockUser } from '../db/row-locks.ts';
import { CodeTries, codeTryLimits } from './code-tries.ts';
import type { Sealer } from './sealer.ts';
import { hashSecret, newFirstCode, type RandomBytes } from './secrets.ts';
import { base32, keyUri, stepOfCode, totpLimits } from './totp.ts';

export const secondFactorLimits = {
  /** Recovery codes made at once: enough for a few lost phones, few enough to write down. */
  recoveryCodes: 8,
} as const;

export interface SecondFactorOptions {
  readonly db: Database;
  readonly sealer: Sealer;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
}

/** Secret that a person enters into an authenticator app. Shown once. */
export interface SecondFactorSecret {
  /** The secret in base32. */
  readonly secret: string;
  /** URI for a QR code. */
  readonly uri: string;
}

export class SecondFactor {
  readonly #options: SecondFactorOptions;
  readonly #tries: CodeTries;

  constructor(options: SecondFactorOptions) {
    this.#options = options;
    this.#tries = new CodeTries(options);
  }

  /**
   * Draws a secret and stores it. Log-ins ask for codes after `confirm` has accepted one. Throws `conflict` when a
   * second factor is in force.
   */
  async start(user: { readonly id: string; readonly name: string }, issuer: string): Promise<SecondFactorSecret> {
    const { db, sealer, randomBytes } = this.#options;
    const bytes = randomBytes(totpLimits.secretBytes);
    const { numUpdatedRows } = await db
      .updateTable('users')
      .set({ totp_sealed: sealer.seal(factorPlace(user.id), bytes), totp_last_step: null })
      .where('id', '=', user.id)
      .where('totp_confirmed_ms', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw inForce();
    const secret = base32(bytes);
    return { secret, uri: keyUri({ secret, user: user.name, issuer }) };
  }

  /**
   * Puts the second factor in force with a code that proves that the user has the secret. Returns recovery codes, which
   * are shown once; each replaces one code. Throws `conflict` (not started, or already in force), `bad_request` (a
   * wrong code), `rate_limited`.
   */
  async confirm(userId: string, code: string): Promise<readonly string[]> {
    const { db, now, randomBytes } = this.#options;
    await this.#tries.take(userId);
    const codes = Array.from({ length: secondFactorLimits.recoveryCodes }, () => newFirstCode(randomBytes));
    await db.transaction().execute(async (trx) => {
      await lockUser(trx, userId);
      const row = await trx.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirstOrThrow();
      if (row.totp_confirmed_ms !== null) throw inForce();
      const step = this.#stepOf(row, code);
      if (step === null) throw wrongCode();
      await trx
        .updateTable('users')
        .set((eb) => ({
          totp_confirmed_ms: now(),
          totp_last_step: step,
          credential_epoch: eb('credential_epoch', '+', 1),
          // Gives the try back here: a statement after the commit that fails would lose the recovery codes.
          totp_tries_until_ms: eb('totp_tries_until_ms', '-', codeTryLimits.everyMs),
        }))
        .where('id', '=', userId)
        .execute();
      await trx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
      await trx
        .insertInto('recovery_codes')
        .values(codes.map((text) => ({ user_id: userId, hash: hashSecret(text) })))
        .execute();
    });
    return codes;
  }

  /** Removes the second factor. `code` proves that the user asks. Throws as `confirm` does. */
  async remove(userId: string, code: string): Promise<void> {
    const { db } = this.#options;
    const row = await db.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirstOrThrow();
    if (row.totp_confirmed_ms === null) throw new PlatformError('conflict', 'this account has no second factor');
    if (!(await this.accepts(row, code))) throw wrongCode();
    await this.clear(userId);
  }

  /**
   * Removes the second factor without a code: for administrators who help a user that has lost phone and recovery
   * codes.
   */
  async clear(userId: string): Promise<void> {
    await this.#options.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
      await trx
        .updateTable('users')
        .set((eb) => ({
          ...{ totp_sealed: null, totp_confirmed_ms: null, totp_last_step: null },
          credential_epoch: eb('credential_epoch', '+', 1),
        }))
        .where('id', '=', userId)
        .execute();
    });
  }

  /**
   * Returns whether `code` is right, and uses it up. `code`: a code of the app or a recovery code; each is accepted
   * once. Throws `rate_limited`, whether or not the code is right, after too many wrong ones.
   */
  async accepts(
    row: { readonly id: string; readonly totp_sealed: string | null; readonly totp_last_step: number | null },
    code: string,
  ): Promise<boolean> {
    await this.#tries.take(row.id);
    const isRight = await this.#useUp(row, code);
    // The code is used up: a failure here must not refuse the log-in, whose recovery code would be lost. The try is
    // forgotten after codeTryLimits.everyMs.
    if (isRight) await this.#tries.giveBack(row.id).catch(() => {});
    return isRight;
  }

  async #useUp(row: Parameters<SecondFactor['accepts']>[0], code: string): Promise<boolean> {
    const { db } = this.#options;
    const text = code.trim().toLowerCase();
    if (text.length > 100) return false;
    const step = this.#stepOf(row, text.replaceAll(' ', ''));
    if (step !== null) {
      // Two log-ins with the same code may come at the same time, on two controls.
      const { numUpdatedRows } = await db
        .updateTable('users')
        .set({ totp_last_step: step })
        .where('id', '=', row.id)
        .where((eb) => eb.or([eb('totp_last_step', 'is', null), eb('totp_last_step', '<', step)]))
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    }
    const { numDeletedRows } = await db
      .deleteFrom('recovery_codes')
      .where('user_id', '=', row.id)
      .where('hash', '=', hashSecret(text))
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /**
   * Returns the time step whose code is `code` (totp.ts), after the last one used; null: none. Throws `conflict`
   * without a secret, `unavailable` when the secret cannot be unsealed.
   */
  #stepOf(
    row: { readonly id: string; readonly totp_sealed: string | null; readonly totp_last_step: number | null },
    code: string,
  ): number | null {
    if (row.totp_sealed === null)
      throw new PlatformError('conflict', 'this account has no second factor that waits for a code', {
        hints: ['begin with: wasmcloud account totp'],
      });
    let secret: Buffer;
    try {
      secret = this.#options.sealer.unseal(factorPlace(row.id), row.totp_sealed);
    } catch (cause) {
      throw new PlatformError('unavailable', 'the second factor cannot be checked: the key of the server has changed', {
        hints: ['an administrator can restore the key file, or take the second factor away'],
        cause,
      });
    }
    return stepOfCode(secret, code, { ms: this.#options.now(), afterStep: row.totp_last_step ?? -1 });
  }
}

/** Returns the place of a user's sealed secret. No handler's id begins like it. */
export function factorPlace(userId: string): readonly string[] {
  return ['totp', userId];
}

function inForce(): PlatformError {
  return new PlatformError('conflict', 'the second factor of this account is in force already', {
    hints: ['take it away first: wasmcloud account totp --remove'],
  });
}

function wrongCode(): PlatformError {
  return new PlatformError('bad_request', 'this code is wrong or has been used', {
    hints: ['wait for the next code of the app; its clock must be right'],
  });
}

/**
 * A handler's environment variables, encrypted at rest: AES-256-GCM, one random 96-bit nonce per value,
 * the handler's id and the variable's name as associated data, so that a sealed value cannot be moved
 * to another handler or another name (NIST SP 800-38D, 5.2.1.2 and 8.2.2).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import type { RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';

export const envLimits = {
  /** Variables of one handler; each is sent to every runner with each deployment. */
  variables: 100,
  keyChars: 128,
  /** One value: certificates and keys fit. */
  valueBytes: 16 * KIB,
  /** All names and values of one handler. */
  totalBytes: 128 * KIB,
} as const;

/** A variable as the API tells of it; never its whole value. */
export interface EnvView {
  readonly key: string;
  readonly bytes: number;
  /** The last 4 characters of values of at least 16, to tell two keys apart; else ''. */
  readonly tail: string;
  readonly updatedMs: number;
}

const format = 1;
const nonceBytes = 12;
const tagBytes = 16;

export class HandlerEnv {
  readonly #db: Database;
  readonly #key: Uint8Array;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;

  private constructor(options: HandlerEnvOptions, key: Uint8Array) {
    this.#db = options.db;
    this.#key = key;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
  }

  /** Reads the key file, or makes it at first start. Throws `unavailable` when it is damaged or too open. */
  static async open(options: HandlerEnvOptions): Promise<HandlerEnv> {
    const key = await readKey(options.keyFile);
    if (key !== null) return new HandlerEnv(options, key);
    const sealed = await options.db.selectFrom('handler_env').select('key').limit(1).executeTakeFirst();
    // A fresh key would make the loss look like damage of each variable, and the old file hard to put back.
    if (sealed !== undefined)
      throw new PlatformError('unavailable', `the key file ${options.keyFile} is missing, and variables are sealed`, {
        hints: [
          'restore it from a backup',
          `or give the values up: (umask 077; openssl rand -hex 32 > ${options.keyFile}), then set them again`,
        ],
      });
    return new HandlerEnv(options, await makeKey(options));
  }

  /** Returns all variables of a handler in clear, for the deploy station. Throws `unavailable` when the key does not fit. */
  async envOf(handlerId: string): Promise<Record<string, string>> {
    const rows = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed'])
      .where('handler_id', '=', handlerId)
      .orderBy('key')
      .execute();
    return Object.fromEntries(rows.map(({ key, sealed }) => [key, this.#unseal({ handlerId, key, sealed })]));
  }

  async list(handlerId: string): Promise<readonly EnvView[]> {
    const rows = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed', 'updated_ms'])
      .where('handler_id', '=', handlerId)
      .orderBy('key')
      .execute();
    return rows.map((row) => this.#view(handlerId, row));
  }

  /** Throws `not_found`. */
  async get(handlerId: string, key: string): Promise<EnvView> {
    const row = await this.#db
      .selectFrom('handler_env')
      .select(['key', 'sealed', 'updated_ms'])
      .where('handler_id', '=', handlerId)
      .where('key', '=', key)
      .executeTakeFirst();
    if (row === undefined) throw unset(key);
    return this.#view(handlerId, row);
  }

  /** Sets one variable, new or not. Returns its view. Throws `bad_request` (name, NUL), `limit_exceeded`. */
  async set(handlerId: string, key: string, value: string): Promise<EnvView> {
    checkKey(key);
    if (value.includes('\0')) throw new PlatformError('bad_request', 'a value cannot contain a NUL character');
    if (Buffer.byteLength(value) > envLimits.valueBytes)
      throw new PlatformError('limit_exceeded', `a value has at most ${envLimits.valueBytes} bytes`);
    const updatedMs = this.#now();
    const sealed = this.#seal({ handlerId, key, value });
    await this.#db.transaction().execute(async (trx) => {
      await lockHandler(trx, handlerId);
      const others = await trx
        .selectFrom('handler_env')
        .select(['key', 'sealed'])
        .where('handler_id', '=', handlerId)
        .where('key', '!=', key)
        .execute();
      if (others.length >= envLimits.variables)
        throw new PlatformError('limit_exceeded', `a handler has at most ${envLimits.variables} variables`);
      const bytes = others.reduce((sum, row) => sum + row.key.length + sealedValueBytes(row.sealed), 0);
      if (bytes + key.length + Buffer.byteLength(value) > envLimits.totalBytes)
        throw new PlatformError('limit_exceeded', `a handler's variables have at most ${envLimits.totalBytes} bytes`);
      await trx
        .insertInto('handler_env')
        .values({ handler_id: handlerId, key, sealed, updated_ms: updatedMs })
        .onConflict((oc) => oc.columns(['handler_id', 'key']).doUpdateSet({ sealed, updated_ms: updatedMs }))
        .execute();
    });
    return toView(key, value, updatedMs);
  }

  /** Throws `not_found`. */
  async remove(handlerId: string, key: string): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('handler_env')
      .where('handler_id', '=', handlerId)
      .where('key', '=', key)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw unset(key);
  }

  /** Returns a variable's view, also where the key does not fit its value: its owner can then see and replace it. */
  #view(handlerId: string, row: { key: string; sealed: string; updated_ms: number }): EnvView {
    let value: string;
    try {
      value = this.#unseal({ handlerId, ...row });
    } catch {
      return { key: row.key, bytes: sealedValueBytes(row.sealed), tail: '', updatedMs: row.updated_ms };
    }
    return toView(row.key, value, row.updated_ms);
  }

  #seal(options: { handlerId: string; key: string; value: string }): string {
    const nonce = this.#randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(associated(options));
    const sealed = Buffer.concat([cipher.update(options.value, 'utf8'), cipher.final()]);
    return Buffer.concat([Uint8Array.of(format), nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  #unseal(options: { handlerId: string; key: string; sealed: string }): string {
    const bytes = Buffer.from(options.sealed, 'base64');
    try {
      if (bytes[0] !== format) throw new Error(`unknown format ${bytes[0]}`);
      const nonce = bytes.subarray(1, 1 + nonceBytes);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(associated(options));
      decipher.setAuthTag(bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes));
      const clear = decipher.update(bytes.subarray(1 + nonceBytes + tagBytes));
      return Buffer.concat([clear, decipher.final()]).toString('utf8');
    } catch (error) {
      throw new PlatformError('unavailable', `the variable ${options.key} cannot be decrypted`, {
        hints: ["the server's key file is not the one it was sealed with: restore the file, or set the variable again"],
        cause: error,
      });
    }
  }
}

export interface HandlerEnvOptions {
  readonly db: Database;
  /** In the data folder; made with mode 0600 when missing. */
  readonly keyFile: string;
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
}

/** Throws `bad_request` unless `key` is a portable environment name (POSIX.1-2017, 8.1; lower case too). */
export function checkKey(key: string): void {
  if (key.length > envLimits.keyChars || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
    throw new PlatformError('bad_request', 'this cannot name a variable', {
      hints: [`a name has 1 to ${envLimits.keyChars} letters, digits and _, and does not begin with a digit`],
    });
}

async function readKey(file: string): Promise<Uint8Array | null> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0)
      throw new PlatformError('unavailable', `others can read the key file ${file}`, {
        hints: [`chmod 600 ${file}`],
      });
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new PlatformError('unavailable', `the key file ${file} is damaged`, {
      hints: ['restore it from a backup; without it the sealed variables are lost'],
    });
  return Buffer.from(text.trim(), 'hex');
}

/** Makes the key file: written beside it, synced and renamed, so that a crash leaves no key file or a whole one. */
async function makeKey(options: HandlerEnvOptions): Promise<Uint8Array> {
  const key = options.randomBytes(32);
  const draft = `${options.keyFile}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${Buffer.from(key).toString('hex')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, options.keyFile);
  const folder = await open(dirname(options.keyFile), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return key;
}

function associated({ handlerId, key }: { handlerId: string; key: string }): Buffer {
  return Buffer.from(`${handlerId}\0${key}`);
}

function sealedValueBytes(sealed: string): number {
  return Buffer.byteLength(sealed, 'base64') - 1 - nonceBytes - tagBytes;
}

function toView(key: string, value: string, updatedMs: number): EnvView {
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

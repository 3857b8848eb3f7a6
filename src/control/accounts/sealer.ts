/**
 * Seals small secrets for the database with AES-256-GCM under the server's key, with one random 96-bit nonce per value.
 * The place where the value belongs is the associated data, so that a sealed value cannot be moved to another place
 * (NIST SP 800-38D, 5.2.1.2 and 8.2.2).
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import type { RandomBytes } from './secrets.ts';

/**
 * Columns with sealed values that are lost with the key. Columns whose sealed values control makes again (kept answers,
 * the feed of Releases) are not among them.
 */
export const sealedColumns = [
  { table: 'handler_env', column: 'sealed' },
  { table: 'drains', column: 'sealed' },
  { table: 'users', column: 'totp_sealed' },
] as const;

/** Table that has a column of `sealedColumns`. */
export type SealedTable = (typeof sealedColumns)[number]['table'];

const format = 1;
const nonceBytes = 12;
const tagBytes = 16;

export interface SealerOptions {
  readonly db: Database;
  /** Path of the key file in the data folder; created with mode 0600 when it is missing. */
  readonly keyFile: string;
  readonly randomBytes: RandomBytes;
}

export class Sealer {
  readonly #key: Uint8Array;
  readonly #randomBytes: RandomBytes;

  private constructor(key: Uint8Array, randomBytes: RandomBytes) {
    this.#key = key;
    this.#randomBytes = randomBytes;
  }

  /**
   * Reads the key file, or creates it at the first start. Throws `unavailable` when it is damaged, readable by others,
   * or lost.
   */
  static async open(options: SealerOptions): Promise<Sealer> {
    const key = await readKey(options.keyFile);
    if (key !== null) return new Sealer(key, options.randomBytes);
    // Refuses to create a new key while sealed values exist: each value would then look damaged, and the old file would
    // be hard to put back.
    if (await anySealed(options.db))
      throw new PlatformError(
        'unavailable',
        `the key file ${options.keyFile} is missing, and values are sealed with it`,
        {
          hints: [
            'restore it from a backup',
            `or give the values up: (umask 077; openssl rand -hex 32 > ${options.keyFile}), then set variables and drains again, and take second factors away`,
          ],
        },
      );
    return new Sealer(await makeKey(options), options.randomBytes);
  }

  /** Reads the key file without checking its mode; null when there is none. Throws `unavailable` when it is damaged. */
  static async openExisting(keyFile: string): Promise<Sealer | null> {
    const key = await readKey(keyFile, { anyMode: true });
    return key === null ? null : new Sealer(key, randomBytes);
  }

  /** Returns `value` sealed for `place`, in base64. `place`: names without NUL, for example a table's key. */
  seal(place: readonly string[], value: string | Uint8Array): string {
    const nonce = this.#randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(Buffer.from(place.join('\0')));
    const sealed = Buffer.concat([cipher.update(value), cipher.final()]);
    return Buffer.concat([Uint8Array.of(format), nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /**
   * Returns the value that was sealed for `place`. Throws Error when key, place or bytes differ from those of `seal`.
   */
  unseal(place: readonly string[], text: string): Buffer {
    const bytes = Buffer.from(text, 'base64');
    if (bytes[0] !== format) throw new Error(`unknown format ${bytes[0]}`);
    const nonce = bytes.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(place.join('\0')));
    decipher.setAuthTag(bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes));
    const clear = decipher.update(bytes.subarray(1 + nonceBytes + tagBytes));
    return Buffer.concat([clear, decipher.final()]);
  }
}

/** Returns the number of bytes of the value that was sealed. */
export function sealedValueBytes(sealed: string): number {
  return Buffer.byteLength(sealed, 'base64') - 1 - nonceBytes - tagBytes;
}

async function anySealed(db: Database): Promise<boolean> {
  for (const { table, column } of sealedColumns) {
    const found = sql`select 1 from ${sql.table(table)} where ${sql.ref(column)} is not null limit 1`;
    if ((await found.execute(db)).rows.length > 0) return true;
  }
  return false;
}

async function readKey(
  file: string,
  { anyMode }: { readonly anyMode: boolean } = { anyMode: false },
): Promise<Uint8Array | null> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if (!anyMode && (mode & 0o077) !== 0)
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
      hints: ['restore it from a backup; without it the sealed variables, drains and second factors are lost'],
    });
  return Buffer.from(text.trim(), 'hex');
}

/**
 * Creates the key file through a temporary file that is synced and renamed: after a crash it is either absent or whole.
 */
async function makeKey(options: SealerOptions): Promise<Uint8Array> {
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

/** Names a variable whose value is sealed. */
export interface VariableName {
  readonly handlerId: HandlerId;
  /** Branch of a preview; '': the variable belongs to the handler itself. */
  readonly branch: string;
  readonly key: string;
}

/**
 * Returns the place that a variable's value is sealed for. Values of handlers have no branch in it: they were sealed
 * before branches had variables.
 */
export function variableContext({ handlerId, branch, key }: VariableName): string[] {
  return branch === '' ? [handlerId, key] : [handlerId, key, branch];
}

/** Hashes and verifies passwords with argon2id (RFC 9106), a bounded number at the same time. */
import { argon2, timingSafeEqual } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import { Semaphore } from '../../waiting/semaphore.ts';

/** Cost of a hash, as RFC 9106 (3.1) defines it: memory, number of passes over it, number of lanes. */
export interface PasswordCost {
  /** Memory in KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Cost of each hash: OWASP's recommendation for argon2id with 19 MiB, about 50 ms. */
const defaultCost: PasswordCost = { memory: 19_456, passes: 2, parallelism: 1 };

export const passwordLimits = {
  charsMin: 8,
  /** Bytes of a password. Hashing takes time linear in them, and no real password is longer. */
  bytesMax: 1024,
  /**
   * Hashes at the same time: two of libuv's four threads, so that files and the database go on during a flood of
   * log-ins.
   */
  concurrent: 2,
  /** Hashes that wait for their turn: 100 x 50 ms / 2 is 2.5 s. Further ones are refused with 503. */
  waiting: 100,
  saltBytes: 16,
  tagBytes: 32,
} as const;

/** Throws `bad_request` that names the broken rule. The message never contains the password. */
export function checkPassword(password: string): void {
  if ([...password].length < passwordLimits.charsMin)
    throw new PlatformError('bad_request', `a password has at least ${passwordLimits.charsMin} characters`);
  if (Buffer.byteLength(password) > passwordLimits.bytesMax)
    throw new PlatformError('bad_request', `a password has at most ${passwordLimits.bytesMax} bytes`);
}

export class Passwords {
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #cost: PasswordCost;
  readonly #turns = new Semaphore({
    running: passwordLimits.concurrent,
    waiting: passwordLimits.waiting,
    full: () => new PlatformError('overloaded', 'too many logins at once, try again shortly', { retryAfterSeconds: 3 }),
  });
  #decoy: Promise<string> | null = null;

  constructor(options: {
    readonly randomBytes: (size: number) => Uint8Array;
    readonly cost?: PasswordCost | undefined;
  }) {
    this.#randomBytes = options.randomBytes;
    this.#cost = options.cost ?? defaultCost;
  }

  /** Returns `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH` (the PHC string format). Throws `overloaded`. */
  async hash(password: string): Promise<string> {
    const salt = this.#randomBytes(passwordLimits.saltBytes);
    const { memory, passes, parallelism } = this.#cost;
    const tag = await this.#derive(password, salt, { ...this.#cost, tagLength: passwordLimits.tagBytes });
    return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
  }

  /**
   * Returns whether `password` belongs to `hash`. Without a hash (no such user) it verifies against a decoy, so that
   * the answer takes as long and names cannot be probed. Throws `overloaded`.
   */
  async verify(password: string, hash: string | null): Promise<boolean> {
    this.#decoy ??= this.hash('no such user').catch((error: unknown) => {
      this.#decoy = null;
      throw error;
    });
    const decoy = await this.#decoy;
    const parts = parse(hash ?? decoy);
    const tag = await this.#derive(password, parts.salt, { ...parts.cost, tagLength: parts.tag.length });
    return timingSafeEqual(tag, parts.tag) && hash !== null;
  }

  #derive(password: string, salt: Uint8Array, how: Cost): Promise<Buffer> {
    return this.#turns.run(() => derive(password, salt, how));
  }
}

interface Cost extends PasswordCost {
  /** Bytes of the hash. */
  readonly tagLength: number;
}

function derive(password: string, salt: Uint8Array, how: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // NFKC: the same password may arrive in another form from another keyboard (RFC 8265, 4.2).
    const message = Buffer.from(password.normalize('NFKC'));
    argon2('argon2id', { message, nonce: salt, ...how }, (error, tag) =>
      error === null ? resolve(Buffer.from(tag)) : reject(error),
    );
  });
}

function parse(hash: string): { cost: PasswordCost; salt: Buffer; tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hash);
  if (match === null) throw new Error('a stored password hash is not in the argon2id format');
  const [, memory, passes, parallelism, salt, tag] = match;
  return {
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt!, 'base64'), // group of the match
    tag: Buffer.from(tag!, 'base64'), // group of the match
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '');
}

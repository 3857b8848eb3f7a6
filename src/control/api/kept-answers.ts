/**
 * Makes a POST with an Idempotency-Key happen once (draft-ietf-httpapi-idempotency-key-header-07): keeps the answer,
 * and returns it to a second request with the key.
 *
 *     none --claim--> running --succeeded--> kept --24 h--> none
 *                        |
 *                        +--failed, or not ended 5 minutes later--> none
 */
import { createHash } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import type { Sealer } from '../accounts/sealer.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';

export const keptAnswerLimits = {
  /** Most characters of a key: a UUID has 36. */
  keyChars: 200,
  /** Milliseconds that an answer is kept. */
  keptMs: 24 * 60 * 60_000,
  /**
   * Milliseconds after which a request that has not ended counts as lost with its control, so that the next request
   * with its key runs. No operation takes nearly as long.
   */
  runningMs: 5 * 60_000,
  /** Most keys of one user that are kept: one every 90 seconds, day and night. */
  keys: 1_000,
  /** Most bytes of the answers kept for one user. A usual answer has less than 1 KiB. */
  bytes: 4 * MIB,
} as const;

export interface KeyedRequest {
  readonly userId: string;
  /** Key, as `readKey` returns it. */
  readonly key: string;
  /** Parts that identify the request. A second request with the key must have the same parts. */
  readonly request: { readonly [part: string]: unknown };
}

export interface KeptAnswersOptions {
  readonly db: Database;
  /** Seals kept answers, which may hold a Token or an invite: no other table holds these in clear. */
  readonly sealer: Sealer;
  /** Returns Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Called when an answer could not be kept: a second request with its key runs again. */
  readonly report: (message: string, error: unknown) => void;
}

export class KeptAnswers {
  readonly #options: KeptAnswersOptions;

  constructor(options: KeptAnswersOptions) {
    this.#options = options;
  }

  /**
   * Calls `run` and keeps its result, a JSON value, or returns the result that an earlier call with the key has kept. A
   * rejection of `run` is not kept: the next request with the key runs. Throws `idempotency_key_reused` if the earlier
   * request was a different one, `idempotency_key_in_use` if it has not ended, `rate_limited`.
   */
  async once<T>(keyed: KeyedRequest, run: () => Promise<T>): Promise<{ readonly result: T; readonly isKept: boolean }> {
    const claim = await this.#claim(keyed);
    if ('answer' in claim) return { result: this.#unseal(keyed, claim.answer), isKept: true };
    let result: T;
    try {
      result = await run();
    } catch (error) {
      await this.#release(keyed, claim.id).catch((cause) => this.#report('a key could not be released', cause));
      throw error;
    }
    // Returns the result even if it cannot be kept, so that the caller need not ask again.
    await this.#keep(keyed, claim.id, result).catch((cause) => this.#report('an answer could not be kept', cause));
    return { result, isKept: false };
  }

  /** Removes expired keys. */
  async prune(): Promise<void> {
    const { db, now } = this.#options;
    await db
      .deleteFrom('kept_answers')
      .where('claimed_ms', '<=', now() - keptAnswerLimits.keptMs)
      .execute();
  }

  /** Claims the key for this request, or returns the sealed answer to the earlier request with the key. */
  async #claim(keyed: KeyedRequest): Promise<{ readonly id: string } | { readonly answer: string }> {
    const { db, now, randomBytes } = this.#options;
    const { userId, key } = keyed;
    const fingerprint = fingerprintOf(keyed);
    for (;;) {
      const nowMs = now();
      const oldestMs = nowMs - keptAnswerLimits.keptMs;
      const row = await db
        .selectFrom('kept_answers')
        .select(['fingerprint', 'answer', 'claimed_ms'])
        .where('user_id', '=', userId)
        .where('key', '=', key)
        .where('claimed_ms', '>', oldestMs)
        .executeTakeFirst();
      if (row !== undefined) {
        if (row.fingerprint !== fingerprint) throw reused();
        if (row.answer !== null) return { answer: row.answer };
        if (row.claimed_ms > nowMs - keptAnswerLimits.runningMs) throw inUse();
      } else await this.#checkRoom(userId, oldestMs);
      const id = newId('k', randomBytes);
      const claimed = { fingerprint, claim: id, claimed_ms: nowMs, answer: null, bytes: 0 };
      // Of two simultaneous requests, one finds the other's row and reads it again.
      const taken = await db
        .insertInto('kept_answers')
        .values({ user_id: userId, key, ...claimed })
        .onConflict((conflict) =>
          conflict
            .columns(['user_id', 'key'])
            .doUpdateSet(claimed)
            .where((eb) =>
              eb.or([
                eb('kept_answers.claimed_ms', '<=', oldestMs),
                eb.and([
                  eb('kept_answers.answer', 'is', null),
                  eb('kept_answers.claimed_ms', '<=', nowMs - keptAnswerLimits.runningMs),
                ]),
              ]),
            ),
        )
        .returning('claim')
        .executeTakeFirst();
      if (taken !== undefined) return { id };
    }
  }

  async #checkRoom(userId: string, oldestMs: number): Promise<void> {
    const { keys, bytes } = await this.#options.db
      .selectFrom('kept_answers')
      .select(({ fn }) => [fn.countAll<number>().as('keys'), fn.sum<number | null>('bytes').as('bytes')])
      .where('user_id', '=', userId)
      .where('claimed_ms', '>', oldestMs)
      .executeTakeFirstOrThrow();
    if (Number(keys) < keptAnswerLimits.keys && Number(bytes ?? 0) < keptAnswerLimits.bytes) return;
    throw new PlatformError('rate_limited', `at most ${keptAnswerLimits.keys} requests a day with an Idempotency-Key`, {
      hints: ['the same request without the header is done, each time that it is sent'],
      retryAfterSeconds: 3_600,
    });
  }

  async #keep(keyed: KeyedRequest, claim: string, result: unknown): Promise<void> {
    // `result` is undefined for an operation without an answer.
    const answer = this.#options.sealer.seal(placeOf(keyed), JSON.stringify(result ?? null));
    await this.#options.db
      .updateTable('kept_answers')
      .set({ answer, bytes: answer.length })
      .where('user_id', '=', keyed.userId)
      .where('key', '=', keyed.key)
      .where('claim', '=', claim)
      .execute();
  }

  async #release({ userId, key }: KeyedRequest, claim: string): Promise<void> {
    await this.#options.db
      .deleteFrom('kept_answers')
      .where('user_id', '=', userId)
      .where('key', '=', key)
      .where('claim', '=', claim)
      .execute();
  }

  #unseal(keyed: KeyedRequest, answer: string) {
    try {
      return JSON.parse(this.#options.sealer.unseal(placeOf(keyed), answer).toString('utf8'));
    } catch (cause) {
      throw new PlatformError('conflict', 'the request was done, and the key that its answer is sealed with is gone', {
        cause,
      });
    }
  }

  #report(message: string, error: unknown): void {
    this.#options.report(message, error);
  }
}

/**
 * Returns the key in a header field: a String of RFC 8941 (`"…"`), as the draft requires, or the bare characters that
 * most clients send. Throws `bad_request`.
 */
export function readKey(field: string): string {
  const quoted = /^"((?:[ !#-[\]-~]|\\["\\])+)"$/.exec(field)?.[1]?.replaceAll(/\\(.)/g, '$1');
  const key = quoted ?? (/^[!#-+\--~]+$/.test(field) ? field : '');
  if (key !== '' && key.length <= keptAnswerLimits.keyChars) return key;
  throw new PlatformError('bad_request', 'this is no Idempotency-Key', {
    hints: [`1 to ${keptAnswerLimits.keyChars} characters of ASCII, such as a UUID`],
  });
}

function fingerprintOf({ request }: KeyedRequest): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex');
}

function placeOf({ userId, key }: KeyedRequest): readonly string[] {
  return ['kept_answers', userId, key];
}

function reused(): PlatformError {
  return new PlatformError('idempotency_key_reused', 'this Idempotency-Key came with another request', {
    hints: ['a key belongs to one request and to one Token; make a new one for this request'],
  });
}

function inUse(): PlatformError {
  return new PlatformError('idempotency_key_in_use', 'the request with this Idempotency-Key has not ended', {
    hints: ['send it again a moment later: then it is answered as the first one'],
    retryAfterSeconds: 1,
  });
}

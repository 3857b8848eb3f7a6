/** Limits attempts per key with token buckets, in memory, in a table of bounded size. */
import { isIP } from 'node:net';
import { PlatformError } from '../../protocol/errors.ts';

export interface RateLimit {
  /** Attempts allowed at once. */
  readonly burst: number;
  /** Milliseconds after which one more attempt is allowed. */
  readonly everyMs: number;
  /** Number of keys remembered. An attacker who uses more keys pushes out the oldest ones. */
  readonly keys: number;
}

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #now: () => number;
  /** Buckets by key, least recently used first. `spent` counts attempts as of the time `atMs`. */
  readonly #buckets = new Map<string, { spent: number; atMs: number }>();

  /** Makes an empty limiter. `now`: clock in milliseconds; a clock that jumps back counts as standing still. */
  constructor(limit: RateLimit, now: () => number) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Counts one attempt. Throws `rate_limited` with the seconds to wait. */
  take(key: string, what: string): void {
    const spent = this.#spent(key);
    if (spent + 1 > this.#limit.burst) {
      this.#keep(key, spent);
      const retryAfterSeconds = Math.max(1, Math.ceil(((spent + 1 - this.#limit.burst) * this.#limit.everyMs) / 1000));
      throw new PlatformError('rate_limited', `too many ${what}, try again in ${retryAfterSeconds} s`, {
        retryAfterSeconds,
      });
    }
    this.#keep(key, spent + 1);
  }

  /** Takes one counted attempt back, after a success. */
  giveBack(key: string): void {
    this.#keep(key, Math.max(0, this.#spent(key) - 1));
  }

  /** Number of keys with spent attempts. */
  get size(): number {
    return this.#buckets.size;
  }

  #spent(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.spent - Math.max(0, this.#now() - bucket.atMs) / this.#limit.everyMs);
  }

  #keep(key: string, spent: number): void {
    this.#buckets.delete(key);
    if (spent <= 0) return;
    this.#buckets.set(key, { spent, atMs: this.#now() });
    if (this.#buckets.size > this.#limit.keys) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
  }
}

/**
 * Returns the key under which an address is counted; one household has one key. IPv6 addresses share a key per /64, the
 * smallest network of a customer. Mapped IPv4 counts as IPv4. All texts that are no address (a proxy's header may hold
 * any text) share one key.
 */
export function addressKey(address: string): string {
  if (isIP(address) === 0) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*/s, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length;
    while (groups.length + after < 8) groups.push('0');
    if (tail !== '') groups.push(...tail.split(':'));
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

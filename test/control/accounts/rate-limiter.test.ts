import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressKey, RateLimiter } from '../../../src/control/accounts/rate-limiter.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

function allowed(limiter: RateLimiter, key: string): boolean {
  try {
    limiter.take(key, 'tries');
    return true;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'rate_limited') return false;
    throw error;
  }
}

test('after the burst one attempt per period, by key', () => {
  let now = 0;
  const limiter = new RateLimiter({ burst: 3, everyMs: 1_000, keys: 10 }, () => now);
  expect([1, 2, 3, 4].map(() => allowed(limiter, 'a'))).toEqual([true, true, true, false]);
  expect(allowed(limiter, 'b')).toBe(true);
  now = 999;
  expect(allowed(limiter, 'a')).toBe(false);
  now = 1_000;
  expect([1, 2].map(() => allowed(limiter, 'a'))).toEqual([true, false]);
});

test('retry-after is long enough', () => {
  let now = 0;
  const limiter = new RateLimiter({ burst: 1, everyMs: 2_500, keys: 10 }, () => now);
  limiter.take('a', 'tries');
  try {
    limiter.take('a', 'tries');
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ retryAfterSeconds: 3, status: 429 });
    now += (error as PlatformError).retryAfterSeconds! * 1_000;
  }
  expect(allowed(limiter, 'a')).toBe(true);
});

test('the table is bounded; the least recently used key goes first', () => {
  const limiter = new RateLimiter({ burst: 1, everyMs: 1_000, keys: 100 }, () => 0);
  limiter.take('kept', 'tries');
  for (let i = 0; i < 10_000; i += 1) {
    allowed(limiter, `k${i}`);
    if (i % 50 === 0) allowed(limiter, 'kept');
  }
  expect(limiter.size).toBe(100);
  expect(allowed(limiter, 'kept')).toBe(false);
  expect(allowed(limiter, 'k0')).toBe(true);
});

test('a clock that jumps back for an hour neither locks out nor lets through', () => {
  let now = 10_000_000;
  const limiter = new RateLimiter({ burst: 1, everyMs: 1_000, keys: 10 }, () => now);
  expect(allowed(limiter, 'a')).toBe(true);
  now -= 3_600_000;
  expect(allowed(limiter, 'a')).toBe(false);
  now += 1_000;
  expect(allowed(limiter, 'a')).toBe(true);
});

test('property: never more than burst + elapsed / period', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(fc.nat(700), { maxLength: 60 }),
      (burst, everyMs, gaps) => {
        let now = 0;
        let passed = 0;
        const limiter = new RateLimiter({ burst, everyMs, keys: 5 }, () => now);
        for (const gap of gaps) {
          now += gap;
          if (allowed(limiter, 'a')) passed += 1;
          expect(passed).toBeLessThanOrEqual(burst + now / everyMs + 1e-6);
        }
      },
    ),
    { verbose: 1 },
  );
});

test('addresses of one household are one key', () => {
  expect(addressKey('192.0.2.1')).toBe('192.0.2.1');
  expect(addressKey('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(addressKey('::FFFF:192.0.2.1')).toBe('192.0.2.1');
  expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(addressKey('2001:0db8:1:2::9')).toBe('2001:db8:1:2::/64');
  expect(addressKey('2001:db8::')).toBe('2001:db8:0:0::/64');
  expect(addressKey('::1')).toBe('0:0:0:0::/64');
  for (const garbage of ['', 'x'.repeat(10_000), '1.2.3', '1.2.3.4, 5.6.7.8', ':::'])
    expect(addressKey(garbage)).toBe('unknown');
  expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
});

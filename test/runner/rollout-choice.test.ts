import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { rolloutCookie, rolloutLimits } from '../../src/protocol/rollouts.ts';
import { chooseVersion, getsNewVersion } from '../../src/runner/rollout-choice.ts';

const rollout = { id: 'g1', specId: 's', percent: 10, header: 'x-user' } as const;
const where = { address: { scriptName: '' }, isHttps: false };
const choose = (headers: Readonly<Record<string, string>>, of = rollout as typeof rollout | { percent: number }) =>
  chooseVersion({ ...rollout, ...of }, { headers }, where);

/** Pearson's statistic of two classes: above 40 once in 10^9 runs where the shares are exact. */
function chiSquare(got: number, all: number, share: number): number {
  const expected = all * share;
  return (got - expected) ** 2 / expected + (got - expected) ** 2 / (all - expected);
}

describe('a gradual release', () => {
  it.each([1, 10, 50, 99])('gives %i percent of the callers the new version, drawn or by header', (percent) => {
    const all = 20_000;
    const of = { percent };
    const counted = (headers: () => Readonly<Record<string, string>>) =>
      Array.from({ length: all }, () => getsNewVersion(choose(headers(), of).bucket, { ...rollout, ...of })).filter(
        (isNew) => isNew,
      ).length;
    expect(
      chiSquare(
        counted(() => ({})),
        all,
        percent / 100,
      ),
    ).toBeLessThan(40);
    const users = () => ({ 'x-user': randomBytes(8).toString('hex') });
    expect(chiSquare(counted(users), all, percent / 100)).toBeLessThan(40);
  });

  it('keeps a caller by the cookie of the first answer, and by the header before the cookie', () => {
    const first = choose({});
    const value = first.cookie!.split(';')[0]!;
    expect(first.cookie).toMatch(/^trisiel-release=g1\.\d+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    expect(choose({ cookie: `a=b; ${value}; c=d` })).toEqual({ bucket: first.bucket, cookie: null });
    const told = choose({ 'x-user': 'ada', cookie: value });
    expect(told).toEqual({ bucket: choose({ 'x-user': 'ada' }).bucket, cookie: null });
  });

  it('takes callers over when its share grows, and sends none back', () => {
    for (let bucket = 0; bucket < rolloutLimits.buckets; bucket += 1)
      for (const [less, more] of [
        [1, 2],
        [10, 50],
        [50, 99],
      ] as const)
        if (getsNewVersion(bucket, { ...rollout, percent: less }))
          expect(getsNewVersion(bucket, { ...rollout, percent: more })).toBe(true);
  });

  it.each(['g0.5', 'g1.10000', 'g1.-1', 'g1.', 'g1.x', 'g1.1e3'])('draws anew for the cookie %s', (value) => {
    expect(choose({ cookie: `${rolloutCookie}=${value}` }).cookie).not.toBeNull();
  });

  it('keeps its cookie on the path of a function without a host name, and under TLS to TLS', () => {
    const { cookie } = chooseVersion(rollout, { headers: {} }, { address: { scriptName: '/otter' }, isHttps: true });
    expect(cookie).toContain('Path=/otter;');
    expect(cookie).toMatch(/; Secure$/);
  });
});

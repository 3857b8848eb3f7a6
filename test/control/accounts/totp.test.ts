import { expect, test } from 'vitest';
import { base32, codeOf, stepAt, stepOfCode, totpLimits } from '../../../src/control/accounts/totp.ts';

const secret = Buffer.from('12345678901234567890');

test('codes are those of RFC 6238, appendix B, in 6 digits, and of RFC 4226, appendix D', () => {
  const vectors: [number, string][] = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ];
  for (const [seconds, code] of vectors) expect(codeOf(secret, stepAt(seconds * 1000)), `${seconds}`).toBe(code);
  const counted = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'];
  expect(counted.map((_, count) => codeOf(secret, count))).toEqual(counted);
});

test('base32 is that of RFC 4648, section 10, without padding', () => {
  const vectors = {
    '': '',
    f: 'MY',
    fo: 'MZXQ',
    foo: 'MZXW6',
    foob: 'MZXW6YQ',
    fooba: 'MZXW6YTB',
    foobar: 'MZXW6YTBOI',
  };
  for (const [text, encoded] of Object.entries(vectors)) expect(base32(Buffer.from(text))).toBe(encoded);
});

test('a code is right for its step and its neighbours, after the last one that was taken, and as six digits only', () => {
  const ms = 1_700_000_000_000;
  const step = stepAt(ms);
  const find = (code: string, afterStep = -1) => stepOfCode(secret, code, { ms, afterStep });
  for (const drift of [-totpLimits.drift, 0, totpLimits.drift])
    expect(find(codeOf(secret, step + drift))).toBe(step + drift);
  expect(find(codeOf(secret, step - 2))).toBeNull();
  expect(find(codeOf(secret, step + 2))).toBeNull();
  expect(find(codeOf(secret, step), step)).toBeNull();
  const right = codeOf(secret, step);
  for (const wrong of ['', right.slice(1), `${right}0`, ` ${right}`, '١٢٣٤٥٦', 'abcdef', 'x'.repeat(100_000)])
    expect(find(wrong), wrong.slice(0, 20)).toBeNull();
});

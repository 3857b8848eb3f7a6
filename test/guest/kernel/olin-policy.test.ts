import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseOlinPolicy } from '../../../src/guest/kernel/olin-policy.ts';
import { CompiledPolicy } from '../../../src/guest/kernel/policy.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

test('the example of the article is read as it stands', () => {
  const parsed = parseOlinPolicy(`## This is an example policy, the ## signifies this line is a comment.

allow (
  ^https://tulpa.dev
  ^https://discordapp.com/api/webhooks/
  ^random://$
)

disallow (
  ^https://tulpa.dev/admin.*$
)

ram-page-limit 128
gas-limit 1048576
`);
  expect(parsed).toEqual({
    policy: {
      allow: ['^https://tulpa.dev', '^https://discordapp.com/api/webhooks/', '^random://$'],
      disallow: ['^https://tulpa.dev/admin.*$'],
    },
    ramPageLimit: 128,
    gasLimit: 1_048_576,
  });
  const policy = new CompiledPolicy(parsed.policy);
  expect(policy.decide('https://tulpa.dev/x').allowed).toBe(true);
  expect(policy.decide('https://tulpa.dev/admin/x')).toEqual({
    allowed: false,
    rule: String.raw`disallow ^https:\/\/tulpa.dev\/admin.*$`,
  });
  expect(policy.decide('null:')).toEqual({ allowed: false, rule: 'no allow rule matches' });
});

test('a dot matches every character, so nothing hides behind a line separator', () => {
  const policy = new CompiledPolicy({ allow: ['^kv:'], disallow: ['^kv://.*secret'] });
  expect(policy.decide('kv://b/\u2028secret').allowed).toBe(false);
});

test('single rules, quotes, trailing comments, CRLF and repeated lists are read too', () => {
  const text = 'allow ^a\r\nallow "^b \\"c"\r\nallow (\r\n  `^d` ## why\r\n)\r\ndisallow ()\r\n';
  expect(parseOlinPolicy(text).policy).toEqual({ allow: ['^a', '^b "c', '^d'], disallow: [] });
});

test('an empty file is a policy that allows nothing and says nothing of limits', () => {
  expect(parseOlinPolicy('## nothing\n')).toEqual({ policy: { allow: [], disallow: [] } });
});

test.each([
  ['allow (\n  ^a\n', 'p, line 1: the list of allow has no closing )'],
  ['\nfoo bar', 'p, line 2: unknown word "foo"'],
  ['allow', 'p, line 1: allow needs a pattern or a list in parentheses'],
  ['allow (\n  (\n)', 'p, line 2: "(" is no usable regular expression'],
  ['allow "x', 'p, line 1: "\\"x" is not a well-formed string'],
  ['gas-limit 1\ngas-limit 2', 'p, line 2: gas-limit is given twice'],
  [
    'gas-limit 1000000000001',
    'p, line 1: gas-limit wants a whole number from 1 to 1000000000000, found "1000000000001"',
  ],
  ['gas-limit 1.5', 'p, line 1: gas-limit wants a whole number from 1 to 1000000000000, found "1.5"'],
  ['ram-page-limit 0', 'p, line 1: ram-page-limit wants a whole number from 1 to 16384, found "0"'],
  [')', 'p, line 1: unknown word ")"'],
])('%j is refused, naming the line', (text, message) => {
  expect(() => parseOlinPolicy(text, 'p')).toThrow(
    expect.objectContaining({ code: 'manifest_invalid', message: expect.stringContaining(message) }),
  );
});

test('lists and files have a limit', () => {
  expect(() => parseOlinPolicy(`allow (\n${'a\n'.repeat(257)})`)).toThrow(/more than 256 patterns/);
  expect(() => parseOlinPolicy('#'.repeat(70_000))).toThrow(/longer than 64 KiB/);
});

test('whatever the bytes: a policy that compiles, or the coded error', () => {
  const line = fc.oneof(
    fc.constantFrom('allow (', ')', 'allow ', 'disallow (', 'gas-limit 5', '## x', 'ram-page-limit '),
    // Not unit 'binary': building its table of code points takes seconds.
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      try {
        new CompiledPolicy(parseOlinPolicy(lines.join('\n')).policy).decide('https://example.com/');
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== 'manifest_invalid') throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

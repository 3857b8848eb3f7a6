import { describe, expect, test } from 'vitest';
import { domainLimits, isWithin, normalDomain } from '../../src/protocol/domains.ts';
import { PlatformError } from '../../src/protocol/errors.ts';

describe('the ASCII form of a domain', () => {
  test.each([
    ['api.example.com', 'api.example.com'],
    ['API.Example.COM.', 'api.example.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    // Looks like apple.com, begins with a Cyrillic letter.
    ['аpple.com', 'xn--pple-43d.com'],
    ['xn--pple-43d.com', 'xn--pple-43d.com'],
    // Full-width letters and the ideographic full stop are other forms of the ASCII ones.
    ['ｅｘａｍｐｌｅ。com', 'example.com'],
    ['a-b.c-d.example', 'a-b.c-d.example'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  ])('%s is %s', (text, domain) => expect(normalDomain(text)).toBe(domain));

  test.each([
    '',
    '.',
    'example',
    'localhost',
    '*.example.com',
    'example.com:443',
    'https://example.com',
    'example.com/path',
    'user@example.com',
    'exam ple.com',
    'example.com\n',
    '-a.example',
    'a-.example',
    'a..example',
    '.example.com',
    '_trisiel.example.com',
    '127.0.0.1',
    '0x7f.1',
    '2130706433.',
    '1.2.3.4.5',
    '[::1]',
    '::1',
    '%61.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(130)}example`,
    '\u202eexample.com',
  ])('%j is none', (text) => {
    const error = (() => {
      try {
        return normalDomain(text);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(PlatformError);
    expect(error).toMatchObject({ code: 'bad_request' });
    expect((error as PlatformError).message.length).toBeLessThan(200);
  });

  test('a text of any length is refused quickly, and not repeated', () => {
    expect(() => normalDomain('a.'.repeat(100_000))).toThrow(/^.{0,120} cannot be a custom domain$/);
  });

  test('leaves room for the label of the TXT record', () => {
    const domain = `${'a'.repeat(60)}.`.repeat(4).slice(0, domainLimits.chars - 3) + '.ab'.slice(0, 3);
    expect(`_trisiel.${'a'.repeat(domainLimits.chars)}`.length).toBe(253);
    expect(normalDomain(domain).length).toBeLessThanOrEqual(domainLimits.chars);
  });
});

test('a host is within a domain only at the border of a label', () => {
  expect(isWithin('example.com', 'example.com')).toBe(true);
  expect(isWithin('a.example.com', 'example.com')).toBe(true);
  expect(isWithin('badexample.com', 'example.com')).toBe(false);
  expect(isWithin('com', 'example.com')).toBe(false);
});

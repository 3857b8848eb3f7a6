import { describe, expect, it } from 'vitest';
import { DuplicateKey, parseUniqueJson } from '../../src/protocol/unique-keys.ts';

describe('JSON with unique keys', () => {
  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"b":2,"a":1}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"\\ud83e\\udda6":1,"🦦":2}', '🦦'],
    ['{"x":{"b":[],"b" : 1}}', 'b'],
    ['[{"c":1},{"c":1,\n"c"\t:2}]', 'c'],
    ['{"a":{"a":1},"a":2}', 'a'],
    ['{"":1,"":2}', ''],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"a\\"":[],"a\\"":{}}', 'a"'],
  ])('refuses %s', (text, key) => {
    expect(() => parseUniqueJson(text)).toThrow(new DuplicateKey(key));
  });

  it.each([
    '{"a":{"a":[{"a":1},{"a":2}]},"b":"a"}',
    '["a","a",{"x":"\\"a\\":1,\\"a\\":2"}]',
    '{"a\\\\":1,"a":"}","b":"{\\"a\\":"}',
    '"a"',
    ' [] ',
    '{"\\u00e9":1,"e\\u0301":2}', // composed and decomposed: two names
    '{"toString":1,"__proto__":2}',
  ])('reads %s as JSON.parse does', (text) => {
    expect(parseUniqueJson(text)).toEqual(JSON.parse(text));
  });

  it('is no JSON where JSON.parse says so', () => {
    for (const text of ['', '{', '{"a":1,}', "{'a':1}", '{"a":1}}'])
      expect(() => parseUniqueJson(text)).toThrow(SyntaxError);
  });

  it('takes deep and long texts', () => {
    const depth = 60_000;
    expect(() => parseUniqueJson(`${'['.repeat(depth)}${']'.repeat(depth)}`)).not.toThrow();
    expect(parseUniqueJson(`{"a":"${'\\"'.repeat(1_000_000)}"}`)).toEqual({ a: '"'.repeat(1_000_000) });
  });
});

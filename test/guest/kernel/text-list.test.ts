/** Lists of texts in one piece are what encoding each text by itself gives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuestText } from '../../../src/guest/kernel/memory.ts';
import { encodeTexts, environmentTexts } from '../../../src/guest/kernel/text-list.ts';

function oneByOne(texts: readonly GuestText[]) {
  const each = texts.map((text) => Buffer.from([...(typeof text === 'string' ? Buffer.from(text) : text), 0]));
  return { bytes: Buffer.concat(each).toString('hex'), lengths: each.map((bytes) => bytes.length) };
}

describe('a list of texts', () => {
  it('has each text and a NUL behind it, whatever is in them', () => {
    const string = fc.oneof(
      fc.string(),
      fc.string({ unit: 'grapheme' }),
      // Lone surrogates, also at the ends, and NULs.
      fc
        .array(fc.constantFrom('\ud800', '\udc00', '\0', 'é', 'a', '€'), { maxLength: 6 })
        .map((parts) => parts.join('')),
    );
    const texts = fc.oneof(fc.array(string), fc.array(fc.oneof(string, fc.uint8Array({ maxLength: 8 }))));
    fc.assert(
      fc.property(texts, (list) => {
        const { bytes, lengths } = encodeTexts(list);
        expect({ bytes: Buffer.from(bytes).toString('hex'), lengths }).toEqual(oneByOne(list));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is empty without texts', () => {
    expect(encodeTexts([])).toEqual({ bytes: new Uint8Array(0), lengths: [] });
  });

  it('of an environment has KEY=value, octets as they are', () => {
    const env = new Map<string, GuestText>([
      ['A', '1'],
      ['B', Uint8Array.of(0xff)],
    ]);
    const { bytes, lengths } = encodeTexts(environmentTexts(env));
    expect(Buffer.from(bytes).toString('latin1')).toBe('A=1\0B=\xff\0');
    expect(lengths).toEqual([4, 4]);
  });
});

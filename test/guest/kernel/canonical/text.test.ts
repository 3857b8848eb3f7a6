/** Strings of components in the three encodings of the canonical ABI. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textEncodings } from '../../../../src/guest/component/wit.ts';
import { decodeText, encodeText, textBytes } from '../../../../src/guest/kernel/canonical/text.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('a string', () => {
  it.each(textEncodings)('comes back as it was in %s', (encoding) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { bytes, length } = encodeText(text, encoding);
        expect(textBytes(length, encoding)).toBe(bytes.length);
        expect(decodeText(bytes, length, encoding)).toBe(text);
      }),
    );
  });

  it('has the bytes of its encoding, and a length in code units', () => {
    expect(encodeText('é€', 'utf8')).toMatchObject({ length: 5 });
    expect(hex(encodeText('é€', 'utf16').bytes)).toBe('e900ac20');
    expect(encodeText('é€', 'utf16').length).toBe(2);
    expect(hex(encodeText('é', 'latin1+utf16').bytes)).toBe('e9');
    expect(encodeText('é', 'latin1+utf16').length).toBe(1);
    expect(hex(encodeText('é€', 'latin1+utf16').bytes)).toBe('e900ac20');
    expect(encodeText('é€', 'latin1+utf16').length).toBe(0x8000_0002);
  });

  it('is refused if it is not in its encoding, or too long', () => {
    expect(() => decodeText(Uint8Array.of(0xff), 1, 'utf8')).toThrow('not UTF-8');
    expect(() => decodeText(Uint8Array.of(0x00, 0xd8), 1, 'utf16')).toThrow('not UTF-16');
    expect(() => decodeText(Uint8Array.of(0x00, 0xdc), 0x8000_0001, 'latin1+utf16')).toThrow('not UTF-16');
    expect(() => textBytes(2 ** 27, 'utf16')).toThrow('at most');
    expect(textBytes(2 ** 27, 'utf8')).toBe(2 ** 27);
  });
});

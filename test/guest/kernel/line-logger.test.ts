import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineLogger } from '../../../src/guest/kernel/resources/line-logger.ts';
import { logLimits } from '../../../src/protocol/limits.ts';

function log(chunks: readonly (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const logger = new LineLogger((line) => lines.push(line));
  for (const chunk of chunks) logger.write(Buffer.from(chunk as string));
  logger.finish();
  return lines;
}

test('lines come out the same, however the bytes are cut', () => {
  const text = fc.array(fc.constantFrom('a', 'é', '😀', '\n', '\r\n', ' ', 'line'), { maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(8), { minLength: 1 }), (parts, sizes) => {
      const bytes = Buffer.from(parts.join(''));
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const size = (sizes[i % sizes.length] as number) + 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const expected = parts.join('').split(/\r?\n/);
      if (expected.at(-1) === '') expected.pop();
      // A lone \r at a line's end is cut with it.
      expect(log(chunks)).toEqual(expected.map((line) => line.replace(/\r$/, '')));
    }),
  );
});

test('a line at the limit is whole, a longer one is split, and its pieces are marked', () => {
  const full = 'x'.repeat(logLimits.lineBytes);
  expect(log([`${full}\n`])).toEqual([full]);
  expect(log([`${full}y\nnext`])).toEqual([`(1/…) ${full}`, '(2/2) y', 'next']);
  expect(log([full, 'y', 'z\nnext\n'])).toEqual([`(1/…) ${full}`, '(2/2) yz', 'next']);
  expect(log([full, full, full])).toEqual([`(1/…) ${full}`, `(2/…) ${full}`, `(3/3) ${full}`]);
});

test('the pieces of a long line hold all of it, and no character is split, however its bytes are cut', () => {
  fc.assert(
    fc.property(fc.nat(8), fc.array(fc.nat(20_000), { minLength: 1, maxLength: 6 }), (shift, sizes) => {
      const line = 'a'.repeat(shift) + '😀é€'.repeat(5_000);
      const bytes = Buffer.from(line);
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const size = (sizes[i % sizes.length] as number) + 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const pieces = log(chunks);
      expect(pieces.length).toBeGreaterThan(2);
      expect(pieces.map((piece) => piece.replace(/^\(\d+\/(?:\d+|…)\) /, '')).join('')).toBe(line);
    }),
    { numRuns: 20 },
  );
});

test('invalid UTF-8 is replaced', () => {
  expect(log([Uint8Array.of(0x61, 0xc3, 0x0a, 0xff, 0x0a)])).toEqual(['a\ufffd', '\ufffd']);
});

test('nothing pending makes no line', () => {
  expect(log([])).toEqual([]);
  expect(log(['a\n', ''])).toEqual(['a']);
});

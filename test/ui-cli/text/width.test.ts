import fc from 'fast-check';
import { expect, test } from 'vitest';
import { visible } from '../../../ui-cli/text/visible.ts';
import { cells, cut, fit, skip, wrap } from '../../../ui-cli/text/width.ts';

const printable = fc.string({ unit: 'grapheme' }).map(visible);

test('wide characters take two cells, combining marks none', () => {
  expect(cells('abc')).toBe(3);
  expect(cells('日本')).toBe(4);
  expect(cells('e\u0301')).toBe(1);
  expect(cells('👋')).toBe(2);
});

test('a cut text says so with an ellipsis', () => {
  expect(cut('swift-otter', 11)).toBe('swift-otter');
  expect(cut('swift-otter', 6)).toBe('swift…');
  expect(cut('日本語', 4)).toBe('日…');
  expect(cut('abc', 0)).toBe('');
});

test('a cut text never takes more cells than it may', () => {
  fc.assert(
    fc.property(printable, fc.nat(20), (text, width) => {
      expect(cells(cut(text, width))).toBeLessThanOrEqual(width);
    }),
  );
});

test('a fitted text takes exactly its cells, left or right', () => {
  expect(fit('7', 3, 'right')).toBe('  7');
  fc.assert(
    fc.property(printable, fc.integer({ min: 1, max: 20 }), (text, width) => {
      expect(cells(fit(text, width))).toBe(width);
      expect(cells(fit(text, width, 'right'))).toBe(width);
    }),
  );
});

test('skipping cells and cutting the rest shows another part of a line', () => {
  expect(skip('hello world', 6)).toBe('world');
  expect(skip('日本語', 2)).toBe('本語');
  expect(skip('ab', 5)).toBe('');
});

test('wrapping breaks at spaces and keeps every other character', () => {
  expect(wrap('the quick brown fox', 10)).toEqual(['the quick', 'brown fox']);
  expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  fc.assert(
    fc.property(printable, fc.integer({ min: 2, max: 20 }), (text, width) => {
      const lines = wrap(text, width);
      for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(width);
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
    }),
  );
});

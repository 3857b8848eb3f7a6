import { expect, test } from 'vitest';
import {
  formatAgo,
  formatBytes,
  formatClock,
  formatCount,
  formatDate,
  formatDuration,
  formatIn,
  plural,
} from '../../../ui-cli/text/format.ts';
import { readBytes, typedBytes } from '../../../ui-cli/text/size.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [188_416, '184 KiB'],
  [1_300_000, '1.2 MiB'],
  [5 * 1024 ** 4, '5 TiB'],
])('%d bytes read as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [11, '11'],
  [999, '999'],
  [1_000, '1k'],
  [1_234, '1.2k'],
  [999_999, '1M'],
  [33_554_432, '33.6M'],
  [1_000_000_000, '1G'],
])('a count of %d reads as %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

test.each([
  [0, '0 ms'],
  [0.44, '0.4 ms'],
  [9.96, '10 ms'],
  [999.6, '1 s'],
  [1_234, '1.2 s'],
  [90_000, '1.5 min'],
  [7_200_000, '2 h'],
])('%d ms read as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [0, 'now'],
  [-5_000, 'now'],
  [5_000, '5 s ago'],
  [180_000, '3 min ago'],
  [7_200_000, '2 h ago'],
  [4 * 86_400_000, '4 d ago'],
])('%d ms back is %s', (ms, text) => {
  expect(formatAgo(1_800_000_000_000 - ms, 1_800_000_000_000)).toBe(text);
});

test('long ago is a date', () => {
  expect(formatAgo(Date.UTC(2025, 0, 15, 12), Date.UTC(2026, 0, 15))).toBe('2025-01-15');
});

test('times are local, with all their digits', () => {
  const time = new Date(2026, 10, 2, 3, 4, 5, 6).getTime();
  expect(formatDate(time)).toBe('2026-11-02 03:04:05');
  expect(formatClock(time)).toBe('03:04:05.006');
});

test('a time that is none does not throw', () => {
  expect(formatDate(Number.NaN)).toBe('unknown time');
  expect(formatClock(9e99)).toBe('--:--:--.---');
});

test('one is singular', () => {
  expect([plural(1, 'line'), plural(2, 'line'), plural(0, 'reply', 'replies')]).toEqual([
    '1 line',
    '2 lines',
    '0 replies',
  ]);
});

test('a size is read as it is typed, and typed as it is read', () => {
  expect(['1', '500MiB', '2 gib', '1KiB'].map(readBytes)).toEqual([1, 500 * 2 ** 20, 2 ** 31, 1024]);
  expect(['', '0', '-1', '1.5GiB', '2GB', '9'.repeat(12)].map(readBytes)).toEqual([null, null, null, null, null, null]);
  for (const bytes of [1, 1023, 1024, 500 * 2 ** 20, 3 * 2 ** 40]) expect(readBytes(typedBytes(bytes))).toBe(bytes);
});

test('times to come are told in one unit', () => {
  const times = [0, 400, 5_000, 61_000, 7_300_000, 4 * 86_400_000].map((ms) => formatIn(1_000_000 + ms, 1_000_000));
  expect(times).toEqual(['now', 'now', 'in 5 s', 'in 1 min', 'in 2 h', 'in 4 d']);
});

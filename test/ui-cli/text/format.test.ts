import { expect, test } from 'vitest';
import {
  formatAgo,
  formatBytes,
  formatClock,
  formatCount,
  formatDate,
  formatDuration,
  plural,
} from '../../../ui-cli/text/format.ts';

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

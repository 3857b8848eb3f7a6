import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { parseTime } from '../../../ui-cli/commands/arguments.ts';

test.each([
  ['90s', 910_000],
  ['10m', 400_000],
  ['1970-01-01T00:10:00Z', 600_000],
  ['1970-01-01T02:10:00+02:00', 600_000],
  ['2024-02-29', new Date(2024, 1, 29).getTime()],
  ['2024-02-29 08:15', new Date(2024, 1, 29, 8, 15).getTime()],
])('%s is a time', (text, ms) => {
  expect(parseTime(text, 1_000_000)).toBe(ms);
});

test.each([
  '',
  '0',
  '1w',
  '1.5h',
  '-1h',
  '1e3s',
  'now',
  '2023-02-29',
  '2026-02-30',
  '2026-02-30T08:15Z',
  '2026-13-01',
  '20260101',
])('%j is no time', (text) => {
  expect(() => parseTime(text)).toThrow(InvalidArgumentError);
});

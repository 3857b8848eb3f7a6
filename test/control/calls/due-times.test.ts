/** When schedules tick: time zones, daylight saving both ways, expressions that never come. */
import { describe, expect, it } from 'vitest';
import { cronProblem, isTimeZone, newestTicks, nextTick } from '../../../src/control/calls/due-times.ts';

const cron = (text: string, timezone = 'Europe/Berlin') => ({ cron: text, timezone, everyMs: null });
const ticks = (when: Parameters<typeof nextTick>[0], after: string, count: number) => {
  const found: string[] = [];
  for (let at: number | null = Date.parse(after); found.length < count; ) {
    at = nextTick(when, at, 0);
    if (at === null) break;
    found.push(new Date(at).toISOString().slice(0, 19));
  }
  return found;
};

describe('where clocks are put forward (Berlin, 29 March 2026, 2:00 to 3:00)', () => {
  it('a time of day that does not exist comes at the first moment after the gap, once', () => {
    expect(ticks(cron('30 2 * * *'), '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00',
      '2026-03-30T00:30:00',
    ]);
  });
  it('what repeats goes on at its distance', () => {
    expect(ticks(cron('*/30 * * * *'), '2026-03-29T00:00:00Z', 4)).toEqual([
      '2026-03-29T00:30:00',
      '2026-03-29T01:00:00',
      '2026-03-29T01:30:00',
      '2026-03-29T02:00:00',
    ]);
  });
});

describe('where clocks are put back (Berlin, 25 October 2026, 3:00 to 2:00)', () => {
  it('a fixed time of day comes once', () => {
    expect(ticks(cron('30 2 * * *'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00',
      '2026-10-26T01:30:00',
    ]);
  });
  it('what repeats goes on through both hours', () => {
    expect(ticks(cron('0 * * * *'), '2026-10-24T23:30:00Z', 3)).toEqual([
      '2026-10-25T00:00:00',
      '2026-10-25T01:00:00',
      '2026-10-25T02:00:00',
    ]);
  });
});

it('six fields have seconds first; what never comes has no tick', () => {
  expect(ticks(cron('*/20 0 0 1 1 *', 'UTC'), '2026-06-01T00:00:00Z', 3)).toEqual([
    '2027-01-01T00:00:00',
    '2027-01-01T00:00:20',
    '2027-01-01T00:00:40',
  ]);
  expect(nextTick(cron('0 0 30 2 *'), 0, 0)).toBeNull();
});

it('every counts from its anchor, before it too', () => {
  const every = { cron: null, timezone: 'UTC', everyMs: 30_000 };
  expect(nextTick(every, 1_000, 1_000)).toBe(31_000);
  expect(nextTick(every, 30_999, 1_000)).toBe(31_000);
  expect(nextTick(every, 31_000, 1_000)).toBe(61_000);
  expect(nextTick(every, -90_000, 1_000)).toBe(31_000);
});

it('the newest ticks of a long time are found without going through it all', () => {
  const untilMs = Date.parse('2026-06-01T00:00:00Z');
  const fromMs = Date.parse('2020-06-01T00:00:00Z');
  const seconds = { cron: '* * * * * *', timezone: 'UTC', everyMs: null };
  expect(newestTicks(seconds, { fromMs, untilMs, anchorMs: 0, most: 3 })).toEqual([
    untilMs - 2_000,
    untilMs - 1_000,
    untilMs,
  ]);
  const yearly = { cron: '0 0 1 1 *', timezone: 'UTC', everyMs: null };
  expect(newestTicks(yearly, { fromMs: Date.parse('2021-01-01T00:00:00Z'), untilMs, anchorMs: 0, most: 100 })).toEqual(
    [2021, 2022, 2023, 2024, 2025, 2026].map((year) => Date.UTC(year)),
  );
});

it.each([
  '',
  ' ',
  'nonsense',
  '2020-01-01T00:00:00',
  '2099-01-01T00:00:00Z',
  '61 * * * *',
  '* * * *',
  '* * * * * * *',
  '0 0 0 0 0 0 0 0',
])('%j is no expression', (text) => {
  expect(cronProblem(text)).not.toBeNull();
});

it.each(['* * * * *', ' 0  0\t1 1 * ', '*/5 * * * * *', '@daily'])('%j is one', (text) => {
  expect(cronProblem(text)).toBeNull();
});

it.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['Mars/Base', false],
  ['+02:00', false],
  ['', false],
  ['Europe/Berlin\n', false],
])('%j is a time zone: %s', (name, is) => {
  expect(isTimeZone(name)).toBe(is);
});

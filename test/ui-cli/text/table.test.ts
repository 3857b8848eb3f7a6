import fc from 'fast-check';
import { expect, test } from 'vitest';
import { colourOf } from '../../../ui-cli/text/colour.ts';
import { fitTable } from '../../../ui-cli/text/fit-table.ts';
import { bucket, sparkline } from '../../../ui-cli/text/sparkline.ts';
import { facts, table } from '../../../ui-cli/text/table.ts';
import { cells } from '../../../ui-cli/text/width.ts';

test('columns are as wide as their widest cell and no line ends in spaces', () => {
  const lines = table(
    [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'URL' }],
    [
      ['a', '1', 'x'],
      ['swift-otter', '22', ''],
    ],
  );
  expect(lines).toEqual(['NAME          N  URL', 'a             1  x', 'swift-otter  22']);
});

test('facts line their values up', () => {
  expect(
    facts([
      ['url', 'x'],
      ['state', 'live'],
    ]),
  ).toEqual(['url    x', 'state  live']);
});

const columns = [
  { title: 'NAME', shrinkTo: 4 },
  { title: 'STATE' },
  { title: 'GAS', align: 'right', dropAt: 1 },
  { title: 'URL', dropAt: 9 },
] as const;

test('where space runs out the column one can best do without goes first', () => {
  const rows = [['swift-otter', 'live', '12', 'http://x']];
  expect(fitTable(columns, rows, 80).shown).toEqual([0, 1, 2, 3]);
  expect(fitTable(columns, rows, 25).shown).toEqual([0, 1, 2]);
  expect(fitTable(columns, rows, 20).shown).toEqual([0, 1]);
  expect(fitTable(columns, rows, 14).rows[0]?.join('')).toBe('swift-…  live');
});

test('a fitted table is never wider than it may be, as long as its fixed columns fit', () => {
  const row = fc.tuple(fc.string(), fc.constantFrom('live', 'empty'), fc.string(), fc.string());
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), fc.integer({ min: 12, max: 100 }), (rows, width) => {
      const fitted = fitTable(columns, rows, width);
      for (const line of [fitted.head, ...fitted.rows]) expect(cells(line.join(''))).toBeLessThanOrEqual(width);
    }),
  );
});

test('a sparkline scales from zero, and anything is more than nothing', () => {
  expect(sparkline([0, 1, 100], 3)).toBe('▁▂█');
  expect(sparkline([0, 0], 4)).toBe('  ▁▁');
  expect(sparkline([1, 2, 3, 4], 2)).toBe('▆█');
  // A terminal that is narrower than what stands beside it.
  for (const width of [0, -3]) expect(sparkline([1, 2, 3, 4], width)).toBe('');
});

test('points are summed into spans that end now; older ones are left out', () => {
  const points = [
    { timeMs: 5, value: 9 },
    { timeMs: 10, value: 1 },
    { timeMs: 19, value: 2 },
    { timeMs: 20, value: 4 },
    { timeMs: 30, value: 8 },
  ];
  expect(bucket(points, { nowMs: 30, spanMs: 10, buckets: 2 })).toEqual([3, 4]);
});

test('a name keeps its colour, and red and yellow are never a name', () => {
  expect(colourOf('swift-otter')).toBe(colourOf('swift-otter'));
  fc.assert(fc.property(fc.string(), (name) => !/red|yellow/.test(colourOf(name))));
});

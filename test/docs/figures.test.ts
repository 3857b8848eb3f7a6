/** Figures that the book plans and compares with are those of the last run of the benches. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const measured = readFileSync(join(root, 'bench/README.md'), 'utf8');

/** Numbers of a text as they are written: `1,744`, `0.80`. */
const numbersIn = (text: string): readonly string[] => text.match(/(?<![\d.,])\d+(?:[.,]\d+)*/g) ?? [];
const known = new Set(numbersIn(measured));

/** Returns the cells of the second column of the first table behind `heading`. */
function figuresBehind(page: string, heading: string): readonly string[] {
  const [, section = ''] = readFileSync(join(root, page), 'utf8').split(heading);
  const [table = ''] = /(?:^\|.*\n)+/m.exec(section) ?? [];
  return table
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((row) => row.split('|')[2] ?? '');
}

describe.each([
  ['docs/operations.md', '## How large a machine'],
  ['docs/article.md', '**What it would have to do better.**'],
])('the table of %s', (page, heading) => {
  const cells = figuresBehind(page, heading);

  it('has figures', () => expect(cells.filter((cell) => numbersIn(cell).length > 0).length).toBeGreaterThan(3));

  it('has those of bench/README.md', () => {
    expect(cells.flatMap(numbersIn).filter((number) => !known.has(number))).toEqual([]);
  });
});

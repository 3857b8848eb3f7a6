/** docs/safety.md: every hazard has a rule and a test, and the test is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
/** Number of the last hazard. */
const hazards = 55;

const rows = [...read('docs/safety.md').matchAll(/^\| (\d+) \| (.+?) \| (.+?) \| (.*) \|$/gm)].map(
  ([, number = '', hazard = '', rule = '', tests = '']) => ({ number: Number(number), hazard, rule, tests }),
);

describe('the table of hazards', () => {
  it('has every number once, in order', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: hazards }, (_, index) => index + 1));
  });

  it.each(rows)('$number: $hazard', ({ tests }) => {
    const named = tests.split('<br>').map((text) => /^`(test\/[^`]+)`: (.+)$/.exec(text));
    for (const match of named) {
      const [, file = '', title = ''] = match ?? [];
      expect(existsSync(join(root, file)), `${file} is there`).toBe(true);
      expect(read(file), `${file} has a test of this title`).toContain(title);
    }
  });
});

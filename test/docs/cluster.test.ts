/** docs/cluster.md: every promise names what shows it, and that is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const rows = [...read('docs/cluster.md').matchAll(/^\| (\d+) \| (.+?) \| (.*) \|$/gm)].map(
  ([, number = '', promise = '', shown = '']) => ({ number: Number(number), promise, shown }),
);

describe('the promises of a cluster', () => {
  it('are numbered', () => {
    expect(rows.length).toBeGreaterThan(15);
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, index) => index + 1));
  });

  it.each(rows)('$number: $promise', ({ shown }) => {
    for (const text of shown.split('<br>')) {
      const [, file = '', title = ''] = /^`((?:test|bench)\/[^`]+)`: (.+)$/.exec(text) ?? [];
      expect(read(file), `${file} has this`).toContain(title);
    }
  });
});

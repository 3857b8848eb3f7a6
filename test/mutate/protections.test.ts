/** The list that `npm run mutate` works through fits the code it speaks of. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { protections } from './protections.ts';

const root = join(import.meta.dirname, '../..');

describe('a protection', () => {
  it('has a name of its own', () => {
    expect(new Set(protections.map(({ name }) => name)).size).toBe(protections.length);
  });

  it.each(protections)('stands in its file once, and its tests exist: $name', ({ file, find, replace, tests }) => {
    expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2);
    expect(replace).not.toBe(find);
    expect(tests.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

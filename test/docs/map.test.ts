/**
 * What leads to places is complete: the map of folders, the index of the book. What is gone
 * test/docs/references.test.ts finds.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');

/** Folders named in the first column; in one cell the later ones are named beside the first. */
const named = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) => {
  const [first = '', ...others] = [...cell.matchAll(/`([^`]+)`/g)].map(([, folder = '']) => folder);
  return [first, ...others.map((name) => join(first, '..', name))];
});

it('the map has a row for every process, station and part of the tools', () => {
  const folders = globSync(['src/*', 'src/control/*', 'src/guest/*', 'ui-cli/*', 'hooks', 'docs', 'test', 'bench'], {
    cwd: root,
    withFileTypes: true,
  })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  expect(folders.length).toBeGreaterThan(30);
  expect(folders.filter((folder) => !named.some((one) => one === folder || one.startsWith(`${folder}/<`)))).toEqual([]);
});

it('the index of the book links to every page', () => {
  const index = readFileSync(join(root, 'docs/README.md'), 'utf8');
  const pages = globSync('**/*.md', { cwd: join(root, 'docs') }).filter((page) => page !== 'README.md');
  expect(pages.length).toBeGreaterThan(10);
  expect(pages.filter((file) => !index.includes(`](${file})`))).toEqual([]);
});

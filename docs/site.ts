/**
 * Writes the book as static HTML: `npm run docs`, or `node docs/site.ts FOLDER`. The folder works on any web server, below
 * any path, and opened from a disk; a page that is gone from docs/ is removed from it too.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBook } from '../src/control/book/book.ts';
import { documentOf } from '../src/control/book/html.ts';
import { siteFile, siteUrls } from '../src/control/book/urls.ts';

/** A file that says that the folder is ours to empty. */
const mark = '.trisiel-book';

/** Writes the book into `folder`. Throws where the folder holds something else; returns the number of pages. */
export async function writeSite(folder: string): Promise<number> {
  const there: readonly string[] = await readdir(folder).catch(() => []);
  if (there.length > 0 && !there.includes(mark))
    throw new Error(`${folder} is not empty, and no earlier book is in it`);
  for (const name of there) await rm(join(folder, name), { recursive: true });
  const { pages, files } = await readBook(import.meta.dirname, siteUrls);
  await write(join(folder, mark), '');
  for (const { path, page } of pages.values()) await write(join(folder, siteFile(path)), documentOf(page));
  for (const [name, { bytes }] of files) await write(join(folder, name), bytes);
  return pages.size;
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(import.meta.dirname, '../dist/book');
  process.stdout.write(`${await writeSite(folder)} pages in ${folder}\n`);
}

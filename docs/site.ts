/**
 * Writes the book as static HTML: `npm run docs`, or `node docs/site.ts FOLDER [BASE]`. The folder works on any web server,
 * below any path, and opened from a disk; a page that is gone from docs/ is removed from it too. 404.html is for a server to
 * show at paths without a page; its links begin with BASE, the path of the folder on the server (`/`, or such as `/book/`).
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBook } from '../src/control/book/book.ts';
import { documentOf } from '../src/control/book/html.ts';
import { notFoundPath, siteFile, siteUrls } from '../src/control/book/urls.ts';

/** A file that says that the folder is ours to empty. */
const mark = '.trisiel-book';

/**
 * Writes the book into `folder`, which a server has at the path `base`. Throws where the folder holds something else, and for
 * a base without a slash at both ends; returns the number of pages.
 */
export async function writeSite(folder: string, base = '/'): Promise<number> {
  if (!/^\/(?:[\w.~-]+\/)*$/.test(base)) throw new Error(`${base} is no path such as /book/`);
  const there: readonly string[] = await readdir(folder).catch(() => []);
  if (there.length > 0 && !there.includes(mark))
    throw new Error(`${folder} is not empty, and no earlier book is in it`);
  for (const name of there) await rm(join(folder, name), { recursive: true });
  const { pages, notFound, files } = await readBook(import.meta.dirname, siteUrls(base));
  await write(join(folder, mark), '');
  await write(join(folder, siteFile(notFoundPath)), documentOf(notFound));
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
  if (folder.startsWith('-')) {
    process.stderr.write('npm run docs, or node docs/site.ts FOLDER [BASE]\n');
    process.exitCode = 2;
  } else process.stdout.write(`${await writeSite(folder, process.argv[3])} pages in ${folder}\n`);
}

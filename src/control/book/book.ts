/**
 * Reads the book: the pages of docs/ in the order of its index (README.md), rendered, with what leads through them. The
 * server and the static site are made from it; they differ in the form of URLs alone.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, posix, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import type { Page } from './html.ts';
import { type BookPart, frameOf } from './layout.ts';
import { type Heading, renderMarkdown } from './markdown.ts';
import { searchScript, sectionsOf } from './search-index.ts';
import { type BookUrls, bookFiles, notFoundPath, serverUrls } from './urls.ts';

/** One page of docs/. */
export interface BookPage {
  /** Path of its file without `.md`; that of a README is its folder, '' for the index. */
  readonly path: string;
  readonly title: string;
  /** Source of the page, in Markdown. */
  readonly text: string;
  readonly page: Page;
}

export interface Book {
  /** Pages by path, in reading order. */
  readonly pages: ReadonlyMap<string, BookPage>;
  /** What is shown at a path without a page: the search and the list of all pages. */
  readonly notFound: Page;
  /** Other files by their path: scripts, pictures. */
  readonly files: ReadonlyMap<string, BookFile>;
}

/** A file in one coding (RFC 9110, 8.4.1). */
export interface Representation {
  readonly coding: 'identity' | 'gzip' | 'zstd';
  readonly bytes: Buffer;
  /** Strong validator, with its quotes. It differs between codings, whose bytes differ (RFC 9110, 8.8.3). */
  readonly etag: string;
}

export interface BookFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** The file in the codings that make it smaller, and as it is; the preferred one first. */
  readonly representations: readonly Representation[];
}

const pictureTypes: Readonly<Record<string, string>> = { '.png': 'image/png', '.svg': 'image/svg+xml' };
const scriptType = 'text/javascript; charset=utf-8';

/** Reads every page below `folder`, renders it with links in the form of `urls`, and makes the search index. */
export async function readBook(folder: string, urls: BookUrls = serverUrls): Promise<Book> {
  const names = (await readdir(folder, { recursive: true })).map((name) => name.replaceAll(sep, '/')).sort();
  const texts = new Map<string, Source>();
  for (const file of names.filter((name) => name.endsWith('.md')))
    texts.set(pathOf(file), { file, text: await readFile(join(folder, file), 'utf8') });
  const files = new Map<string, BookFile>();
  for (const name of names.filter((one) => one.startsWith('pictures/') && posix.extname(one) in pictureTypes))
    files.set(name, await fileOf(pictureTypes[posix.extname(name)] ?? '', await readFile(join(folder, name))));
  const parts = partsOf(texts);
  const rendered = new Map([...texts].map(([path, source]) => [path, render(path, source, { texts, files, urls })]));
  const order = ['', ...parts.flatMap(({ paths }) => paths)].filter((path) => rendered.has(path));
  const titles = new Map(order.map((path) => [path, rendered.get(path)?.title ?? path]));
  const pages = order.map((path, index): [string, BookPage] => {
    const { title, html, headings } = rendered.get(path) as Chapter; // a path of `order`, whose paths are all rendered
    const around = { before: order[index - 1] ?? null, after: order[index + 1] ?? null };
    const page = frameOf({ path, title, html, headings, parts, titles, urls, ...around });
    return [path, { path, title, text: texts.get(path)?.text ?? '', page }];
  });
  const sections = order.flatMap((path) => {
    const { title, html } = rendered.get(path) as Chapter; // a path of `order`, whose paths are all rendered
    return sectionsOf(html, { url: urls.found(path), title });
  });
  const script = await readFile(join(import.meta.dirname, 'browser.js'));
  files.set(bookFiles.script, await fileOf(scriptType, script));
  files.set(bookFiles.search, await fileOf(scriptType, Buffer.from(searchScript(sections))));
  const missing = {
    title: 'There is no such page',
    html: '<h1>There is no such page</h1>\n<p>The key <code>/</code> searches in all pages; the list beside this text, or below it, has them all.\n',
  };
  const nowhere = { path: notFoundPath, headings: [], before: null, after: null };
  const notFound = frameOf({ ...missing, ...nowhere, parts, titles, urls });
  return { pages: new Map(pages), notFound, files };
}

/** Compresses a file, and makes validators of it, once for all requests. */
async function fileOf(type: string, bytes: Buffer): Promise<BookFile> {
  const compressed = [
    { coding: 'zstd' as const, bytes: await promisify(zstdCompress)(bytes) },
    { coding: 'gzip' as const, bytes: await promisify(gzip)(bytes) },
  ].filter((candidate) => candidate.bytes.length < bytes.length);
  const representations = [...compressed, { coding: 'identity' as const, bytes }].map((one) => ({
    ...one,
    etag: `"${createHash('sha256').update(one.bytes).digest('base64url').slice(0, 22)}"`,
  }));
  return { type, bytes, representations };
}

/** Returns the path of a page's file: `abi/cwa.md` -> `abi/cwa`; the path of a README is its folder. */
function pathOf(file: string): string {
  return file.replace(/\.md$/, '').replace(/(^|\/)README$/, '');
}

interface Source {
  /** Path of the file below docs/, `/`-separated. */
  readonly file: string;
  readonly text: string;
}

interface Chapter {
  readonly title: string;
  readonly html: string;
  readonly headings: readonly Heading[];
}

/**
 * Returns the parts of the index: each heading with the pages that its lines link to, a page in the first part that
 * names it. Pages that the index does not name make a last part, so that a new page is found before somebody has placed
 * it.
 */
function partsOf(texts: ReadonlyMap<string, Source>): readonly BookPart[] {
  const named = new Set(['']);
  const parts = (texts.get('')?.text ?? '')
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      const title = part.split('\n', 1)[0]?.trim() ?? '';
      const linked = [...part.matchAll(/\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g)].map(([, href = '']) =>
        pathOf(posix.normalize(href)),
      );
      const paths = linked.filter((path) => texts.has(path) && !named.has(path) && named.add(path));
      return { title, paths };
    });
  const others = [...texts.keys()].filter((path) => !named.has(path));
  return [...parts, { title: 'More pages', paths: others }].filter(({ paths }) => paths.length > 0);
}

function render(
  path: string,
  { file, text }: Source,
  { texts, files, urls }: { texts: ReadonlyMap<string, Source>; files: ReadonlyMap<string, BookFile>; urls: BookUrls },
): Chapter {
  const inFolder = (href: string): string => posix.normalize(posix.join(posix.dirname(file), href));
  const { html, headings } = renderMarkdown(text, {
    link(href) {
      if (href.startsWith('#')) return href;
      const [link = '', anchor] = href.split('#', 2);
      const to = pathOf(inFolder(link));
      if (!link.endsWith('.md') || !texts.has(to)) return null;
      return `${urls.page(to, path)}${anchor === undefined ? '' : `#${anchor}`}`;
    },
    picture: (href) => (files.has(inFolder(href)) ? urls.file(inFolder(href), path) : null),
  });
  return { title: headings.find(({ depth }) => depth === 1)?.text ?? 'The book', html, headings };
}

/**
 * The book: the pages of docs/, for people as HTML, for programs as they are written. Pages are found in a table made
 * from the folder, so a request's path never reaches the file system.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, posix, sep } from 'node:path';
import { Marked, type Tokens } from 'marked';
import { escapeHtml, type Page } from './html.ts';

/** A page of docs/. */
export interface BookPage {
  /** The source, in Markdown. */
  readonly text: string;
  readonly page: Page;
}

/** Reads and renders every page below `folder`. Keys are paths without `.md`; the index (README.md) is ''. */
export async function readBook(folder: string): Promise<ReadonlyMap<string, BookPage>> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.md'));
  const named = files.map((file) => [pathOf(file.replaceAll(sep, '/')), file] as const);
  const paths = new Set(named.map(([path]) => path));
  const read = async ([path, file]: (typeof named)[number]): Promise<[string, BookPage]> => {
    const text = await readFile(join(folder, file), 'utf8');
    return [path, { text, page: renderPage(text, { file: file.replaceAll(sep, '/'), paths }) }];
  };
  return new Map(await Promise.all(named.map(read)));
}

/** Returns the path of a page's file: `abi/cwa.md` -> `abi/cwa`; a README is its folder. */
function pathOf(file: string): string {
  return file.replace(/\.md$/, '').replace(/(^|\/)README$/, '');
}

interface Place {
  /** The page's file below docs/, with `/`. */
  readonly file: string;
  /** Paths of all pages. */
  readonly paths: ReadonlySet<string>;
}

/** Renders Markdown. HTML in it shows as text; links lead to other pages, anchors and http(s) only. */
export function renderPage(text: string, place: Place): Page {
  const marked = new Marked({
    gfm: true,
    renderer: {
      html: ({ text: html }) => escapeHtml(html),
      image: ({ text: alternative }) => escapeHtml(alternative),
      heading({ tokens, depth, text: title }) {
        return `<h${depth} id="${anchorOf(title)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const words = this.parser.parseInline(tokens);
        const target = targetOf(href, place);
        return target === null ? words : `<a href="${escapeHtml(target)}">${words}</a>`;
      },
    },
  });
  const title = /^# (.*)$/m.exec(text)?.[1] ?? 'The book';
  const nav = '<nav aria-label="Trisiel"><a href="/">Trisiel</a> / <a href="/docs">The book</a></nav>';
  // What is wider than a narrow window is scrolled, with the keyboard too.
  const html = marked.parse(text, { async: false }).replaceAll(/<(pre|table)>/g, '<$1 tabindex="0">');
  return { title, body: `${nav}\n<main>\n${html}</main>` };
}

/** Returns the anchor of a heading, as GitHub makes it, so that a page's links hold in both places. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Returns where a link leads; null for a link that leads out of the book, such as to a source file. */
function targetOf(href: string, { file, paths }: Place): string | null {
  if (/^https?:\/\//.test(href) || href.startsWith('#')) return href;
  const [link = '', anchor] = href.split('#', 2);
  if (!link.endsWith('.md')) return null;
  const path = pathOf(posix.normalize(posix.join(posix.dirname(file), link)));
  if (!paths.has(path)) return null;
  return `/docs${path === '' ? '' : `/${path}`}${anchor === undefined ? '' : `#${anchor}`}`;
}

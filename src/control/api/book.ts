/**
 * Serves the pages of docs/: as HTML for people, in Markdown for programs. Pages are found in a table that is made from
 * the folder, so a request's path never reaches the file system.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, posix, sep } from 'node:path';
import { Marked, type Tokens } from 'marked';
import { escapeHtml, type Page } from './html.ts';

/** One page of docs/. */
export interface BookPage {
  /** Source of the page, in Markdown. */
  readonly text: string;
  readonly page: Page;
}

/**
 * Reads and renders every page below `folder`. Keys are paths without `.md`; the key of the index (README.md) is ''.
 */
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

/** Returns the path of a page's file: `abi/cwa.md` -> `abi/cwa`; the path of a README is its folder. */
function pathOf(file: string): string {
  return file.replace(/\.md$/, '').replace(/(^|\/)README$/, '');
}

interface Place {
  /** Path of the page's file below docs/, `/`-separated. */
  readonly file: string;
  /** Paths of all pages. */
  readonly paths: ReadonlySet<string>;
}

/** Renders Markdown. HTML in it is shown as text; links lead only to other pages, to anchors and to http(s). */
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
  // Lets wide tables and code scroll in a narrow window, with the keyboard too.
  const html = marked.parse(text, { async: false }).replaceAll(/<(pre|table)>/g, '<$1 tabindex="0">');
  return { title, body: `${nav}\n<main>\n${html}</main>` };
}

/** Returns the anchor of a heading in GitHub's form, so that a page's links work in both places. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Returns the target of a link; null for a link that leads out of the book, such as to a source file. */
function targetOf(href: string, { file, paths }: Place): string | null {
  if (/^https?:\/\//.test(href) || href.startsWith('#')) return href;
  const [link = '', anchor] = href.split('#', 2);
  if (!link.endsWith('.md')) return null;
  const path = pathOf(posix.normalize(posix.join(posix.dirname(file), link)));
  if (!paths.has(path)) return null;
  return `/docs${path === '' ? '' : `/${path}`}${anchor === undefined ? '' : `#${anchor}`}`;
}

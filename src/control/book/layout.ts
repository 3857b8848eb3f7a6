/**
 * Lays out a page of the book: search, the pages, what is on this page, the text, and the pages before and after it.
 */
import { escapeHtml, type Page } from './html.ts';
import type { Heading } from './markdown.ts';
import { type BookUrls, bookFiles } from './urls.ts';

/** A part of the index, with the paths of its pages. */
export interface BookPart {
  readonly title: string;
  readonly paths: readonly string[];
}

export interface Placed {
  readonly path: string;
  readonly title: string;
  readonly html: string;
  readonly headings: readonly Heading[];
  readonly parts: readonly BookPart[];
  /** Titles of pages by path. */
  readonly titles: ReadonlyMap<string, string>;
  readonly urls: BookUrls;
  /** Paths of the pages before and after this one in reading order. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Entries of a table of contents. A longer one lists headings of the second level alone. */
const contentsMax = 70;

export function frameOf(placed: Placed): Page {
  const { path, title, html, urls } = placed;
  const above = urls.above === null ? '' : `<a href="${urls.above}">Trisiel</a> / `;
  const body = [
    '<a class="skip" href="#content">To the text</a>',
    `<header><nav aria-label="Trisiel">${above}<a href="${escapeHtml(urls.page('', path))}">The book</a> <a class="narrow" href="#pages">Pages</a></nav>`,
    searchForm(escapeHtml(urls.file(bookFiles.search, path))),
    '</header>\n<div class="book">',
    contentsOf(placed),
    `<main id="content">\n${html}${aroundOf(placed)}</main>`,
    pagesOf(placed),
    '</div>',
  ];
  const name = path === '' ? 'The book' : title;
  return {
    title: `${name}: Trisiel`,
    body: body.join('\n'),
    style,
    script: urls.file(bookFiles.script, path),
  };
}

/** Hidden until browser.js shows it: without scripts there is no search. */
function searchForm(index: string): string {
  return (
    `<form role="search" hidden data-index="${index}"><label class="unseen" for="search">Search the book</label>` +
    '<input type="search" id="search" placeholder="Search ( / )" autocomplete="off" spellcheck="false">' +
    '<p role="status" class="unseen"></p><ol></ol></form>\n<button type="button" hidden>Theme</button>'
  );
}

function contentsOf({ headings }: Placed): string {
  const below = headings.filter(({ depth }) => depth === 2 || depth === 3);
  const listed = below.length > contentsMax ? below.filter(({ depth }) => depth === 2) : below;
  if (listed.length < 2) return '';
  const rows = listed.map(
    ({ depth, anchor, text }) =>
      `<li${depth === 3 ? ' class="deep"' : ''}><a href="#${escapeHtml(anchor)}">${escapeHtml(text)}</a>`,
  );
  return `<nav class="contents" aria-label="On this page"><details><summary>On this page</summary>\n<ul>\n${rows.join('\n')}\n</ul></details></nav>`;
}

function pagesOf({ path, parts, titles, urls }: Placed): string {
  const rows = parts.map(({ title, paths }) => {
    const items = paths.map((one) => {
      const current = one === path ? ' aria-current="page"' : '';
      return `<li><a href="${escapeHtml(urls.page(one, path))}"${current}>${escapeHtml(titles.get(one) ?? one)}</a>`;
    });
    return `<li>${escapeHtml(title)}\n<ul>\n${items.join('\n')}\n</ul>`;
  });
  return `<nav id="pages" aria-label="Pages"><ul>\n${rows.join('\n')}\n</ul></nav>`;
}

function aroundOf({ path, before, after, titles, urls }: Placed): string {
  if (before === null && after === null) return '';
  const link = (to: string | null, rel: 'prev' | 'next') => {
    if (to === null) return '';
    const title = escapeHtml(titles.get(to) ?? to);
    const words = rel === 'prev' ? `← ${title}` : `${title} →`;
    return `<a rel="${rel}" href="${escapeHtml(urls.page(to, path))}">${words}</a>`;
  };
  return `<nav class="around" aria-label="Before and after">${link(before, 'prev')} ${link(after, 'next')}</nav>\n`;
}

const style = `
body { max-width: none; margin: 0; padding: 0; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .5rem 1rem; border-bottom: 1px solid #8886; }
header nav { margin: 0; flex: 1 1 auto; }
.narrow { margin-left: 1rem; }
form { position: relative; flex: 0 1 20rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .25rem .5rem; border: 1px solid #888; border-radius: 6px; background: inherit; color: inherit; }
button { font: inherit; padding: .25rem .75rem; border: 1px solid #888; border-radius: 6px; background: none; color: inherit; }
form ol { position: absolute; right: 0; z-index: 1; width: min(36rem, 92vw); max-height: 70vh; overflow-y: auto; margin: .25rem 0 0; padding: 0; list-style: none; background: light-dark(#fff, #1c1c1c); border: 1px solid #888; border-radius: 6px; }
form ol:empty { display: none; }
form ol a { display: block; padding: .5rem .75rem; text-decoration: none; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
form ol a:focus, form ol a:hover { background: #8883; }
form ol small { display: block; color: light-dark(#444, #bbb); }
.book { display: grid; grid-template-columns: minmax(0, 46rem); justify-content: center; gap: 0 2.5rem; padding: 1rem; }
.book nav ul { list-style: none; padding: 0; margin: .25rem 0 0; }
.book nav ul ul { padding-left: .75rem; margin: 0 0 .75rem; }
.book nav li { overflow-wrap: anywhere; }
.deep { padding-left: .75rem; }
[aria-current] { font-weight: bold; }
main { min-width: 0; }
main :is(h2, h3) { scroll-margin-top: 1rem; }
main img { max-width: 100%; height: auto; border: 1px solid #8886; border-radius: 6px; }
main a { overflow-wrap: anywhere; }
.around { display: flex; justify-content: space-between; gap: 1rem; margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid #8884; }
.file { margin: 1rem 0 -.75rem; }
pre i { color: light-dark(#5a5a5a, #a8a8a8); }
pre span { color: light-dark(#1d6b2f, #9fd3a9); }
.unseen, .skip:not(:focus) { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }
@media (min-width: 60rem) {
  .narrow { display: none; }
  .book { grid-template-columns: 15rem minmax(0, 46rem); }
  .book > * { grid-column: 2; }
  #pages { grid-column: 1; grid-row: 1 / span 2; font-size: 15px; }
}
@media (min-width: 80rem) {
  .book { grid-template-columns: 15rem minmax(0, 50rem) 14rem; }
  main { grid-row: 1; }
  .contents { grid-column: 3; grid-row: 1; position: sticky; top: 1rem; align-self: start; max-height: calc(100vh - 2rem); overflow-y: auto; font-size: 15px; }
}
@media print {
  :root { color-scheme: light !important; }
  header, .book nav { display: none; }
  .book { display: block; padding: 0; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  pre, tr, img { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
`;

/** URLs inside of the book: those of a server, and those of a static site. */
import { posix } from 'node:path';

/** URLs of a rendered book, as pages of it link to each other. */
export interface BookUrls {
  /** Returns the URL of the page `to`, or of a file, in the page `from`. */
  readonly page: (to: string, from: string) => string;
  readonly file: (name: string, from: string) => string;
  /** Returns the URL of a page relative to that of the search script. */
  readonly found: (to: string) => string;
  /** Link above the book; null: there is nothing above it. */
  readonly above: string | null;
}

/** URLs on a server: /docs, /docs/push, /docs/abi/cwa. */
export const serverUrls: BookUrls = {
  page: (to) => (to === '' ? '/docs' : `/docs/${to}`),
  file: (name) => `/docs/${name}`,
  found: (to) => (to === '' ? './' : to),
  above: '/',
};

/** Path of what is shown at a path without a page; no page has it. */
export const notFoundPath = '404';

/**
 * Returns the URLs of files in folders, which also work without any server: ../push.html. Those of the page that stands
 * for missing ones, which a server sends at any path, are absolute: `base`, with a slash at its end, and the file.
 */
export function siteUrls(base = '/'): BookUrls {
  const url = (name: string, from: string): string =>
    from === notFoundPath ? `${base}${name}` : posix.relative(posix.dirname(siteFile(from)), name);
  return { page: (to, from) => url(siteFile(to), from), file: url, found: siteFile, above: null };
}

/** Returns the name of the file that holds a page on a static site. */
export function siteFile(path: string): string {
  return path === '' ? 'index.html' : `${path}.html`;
}

/** Names of the files that the layout refers to. */
export const bookFiles = { script: 'book.js', search: 'search.js' } as const;

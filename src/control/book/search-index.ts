/** Makes the search index of the book: the text of each section, as a script that browser.js loads when it is asked. */

export interface SearchedSection {
  /** URL relative to that of the index, with the anchor of the section. */
  readonly url: string;
  readonly page: string;
  readonly heading: string;
  readonly text: string;
}

/** Splits the HTML of a page at its headings. The text has no marks; white space is single. */
export function sectionsOf(html: string, { url, title }: { url: string; title: string }): readonly SearchedSection[] {
  return html
    .split(/(?=<h[1-3] id=")/)
    .map((part) => {
      const [whole = '', depth, anchor = '', heading = ''] = /^<h([1-3]) id="([^"]*)">(.*)<\/h[1-3]>/.exec(part) ?? [];
      return {
        url: depth === undefined || depth === '1' ? url : `${url}#${anchor}`,
        page: title,
        heading: textOf(heading),
        text: textOf(part.slice(whole.length)),
      };
    })
    .filter(({ heading, text }) => heading !== '' || text !== '');
}

/** Returns the index as JavaScript. Each section is an array: URL, page, heading, text. */
export function searchScript(sections: readonly SearchedSection[]): string {
  const rows = sections.map(({ url, page, heading, text }) => [url, page, heading, text]);
  return `globalThis.trisielBook = ${JSON.stringify(rows)};\n`;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

function textOf(html: string): string {
  return html
    .replace(/<[^>]*>/g, (tag) => (/^<\/?(?:b|i|span|code|a|em|strong)\b/.test(tag) ? '' : ' '))
    .replace(/&(?:#(\d+)|(\w+));/g, (whole, code: string | undefined, name: string = '') =>
      code === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(code)),
    )
    .replace(/\s+/g, ' ')
    .trim();
}

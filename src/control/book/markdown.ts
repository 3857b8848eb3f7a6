/**
 * Renders Markdown (GitHub's) as HTML that runs nothing: HTML in it is shown as text, links and pictures lead only
 * where the caller says, and to http(s).
 */
import { Marked, type Token, type Tokens } from 'marked';
import { highlighted } from './highlight.ts';
import { escapeHtml } from './html.ts';

export interface Heading {
  /** 1 to 6. */
  readonly depth: number;
  readonly anchor: string;
  /** Plain text. */
  readonly text: string;
}

export interface Rendered {
  readonly html: string;
  readonly headings: readonly Heading[];
}

/** Returns the URL of a link or picture in the page; null: it leads nowhere, and only its words are shown. */
export type LinkTarget = (href: string) => string | null;

export function renderMarkdown(
  text: string,
  targets: { readonly link: LinkTarget; readonly picture: LinkTarget },
): Rendered {
  const headings: Heading[] = [];
  const taken = new Map<string, number>();
  const marked = new Marked({
    gfm: true,
    renderer: {
      // Comments are for the programs that write parts of pages.
      html: ({ text: html }) => (/^\s*<!--(?:(?!-->)[\s\S])*-->\s*$/.test(html) ? '' : escapeHtml(html)),
      image({ href, text: alternative }: Tokens.Image) {
        const target = targets.picture(href);
        const words = escapeHtml(alternative);
        return target === null ? words : `<img src="${escapeHtml(target)}" alt="${words}" loading="lazy">`;
      },
      heading({ tokens, depth, text: title }) {
        const name = anchorOf(title);
        const before = taken.get(name) ?? 0;
        taken.set(name, before + 1);
        const anchor = before === 0 ? name : `${name}-${before}`;
        headings.push({ depth, anchor, text: plainText(tokens) });
        return `<h${depth} id="${escapeHtml(anchor)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const words = this.parser.parseInline(tokens);
        const target = /^https?:\/\//.test(href) ? href : targets.link(href);
        return target === null ? words : `<a href="${escapeHtml(target)}">${words}</a>`;
      },
      // A heading without words, over the second column of a list, is no heading.
      tablecell({ tokens, header }: Tokens.TableCell) {
        const words = this.parser.parseInline(tokens);
        const element = header && words !== '' ? 'th' : 'td';
        return `<${element}>${words}</${element}>\n`;
      },
      code({ text: code, lang = '' }: Tokens.Code) {
        const [language = '', file] = lang.split(/\s+/);
        const name = file === undefined ? '' : `<p class="file"><code>${escapeHtml(file)}</code></p>\n`;
        return `${name}<pre><code>${highlighted(`${code}\n`, language)}</code></pre>\n`;
      },
    },
  });
  const html = marked.parse(text, { async: false });
  // Lets wide tables and code scroll in a narrow window, with the keyboard too.
  return { html: html.replaceAll(/<(pre|table)>/g, '<$1 tabindex="0">'), headings };
}

/** Returns the anchor of a heading in GitHub's form, so that a page's links work in both places. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Returns the words of a heading without their marks. */
function plainText(tokens: readonly Token[]): string {
  const texts = tokens.map((token) => {
    if ('tokens' in token && token.tokens !== undefined) return plainText(token.tokens);
    return 'text' in token ? String(token.text) : '';
  });
  return texts.join('');
}

/** Makes the documents that browsers get from one frame and one style; none of them holds a script of its own. */
import { createHash } from 'node:crypto';

const style = `
:root { color-scheme: light dark; background: light-dark(#fff, #121212); color: light-dark(#1a1a1a, #e8e8e8); }
:root[data-theme=light] { color-scheme: light; }
:root[data-theme=dark] { color-scheme: dark; }
a { color: light-dark(#0b4bb3, #9dbcff); }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; }
pre, code { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8886; border-radius: 6px; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
table.places td, p code, li code { overflow-wrap: anywhere; }
nav { margin-bottom: 1.5rem; }
`;

export interface Page {
  readonly title: string;
  /** HTML. Text from others in it has passed `escapeHtml`. */
  readonly body: string;
  /** CSS behind that of all pages; absent: none. */
  readonly style?: string;
  /** URL of a script on this server; absent: no script runs. */
  readonly script?: string;
}

/** Returns the whole document of a page. */
export function documentOf({ title, body, style: own = '', script }: Page): string {
  return (
    `<!doctype html>\n<html lang="en"><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>${escapeHtml(title)}</title>\n<style>${style}${own}</style>\n` +
    `${script === undefined ? '' : `<script src="${escapeHtml(script)}"></script>\n`}${body}\n`
  );
}

/**
 * Returns the Content-Security-Policy of a page: its style is allowed by hash. A page with a script may run scripts and
 * show pictures of its own origin; nothing else is loaded or run.
 */
export function policyOf({ style: own = '', script }: Page): string {
  const hash = createHash('sha256').update(`${style}${own}`).digest('base64');
  const scripts = script === undefined ? '' : "script-src 'self'; img-src 'self'; ";
  return (
    `default-src 'none'; style-src 'sha256-${hash}'; ${scripts}` +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
  );
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

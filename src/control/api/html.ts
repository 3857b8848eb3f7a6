/** Makes pages for people with a browser: one frame, one style, no script. */
import { createHash } from 'node:crypto';
import type Koa from 'koa';

const style = `
:root { color-scheme: light dark; background: light-dark(#fff, #121212); color: light-dark(#1a1a1a, #e8e8e8); }
a { color: light-dark(#0b4bb3, #9dbcff); }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; }
pre, code { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8886; border-radius: 6px; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
table.places td, p code, li code { overflow-wrap: anywhere; }
nav { margin-bottom: 1.5rem; }
`;

/** Allows the page's own style by its hash; nothing else is loaded or run. */
const contentSecurityPolicy =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; ` +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export interface Page {
  readonly title: string;
  /** HTML. Text from others in it has passed `escapeHtml`. */
  readonly body: string;
}

/** Answers with a page, and leaves the status unchanged. */
export function sendPage(ctx: Koa.Context, { title, body }: Page): void {
  ctx.set('content-security-policy', contentSecurityPolicy);
  ctx.type = 'text/html; charset=utf-8';
  ctx.body =
    `<!doctype html>\n<html lang="en"><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>${escapeHtml(title)}</title>\n<style>${style}</style>\n${body}\n`;
}

/** Returns whether the caller is a browser rather than a program: it prefers HTML to plain text and JSON. */
export function wantsPage(ctx: Koa.Context): boolean {
  return ctx.accepts('text/plain', 'application/json', 'text/html') === 'text/html';
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** Answers browsers with pages. */
import type Koa from 'koa';
import { documentOf, type Page, policyOf } from '../book/html.ts';

/** Answers with a page, and leaves the status unchanged. */
export function sendPage(ctx: Koa.Context, page: Page): void {
  ctx.set('content-security-policy', policyOf(page));
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = documentOf(page);
}

/** Returns whether the caller is a browser rather than a program: it prefers HTML to plain text and JSON. */
export function wantsPage(ctx: Koa.Context): boolean {
  return ctx.accepts('text/plain', 'application/json', 'text/html') === 'text/html';
}

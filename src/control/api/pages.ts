/**
 * Serves pages that are open to everybody: front page, status, docs, liveness, readiness, metrics, the list of imports.
 */
import { fileURLToPath } from 'node:url';
import Router from '@koa/router';
import type Koa from 'koa';
import { sql } from 'kysely';
import { PlatformError, type Problem } from '../../protocol/errors.ts';
import type { FunctionImport } from '../../protocol/module.ts';
import { isHandlerName } from '../../protocol/names.ts';
import type { AbiName } from '../../protocol/nouns.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import { type Book, type BookFile, readBook } from '../book/book.ts';
import { escapeHtml, type Page } from '../book/html.ts';
import type { Database } from '../db/database.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Addresses, frontHtml, frontText } from './front-page.ts';
import { sendPage, wantsPage } from './html.ts';
import { isFromThisMachine } from './local-caller.ts';
import { namesEtag } from './representation.ts';
import { statusHtml, statusJson } from './status-page.ts';

/** An import that guests may have. A name may be listed several times, with different types. */
export interface ProvidedImport extends FunctionImport {
  readonly abi: AbiName;
}

const docsFolder = fileURLToPath(new URL('../../../docs/', import.meta.url));

export interface PagesOptions {
  readonly db: Database;
  readonly metrics: Metrics;
  /** Returns the reasons for which the platform cannot serve at the moment; empty when it can. */
  readonly notReady: () => readonly string[];
  /** Returns the functions that guests may import. */
  readonly imports: () => Promise<readonly ProvidedImport[]>;
  readonly identity: PlatformIdentity;
  readonly metricsToken?: string | null;
  readonly addresses: Addresses;
  /** Version of this program. */
  readonly version: string;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
}

/** Tells a runner whose control has died whether another control of the same data folder has taken over. */
export interface PlatformIdentity {
  readonly platformId: string;
  /** Id drawn at each start of control. */
  readonly bootId: string;
}

/** Makes the routes outside of the API: `/`, `/healthz`, `/readyz`, `/status`, `/metrics`, and the book in `/docs`. */
export function pages(options: PagesOptions): Router {
  const { db, metrics, notReady, imports, identity, addresses, metricsToken = null } = options;
  const router = new Router();
  const startedMs = options.now();
  const whyNot = async (): Promise<readonly string[]> => {
    const why = [...notReady()];
    await sql`select 1`.execute(db.probe).catch(() => why.push('the database does not answer'));
    return why;
  };
  router.get('/', (ctx) => {
    const elsewhere = functionOfHost(ctx.hostname, addresses);
    if (elsewhere !== null) throw nothingHere(ctx, addresses);
    if (wantsPage(ctx)) return sendPage(ctx, { title: 'Trisiel', body: frontHtml(addresses) });
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = frontText(addresses);
  });
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'alive' };
  });
  router.get('/readyz', async (ctx) => {
    const why = await whyNot();
    ctx.status = why.length === 0 ? 200 : 503;
    ctx.body = { ready: why.length === 0, ...(why.length === 0 ? {} : { why }), ...identity };
  });
  router.get('/status', async (ctx) => {
    const status = {
      notReady: await whyNot(),
      version: options.version,
      node: process.versions.node,
      database: db.isShared ? ('postgres' as const) : ('sqlite' as const),
      uptimeS: Math.max(0, Math.floor((options.now() - startedMs) / 1_000)),
    };
    ctx.set('cache-control', 'no-store');
    if (wantsPage(ctx)) return sendPage(ctx, { title: 'Status: Trisiel', body: statusHtml(status) });
    ctx.body = statusJson(status);
  });
  router.get('/metrics', async (ctx) => {
    mayReadMetrics(ctx, metricsToken);
    const { type, text } = await metrics.scrape(ctx.get('accept'));
    ctx.vary('accept');
    ctx.type = type;
    ctx.body = text;
  });
  // Reads the docs at the first request: a platform whose docs are damaged still runs functions.
  let book: Promise<Book> | null = null;
  // A request's path is looked up in the tables of the book and never reaches the file system.
  router.get(['/docs', '/docs/{*path}'], async (ctx, next) => {
    book ??= readBook(docsFolder);
    const { pages: chapters, files } = await book;
    const path = ctx.path.slice('/docs/'.length).replace(/\/$/, '');
    const file = files.get(path);
    if (file !== undefined) return sendFile(ctx, file);
    const found = chapters.get(path);
    if (found === undefined) return next();
    ctx.vary('accept');
    if (wantsPage(ctx)) return sendPage(ctx, found.page);
    ctx.type = 'text/markdown; charset=utf-8';
    ctx.body = found.text;
  });
  router.get('/docs/imports', async (ctx) => {
    const rows = await imports();
    if (wantsPage(ctx)) return sendPage(ctx, { title: 'Imports', body: importsHtml(rows) });
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = importsText(rows);
  });
  // A reader who has followed an old link keeps the search and the list of pages.
  router.get('/docs/{*path}', async (ctx, next) => {
    if (book === null || !wantsPage(ctx)) return next();
    ctx.status = 404;
    sendPage(ctx, (await book).notFound);
  });
  return router;
}

/**
 * Answers with a file of the book in a coding that the client accepts. Browsers keep it and ask about it again (ETag).
 */
function sendFile(ctx: Koa.Context, { type, representations }: BookFile): void {
  const accepted = ctx.acceptsEncodings(...representations.map(({ coding }) => coding));
  const sent = representations.find(({ coding }) => coding === accepted) ?? representations.at(-1);
  if (sent === undefined) throw new Error('a file of the book has no representation');
  ctx.vary('accept-encoding');
  ctx.set({ etag: sent.etag, 'cache-control': 'no-cache' });
  if (namesEtag(ctx.get('if-none-match'), sent.etag)) {
    ctx.status = 304;
    return;
  }
  if (sent.coding !== 'identity') ctx.set('content-encoding', sent.coding);
  ctx.type = type;
  ctx.body = sent.bytes;
}

/**
 * Throws `unauthorized` or `forbidden` unless the request may read the metrics: with the operator's token or, when none
 * is set, from this machine.
 */
function mayReadMetrics(ctx: Koa.Context, token: string | null): void {
  if (token !== null) {
    const given = /^Bearer +(\S+)$/i.exec(ctx.headers.authorization ?? '')?.[1] ?? '';
    if (sameSecret(given, token)) return;
    throw new PlatformError('unauthorized', 'the metrics need the token that TRISIEL_METRICS_TOKEN holds');
  }
  if (isFromThisMachine(ctx.req)) return;
  throw new PlatformError('forbidden', 'the metrics are for this machine', {
    hints: ['to read them from elsewhere, start the server with TRISIEL_METRICS_TOKEN and send it as a Bearer token'],
  });
}

/**
 * Returns the error for a path outside the API. The caller may have mixed up the ports, so for a function's host name,
 * or a path that begins with a handler's name, the error names the URL of that function.
 */
export function nothingHere(ctx: Koa.Context, addresses: Addresses): PlatformError {
  const label = functionOfHost(ctx.hostname, addresses);
  if (label !== null)
    return new PlatformError('not_found', 'this is the port of the API and of git; functions answer elsewhere', {
      hints: [`${label} answers at ${addresses.functionUrl(label)} or ${addresses.functionPathUrl(label)}`],
    });
  const [, first = ''] = ctx.path.split('/', 2);
  return new PlatformError('not_found', 'there is nothing at this path', {
    hints: [
      ...(isHandlerName(first) ? [`a handler ${first} would answer at ${addresses.functionPathUrl(first)}`] : []),
      `what there is: ${addresses.serverUrl()}/`,
      `the book: ${addresses.serverUrl()}/docs`,
    ],
  });
}

/** Returns a refusal as a page for a browser. */
export function problemPage({ title, detail, hints = [] }: Problem): Page {
  const rows = hints.map((hint) => `<li>${linked(hint)}`);
  const heading = `${detail.charAt(0).toUpperCase()}${detail.slice(1)}`;
  return {
    title,
    body: `<nav aria-label="Trisiel"><a href="/">Trisiel</a></nav>\n<main>\n<h1>${escapeHtml(heading)}</h1>\n<ul>${rows.join('\n')}</ul>\n</main>`,
  };
}

function linked(text: string): string {
  return escapeHtml(text).replace(/https?:\/\/[^\s&]+/g, (url) => `<a href="${url}">${url}</a>`);
}

/** Returns the handler whose host name the caller used at the wrong port; null for every other host. */
function functionOfHost(hostname: string, { functionUrl }: Addresses): string | null {
  const label = hostname.split('.', 1)[0] ?? '';
  if (!isHandlerName(label)) return null;
  return URL.parse(functionUrl(label))?.hostname === hostname ? label : null;
}

export function importsText(imports: readonly ProvidedImport[]): string {
  return sections(imports)
    .map(([abi, rows]) => {
      const width = Math.max(...rows.map((row) => nameOf(row).length));
      const lines = rows.map((row) => `  ${nameOf(row).padEnd(width)}  ${typeOf(row)}`);
      return `${abi}\n\n${lines.join('\n')}\n`;
    })
    .join('\n');
}

function importsHtml(imports: readonly ProvidedImport[]): string {
  const body = sections(imports).map(([abi, rows]) => {
    const lines = rows.map(
      (row) => `<tr><td><code>${escapeHtml(nameOf(row))}</code><td><code>${escapeHtml(typeOf(row))}</code>`,
    );
    return `<h2>${escapeHtml(abi)}</h2>\n<table>\n${lines.join('\n')}\n</table>`;
  });
  return `<nav aria-label="Trisiel"><a href="/">Trisiel</a></nav>\n<main>\n<h1>What a module may import</h1>\n${body.join('\n')}\n</main>`;
}

function sections(imports: readonly ProvidedImport[]): [string, ProvidedImport[]][] {
  return [...Map.groupBy(imports, (row) => row.abi)].sort(([a], [b]) => a.localeCompare(b));
}

function nameOf(row: ProvidedImport): string {
  return `${row.module}.${row.name}`;
}

function typeOf({ params, results }: ProvidedImport): string {
  return results.length === 0 ? `(${params.join(', ')})` : `(${params.join(', ')}) -> ${results.join(', ')}`;
}

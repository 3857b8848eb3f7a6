/** What stands beside the API, open to everybody: liveness, readiness, metrics, the list of imports. */
import Router from '@koa/router';
import type Koa from 'koa';
import { sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { FunctionImport } from '../../protocol/module.ts';
import type { AbiName } from '../../protocol/nouns.ts';
import { sameSecret } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import type { Metrics } from './metrics.ts';

/** An import that guests may have. The same name may come with several types. */
export interface ProvidedImport extends FunctionImport {
  readonly abi: AbiName;
}

export interface PagesOptions {
  readonly db: Database;
  readonly metrics: Metrics;
  /** Why the platform cannot serve at the moment; empty when it can. */
  readonly notReady: () => readonly string[];
  readonly imports: readonly ProvidedImport[];
  readonly identity: PlatformIdentity;
  readonly metricsToken?: string | null;
}

/** By these a runner whose control has died knows that another one of the same data folder has taken over. */
export interface PlatformIdentity {
  readonly platformId: string;
  /** Drawn anew at each start. */
  readonly bootId: string;
}

export function pages(options: PagesOptions): Router {
  const { db, metrics, notReady, imports, identity, metricsToken = null } = options;
  const router = new Router();
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'alive' };
  });
  router.get('/readyz', async (ctx) => {
    const why = [...notReady()];
    await sql`select 1`.execute(db.probe).catch(() => why.push('the database does not answer'));
    ctx.status = why.length === 0 ? 200 : 503;
    ctx.body = { ready: why.length === 0, ...(why.length === 0 ? {} : { why }), ...identity };
  });
  router.get('/metrics', async (ctx) => {
    mayReadMetrics(ctx, metricsToken);
    ctx.type = metrics.registry.contentType;
    ctx.body = await metrics.registry.metrics();
  });
  router.get('/docs/imports', (ctx) => {
    const html = ctx.accepts('text/plain', 'text/html') === 'text/html';
    ctx.type = html ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8';
    ctx.body = html ? importsHtml(imports) : importsText(imports);
  });
  return router;
}

/**
 * Throws `unauthorized` or `forbidden` unless the request may read the metrics: with the operator's token or, where
 * none is set, from this machine. A request that says it was forwarded did not begin here, trusted proxy or not.
 */
function mayReadMetrics(ctx: Koa.Context, token: string | null): void {
  if (token !== null) {
    const given = /^Bearer +(\S+)$/i.exec(ctx.headers.authorization ?? '')?.[1] ?? '';
    if (sameSecret(given, token)) return;
    throw new PlatformError('unauthorized', 'the metrics need the token that TRISIEL_METRICS_TOKEN holds');
  }
  const forwarded = ctx.headers.forwarded ?? ctx.headers['x-forwarded-for'];
  if (/^(?:127\.|::1$|::ffff:127\.)/.test(ctx.req.socket.remoteAddress ?? '') && forwarded === undefined) return;
  throw new PlatformError('forbidden', 'the metrics are for this machine', {
    hints: ['to read them from elsewhere, start the server with TRISIEL_METRICS_TOKEN and send it as a Bearer token'],
  });
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
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Imports</title>\n<h1>What a module may import</h1>\n${body.join('\n')}\n`;
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

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/**
 * Answers a proxy that asks before it gets a certificate on demand (Caddy's `ask`): `GET /tls/ask?domain=HOST`. 200:
 * the host is one of the platform's; 404: it is not.
 */
import Router from '@koa/router';
import type Koa from 'koa';
import { PlatformError } from '../../protocol/errors.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import { isFromThisMachine } from './local-caller.ts';

export interface TlsAskOptions {
  /** Returns whether a host, any text, may get a certificate. */
  readonly mayHaveCertificate: (host: string) => Promise<boolean>;
  /**
   * Token that askers on other machines send, as a Bearer token or as the query field `token`, since Caddy sends no
   * header; null: only programs on this machine may ask.
   */
  readonly askToken?: string | null;
}

export function tlsAsk({ mayHaveCertificate, askToken = null }: TlsAskOptions): Router {
  const router = new Router();
  router.get('/tls/ask', async (ctx) => {
    mayAsk(ctx, askToken);
    const { domain } = ctx.query;
    if (typeof domain !== 'string' || domain === '')
      throw new PlatformError('bad_request', 'name one host: /tls/ask?domain=api.example.com');
    if (!(await mayHaveCertificate(domain)))
      throw new PlatformError('not_found', 'no handler, preview or verified domain has this host name');
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = 'yes\n';
  });
  return router;
}

/** Throws `forbidden` unless the request comes from this machine or has the token. */
function mayAsk(ctx: Koa.Context, token: string | null): void {
  if (isFromThisMachine(ctx.req)) return;
  const { token: given = /^Bearer +(\S+)$/i.exec(ctx.headers.authorization ?? '')?.[1] } = ctx.query;
  if (token !== null && typeof given === 'string' && sameSecret(given, token)) return;
  throw new PlatformError('forbidden', 'this question is for a proxy on this machine', {
    hints: ['a proxy elsewhere sends the token that TRISIEL_ASK_TOKEN holds: /tls/ask?token=TOKEN&domain=HOST'],
  });
}

/** Finds host and URLs of a request from the opened URL, the request target and the Host header. */
import type { HttpOrigin } from './http-pool.ts';
import { type RequestHead, valuesOf } from './http-request.ts';
import { networkProtocols, originOf, parseAuthority, parseTarget, type Target, usesTls } from './target.ts';

export interface Requested {
  readonly origin: HttpOrigin;
  readonly path: string;
  /** Value of the Host header. */
  readonly host: string;
  /** URLs of the request for the policy: with the host of the connection, and with the Host header if it differs. */
  readonly urls: readonly string[];
}

/**
 * Returns what the head requests at the opened URL, or a text about its error. A host in the target must equal that of
 * the opened URL. If the opened URL has none, the host is that of the target or of the Host header (RFC 9112 3.2.2).
 */
export function requested(opened: Target, head: RequestHead): Requested | string {
  const scheme = usesTls(opened.scheme) ? networkProtocols.http.tls : networkProtocols.http.plain;
  const [hostHeader] = valuesOf(head.headers, 'host');
  let path = head.target;
  let named = opened.host === null ? null : { host: opened.host, port: opened.port };
  if (!path.startsWith('/') && path !== '*') {
    const absolute = parseTarget(path);
    if (absolute === null || absolute.host === null) return 'the request target is no valid URL';
    const origin: HttpOrigin = { scheme, host: absolute.host, port: absolute.port };
    if (absolute.scheme !== scheme || (named !== null && originOf(origin) !== originOf({ scheme, ...named })))
      return 'the request target names another host than the URL that was opened';
    named = origin;
    path = absolute.path.startsWith('/') ? absolute.path : `/${absolute.path}`;
  }
  const header = hostHeader === undefined || hostHeader === '' ? null : parseAuthority(hostHeader, scheme);
  if (hostHeader !== undefined && hostHeader !== '' && header === null) return 'the Host header names no host';
  named ??= header;
  if (named === null) return 'neither the URL nor a Host header names a host';
  const origin: HttpOrigin = { scheme, ...named };
  if (path !== '*') {
    // Resolves dot segments and backslashes, so that the policy sees the path that is sent.
    const url = new URL(`${originOf(origin)}${percentEncoded(path)}`);
    path = `${url.pathname}${url.search}`;
  }
  const urls = [`${originOf(origin)}${path === '*' ? '' : path}`];
  const hostText = originOf({ scheme, ...(header ?? named) }).slice(scheme.length + 3);
  const byHeader = `${scheme}://${hostText}${path === '*' ? '' : path}`;
  if (byHeader !== urls[0]) urls.push(byHeader);
  return { origin, path, host: hostText, urls };
}

/** Returns `path` with each byte above 0x7f as %XX; the target was read as latin1. */
function percentEncoded(path: string): string {
  return path.replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

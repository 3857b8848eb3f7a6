/** Makes the environment of a request (RFC 3875 section 4.1; docs/http.md). */
import type { IncomingMessage } from 'node:http';
import type { GuestText } from '../guest/kernel/memory.ts';
import { triedField } from '../protocol/placement.ts';
import { programVersion } from '../protocol/program-version.ts';
import { triggerFieldNames } from '../protocol/trigger.ts';
import type { ClientFacts } from '../protocol/trusted-proxies.ts';
import { guestText, percentDecoded } from './octets.ts';

/** Value of SERVER_SOFTWARE. */
const serverSoftware = `Trisiel/${programVersion}`;

/** Header names whose variables are cached; clients may invent names, so the cache is bounded. */
const variableNamesMax = 2_000;
const variableNames = new Map<string, string | null>();

/**
 * Fields that are never passed on. `proxy` would become HTTP_PROXY, which HTTP clients obey (httpoxy, CVE-2016-5385).
 * The content fields have variables of their own; the transfer coding has been removed.
 */
const withheld = new Set(['proxy', 'proxy-authorization', 'content-type', 'content-length', 'transfer-encoding']);
/** Fields that are passed on only from a trusted proxy, since every client can send them. */
const forwarding = /^(?:forwarded|x-forwarded-.*|x-real-ip)$/;

export interface CgiRequest {
  readonly request: IncomingMessage;
  readonly method: string;
  /** Request target as received, with its query. */
  readonly uri: string;
  /** Part of the path that leads to the handler: '' or `/NAME`. */
  readonly scriptName: string;
  /** The rest of the path, percent-encoded as received. */
  readonly path: string;
  /** Query without the question mark. */
  readonly query: string;
  /** Authority of the request, for HTTP_HOST; '': none. */
  readonly authority: string;
  /** Host without port, in lower case; followed by the port as text. */
  readonly serverName: string;
  readonly serverPort: string;
  readonly client: ClientFacts;
  /** Whether the peer is a trusted proxy, whose forwarding fields are passed on. */
  readonly isProxied: boolean;
  /** Whether the client uses TLS, if no proxy tells the scheme. */
  readonly isHttps: boolean;
  /** Whether the body's fields belong to this run; false after a local redirect, which has no body. */
  readonly ownsBody: boolean;
  /** Bytes of the decoded body; null: unknown, or no body. */
  readonly bodyBytes: number | null;
  readonly invocation: string;
  readonly runner: string;
  readonly passAuthorization: boolean;
  /** Variables of the calling queue or schedule; null: a request of a caller. */
  readonly trigger: Readonly<Record<string, string>> | null;
  /** Place in a trace, which wins over the request's; null: the request's own fields are handed on, if it has any. */
  readonly trace: { readonly traceparent: string } | null;
  /** Variables of the handler, which win over the request's. */
  readonly env: Readonly<Record<string, string>>;
}

/** Returns whether guests get the request field `name` (lower case) from this sender. */
export function isHandedOn(
  name: string,
  { isProxied, passAuthorization }: Pick<CgiRequest, 'isProxied' | 'passAuthorization'>,
): boolean {
  if (triggerFieldNames.has(name) || name === triedField) return false;
  if (name === 'authorization') return passAuthorization;
  return isProxied || !forwarding.test(name);
}

/** Returns all variables, in a new map. */
export function cgiEnvironment(cgi: CgiRequest): Map<string, GuestText> {
  const { request, client } = cgi;
  const isHttps = client.scheme === null ? cgi.isHttps : client.scheme === 'https';
  const env = new Map<string, GuestText>();
  env.set('GATEWAY_INTERFACE', 'CGI/1.1');
  env.set('SERVER_SOFTWARE', serverSoftware);
  env.set('SERVER_PROTOCOL', `HTTP/${request.httpVersion}`);
  env.set('SERVER_NAME', cgi.serverName);
  env.set('SERVER_PORT', cgi.serverPort);
  env.set('REQUEST_METHOD', cgi.method);
  env.set('REQUEST_SCHEME', isHttps ? 'https' : 'http');
  if (isHttps) env.set('HTTPS', 'on');
  env.set('REQUEST_URI', guestText(cgi.uri));
  env.set('SCRIPT_NAME', guestText(cgi.scriptName));
  // RFC 3875 section 4.1.5: PATH_INFO is not URL-encoded.
  env.set('PATH_INFO', percentDecoded(cgi.path));
  env.set('QUERY_STRING', guestText(cgi.query));
  env.set('REMOTE_ADDR', client.address);
  env.set('RUN_ID', cgi.invocation);
  env.set('WORKER_ID', cgi.runner);
  if (cgi.ownsBody) {
    const type = request.headers['content-type'];
    if (type !== undefined) env.set('CONTENT_TYPE', guestText(type));
    if (cgi.bodyBytes !== null) env.set('CONTENT_LENGTH', String(cgi.bodyBytes));
  }
  for (const [name, value] of Object.entries(request.headers)) {
    const variable = variableOf(name);
    if (variable === null || value === undefined) continue;
    if (!isHandedOn(name, cgi)) continue;
    env.set(variable, guestText(typeof value === 'string' ? value : value.join(', ')));
  }
  if (cgi.trace !== null) {
    env.set('HTTP_TRACEPARENT', cgi.trace.traceparent);
    env.set('TRACEPARENT', cgi.trace.traceparent);
  }
  // RFC 9112 section 3.2.2: the authority of an absolute target wins over the Host field.
  if (cgi.authority !== '') env.set('HTTP_HOST', cgi.authority);
  for (const [name, value] of Object.entries(cgi.env)) env.set(name, value);
  if (cgi.trigger !== null) for (const [name, value] of Object.entries(cgi.trigger)) env.set(name, value);
  return env;
}

/** Returns the arguments in the manner of Wagi: the path, then each `key=value` of the query, as received. */
export function cgiArguments(cgi: Pick<CgiRequest, 'path' | 'query'>): readonly GuestText[] {
  const args = cgi.query === '' ? [cgi.path] : [cgi.path, ...cgi.query.split('&')];
  return args.map(guestText);
}

/** Returns the variable of a header, or null for one that guests do not get. `name`: lower case. */
function variableOf(name: string): string | null {
  const known = variableNames.get(name);
  if (known !== undefined) return known;
  // A name with an underscore could be mistaken for one with a hyphen.
  const variable = withheld.has(name) || name.includes('_') ? null : `HTTP_${name.toUpperCase().replaceAll('-', '_')}`;
  if (variableNames.size < variableNamesMax) variableNames.set(name, variable);
  return variable;
}

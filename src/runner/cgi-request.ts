/** The environment of a request (RFC 3875 section 4.1; docs/http.md). */
import type { IncomingMessage } from 'node:http';

/** What software answers, for SERVER_SOFTWARE. */
const serverSoftware = 'Trisiel/0.1.0';

/** Header names seen so far and their variables; a client may invent names, so it stops growing. */
const variableNamesMax = 2_000;
const variableNames = new Map<string, string | null>();

/**
 * Never handed on. `proxy` would become HTTP_PROXY, which HTTP clients obey (httpoxy,
 * CVE-2016-5385); the two content fields have variables of their own.
 */
const withheld = new Set(['proxy', 'proxy-authorization', 'content-type', 'content-length']);

export interface CgiRequest {
  readonly request: IncomingMessage;
  readonly method: string;
  /** As received, query included. */
  readonly uri: string;
  /** The part of the path that led to the handler: '' or `/NAME`. */
  readonly scriptName: string;
  /** The rest of the path, percent-encoded as received. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  /** Host without port, in lower case, and the port as text. */
  readonly serverName: string;
  readonly serverPort: string;
  readonly isHttps: boolean;
  /** Whether the request's own body and its fields belong to this run; false after a local redirect. */
  readonly hasBody: boolean;
  readonly invocation: string;
  readonly runner: string;
  readonly passAuthorization: boolean;
  /** The handler's own variables; they win over the request's. */
  readonly env: Readonly<Record<string, string>>;
}

/** All variables, in a fresh map. */
export function cgiEnvironment(cgi: CgiRequest): Map<string, string> {
  const { request } = cgi;
  const env = new Map<string, string>();
  env.set('GATEWAY_INTERFACE', 'CGI/1.1');
  env.set('SERVER_SOFTWARE', serverSoftware);
  env.set('SERVER_PROTOCOL', `HTTP/${request.httpVersion}`);
  env.set('SERVER_NAME', cgi.serverName);
  env.set('SERVER_PORT', cgi.serverPort);
  env.set('REQUEST_METHOD', cgi.method);
  env.set('REQUEST_SCHEME', cgi.isHttps ? 'https' : 'http');
  if (cgi.isHttps) env.set('HTTPS', 'on');
  env.set('REQUEST_URI', cgi.uri);
  env.set('SCRIPT_NAME', cgi.scriptName);
  env.set('PATH_INFO', decodePath(cgi.path));
  env.set('QUERY_STRING', cgi.query);
  env.set('REMOTE_ADDR', plainAddress(request.socket.remoteAddress));
  env.set('RUN_ID', cgi.invocation);
  env.set('WORKER_ID', cgi.runner);
  if (cgi.hasBody) {
    const type = request.headers['content-type'];
    const length = request.headers['content-length'];
    if (type !== undefined) env.set('CONTENT_TYPE', type);
    if (length !== undefined) env.set('CONTENT_LENGTH', length);
  }
  for (const [name, value] of Object.entries(request.headers)) {
    const variable = variableOf(name);
    if (variable === null || value === undefined) continue;
    if (name === 'authorization' && !cgi.passAuthorization) continue;
    env.set(variable, typeof value === 'string' ? value : value.join(', '));
  }
  for (const [name, value] of Object.entries(cgi.env)) env.set(name, value);
  return env;
}

/** Arguments the way Wagi gives them: the path, then each `key=value` of the query, as received. */
export function cgiArguments(cgi: Pick<CgiRequest, 'path' | 'query'>): readonly string[] {
  return cgi.query === '' ? [cgi.path] : [cgi.path, ...cgi.query.split('&')];
}

/** A header's variable, or null for one that guests do not see. */
function variableOf(name: string): string | null {
  const known = variableNames.get(name);
  if (known !== undefined) return known;
  // A name with an underscore could pass for another with a hyphen; neither is of use in a variable.
  const variable =
    withheld.has(name) || !/^[a-z0-9-]+$/.test(name) ? null : `HTTP_${name.toUpperCase().replaceAll('-', '_')}`;
  if (variableNames.size < variableNamesMax) variableNames.set(name, variable);
  return variable;
}

/** RFC 3875 section 4.1.5: PATH_INFO is not URL-encoded. What cannot be decoded stays as it is. */
function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** An IPv4 client of a dual-stack socket without its `::ffff:`. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

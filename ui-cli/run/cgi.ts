/** `--cgi METHOD PATH`: makes the environment of a request as a runner does (docs/http.md). */

import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { PlatformError } from '../../src/protocol/errors.ts';

export interface SimulatedRequest {
  readonly method: string;
  /** Path and query of the request line. */
  readonly path: string;
}

/**
 * Returns the environment. `given` wins: --env CONTENT_TYPE=… describes the body, --env HTTP_ACCEPT=… adds a header.
 */
export function cgiEnvironment(
  { method, path }: SimulatedRequest,
  bodyBytes: number,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const [, pathname = path, query = ''] = /^([^?]*)\??(.*)$/s.exec(path) ?? [];
  return new Map([
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['SERVER_SOFTWARE', 'Trisiel'],
    ['SERVER_NAME', 'localhost'],
    ['SERVER_PORT', '3003'],
    ['REQUEST_SCHEME', 'http'],
    ['REQUEST_METHOD', method],
    ['REQUEST_URI', path],
    ['SCRIPT_NAME', ''],
    ['PATH_INFO', decodePath(pathname)],
    ['QUERY_STRING', query],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['HTTP_HOST', 'localhost:3003'],
    ['RUN_ID', 'local'],
    ['WORKER_ID', 'local'],
    ...(bodyBytes > 0 ? ([['CONTENT_LENGTH', String(bodyBytes)]] as const) : []),
    ...given,
  ]);
}

/**
 * Returns the arguments as a runner gives them, in the manner of Wagi: the path, then each `key=value` of the query.
 */
export function cgiArguments({ path }: SimulatedRequest): readonly string[] {
  const at = path.indexOf('?');
  if (at < 0) return [path];
  const query = path.slice(at + 1);
  return query === '' ? [path.slice(0, at)] : [path.slice(0, at), ...query.split('&')];
}

/** Reads the whole body, so that its length is known. A terminal counts as no body. */
export async function readBody(
  stdin: Readable & { readonly isTTY?: boolean },
  bodyBytesMax: number,
): Promise<Uint8Array> {
  if (stdin.isTTY === true) return new Uint8Array(0);
  let length = 0;
  stdin.on('data', (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > bodyBytesMax)
      stdin.destroy(new PlatformError('body_too_large', `the request body is larger than ${bodyBytesMax} bytes`));
  });
  return buffer(stdin);
}

/** Decodes PATH_INFO (RFC 3875, 4.1.5: it is not URL-encoded). Text that cannot be decoded stays unchanged. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

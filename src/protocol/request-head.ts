/**
 * Refuses requests whose head is ambiguous about the target or the end of the body (RFC 9112): an attacker could
 * exploit that two parties read such a request differently.
 */
import type { IncomingMessage } from 'node:http';
import { PlatformError } from './errors.ts';

/** RFC 9110 section 7.2, uri-host [":" port]: a name, an IPv4 address, or an IPv6 address in brackets. May be empty. */
const hostField = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** Valid Host field of the last request, which is usually the same. */
let lastHost = '';

/** Throws `bad_request` or `not_implemented` for a head that is refused. */
export function checkHead(request: IncomingMessage): void {
  checkVersion(request);
  checkHost(request);
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined) checkCoding(request, coding);
}

/** node:http reads a request line that ends in HTTP/0.9 or HTTP/2.0 too. */
function checkVersion({ httpVersion }: IncomingMessage): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw bad('The version of HTTP is neither 1.1 nor 1.0.');
}

/**
 * Refuses a wrong Host field. RFC 9112 section 3.2: exactly one Host field in HTTP/1.1, at most one in HTTP/1.0, and it
 * must be valid.
 */
function checkHost(request: IncomingMessage): void {
  const { rawHeaders } = request;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  if (count > 1) throw bad('The request has more than one Host field.');
  const { host } = request.headers;
  if (host === undefined) {
    if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0) return;
    throw bad('The request has no Host field.');
  }
  if (host === lastHost) return;
  if (!isHost(host)) throw bad('The Host field is not a host name with an optional port.');
  lastHost = host;
}

/** Returns whether `text` may stand in a Host field: a host and an optional port from 0 to 65535. */
export function isHost(text: string): boolean {
  if (!hostField.test(text)) return false;
  const port = /:(\d+)$/.exec(text)?.[1];
  return port === undefined || Number(port) <= 65_535;
}

function checkCoding(request: IncomingMessage, coding: string): void {
  // RFC 9112 section 6.1: the framing of such a message is faulty, whatever its other fields say.
  if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0)
    throw bad('Transfer-Encoding is not part of HTTP/1.0.');
  // node:http removes `chunked`. A body in another coding would reach the function still coded and without its name.
  if (coding.trim().toLowerCase() !== 'chunked')
    throw new PlatformError('not_implemented', 'The only transfer coding that is understood is chunked.');
}

function bad(message: string): PlatformError {
  return new PlatformError('bad_request', message);
}

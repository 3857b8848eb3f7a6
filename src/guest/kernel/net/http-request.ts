/**
 * Reads the request that a guest writes to an http: resource, strictly (RFC 9112): request line, header lines, an empty
 * line. Bytes above 0x7f pass unchanged (as latin1). Names, values and targets contain no line end, NUL or other
 * control character, so nothing can be injected.
 */

import { uploadBytesMax } from './http-upload.ts';

export const httpRequestLimits = {
  /** Most bytes of request line and header fields. Servers usually accept 8 to 64 KiB. */
  headBytes: 64 * 1024,
  headers: 256,
  /** Most bytes of a body without Content-Length, which is kept until flush; a body with Content-Length streams. */
  bufferedBodyBytes: 1024 * 1024,
  /** Most bytes of a body with Content-Length that are kept, so that most requests go out in one piece. */
  streamedFromBytes: uploadBytesMax,
} as const;

export interface RequestHead {
  readonly method: string;
  /** Request target: origin-form (`/path?query`), `*`, or absolute-form (`http://host/path`). */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Length of the body in bytes; null without Content-Length. If the body is not chunked either, it ends at flush. */
  readonly contentLength: number | null;
  /** Whether Transfer-Encoding is chunked. */
  readonly isChunked: boolean;
}

/** Returns the head in `bytes`, with or without its empty line; or a text about the error in it. */
export function parseRequestHead(bytes: Uint8Array): RequestHead | string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const lines = text.split(/\r?\n/);
  while (lines.at(-1) === '') lines.pop();
  const start = requestLine.exec(lines[0] ?? '');
  if (start === null) return `the request line ${shown(lines[0] ?? '')} is not METHOD TARGET HTTP/1.1`;
  const [, method = '', target = ''] = start;
  if (method === 'CONNECT') return 'the method CONNECT is not supported; open tcp: instead';
  if (!target.startsWith('/') && !/^https?:\/\//i.test(target) && !(target === '*' && method === 'OPTIONS'))
    return `the request target ${shown(target)} is neither a path nor an http URL`;
  if (lines.length - 1 > httpRequestLimits.headers)
    return `more than ${httpRequestLimits.headers} header lines in the request`;
  const headers: (readonly [string, string])[] = [];
  for (const line of lines.slice(1)) {
    const header = parseHeader(line);
    if (header === null) return `the header line ${shown(line)} is not NAME: VALUE`;
    headers.push(header);
  }
  const contentLength = lengthOf(headers);
  if (typeof contentLength === 'string') return contentLength;
  const codings = valuesOf(headers, 'transfer-encoding');
  const isChunked = codings.length > 0;
  if (isChunked && (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked'))
    return `the Transfer-Encoding ${shown(codings.join(', '))} is not supported; only chunked is`;
  // A message that says in two ways where its body ends is refused (RFC 9112 6.3).
  if (isChunked && contentLength !== null) return 'a request has either Content-Length or Transfer-Encoding';
  if (valuesOf(headers, 'host').length > 1) return 'more than one Host header';
  return { method, target, headers, contentLength, isChunked };
}

/** Returns the values of all headers called `name` (lower case). */
export function valuesOf(headers: RequestHead['headers'], name: string): readonly string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/**
 * Returns lower-case names of header fields that are not passed on, in either direction: fields of one hop (RFC 9110
 * 7.6.1), fields that each side sets for its own connection, and fields named in the Connection header.
 */
export function hopByHop(connection: readonly string[]): ReadonlySet<string> {
  const named = connection.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase());
  return new Set([...hopHeaders, ...named]);
}

const hopHeaders = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/**
 * Returns the fields to send: those of the guest without fields of the hop and without those that the platform sets.
 * `host` is the guest's Host header, or the host of the target.
 */
export function outgoingHeaders(
  head: RequestHead,
  ours: { readonly host: string; readonly userAgent: string; readonly handler: string },
): readonly string[] {
  // Expect is dropped, since the body is sent at once.
  const dropped = new Set([
    ...hopByHop(valuesOf(head.headers, 'connection')),
    'host',
    'content-length',
    'expect',
    'trisiel-handler',
  ]);
  const out: string[] = ['host', ours.host];
  let hasAgent = false;
  for (const [name, value] of head.headers) {
    const key = name.toLowerCase();
    if (dropped.has(key)) continue;
    if (key === 'user-agent') hasAgent = true;
    out.push(name, value);
  }
  if (!hasAgent) out.push('User-Agent', ours.userAgent);
  out.push('Trisiel-Handler', ours.handler);
  return out;
}

const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.[01]$/;
// RFC 9110 5.6.2 and 5.5: a token; visible characters, spaces, tabs and obs-text.
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

// A function replaces the regular expression here: with optional space on both sides of an optional value, that would
// take quadratic time for a line of spaces.
function parseHeader(line: string): readonly [string, string] | null {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  const value = line.slice(colon + 1);
  if (!token.test(name) || !fieldValue.test(value)) return null;
  return [name, trimSpace(value)];
}

/** Returns `text` without spaces and tabs at both ends. trim() would also remove 0xa0. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === ' ' || text[start] === '\t')) start += 1;
  while (end > start && (text[end - 1] === ' ' || text[end - 1] === '\t')) end -= 1;
  return text.slice(start, end);
}

function lengthOf(headers: RequestHead['headers']): number | null | string {
  const values = valuesOf(headers, 'content-length');
  if (values.length === 0) return null;
  const [value = ''] = values;
  if (values.length > 1 || !/^[0-9]{1,15}$/.test(value))
    return `Content-Length ${shown(values.join(', '))} is not a length`;
  return Number(value);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

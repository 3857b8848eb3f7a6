/** Answers of the platform itself: problem+json (RFC 9457) with a stable code. */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import { type PlatformError, toProblem } from '../protocol/errors.ts';
import { nodeField } from '../protocol/placement.ts';
import { errorField } from '../protocol/trigger.ts';

/**
 * Codes after which the connection ends: the rest of the request is useless, or cannot be told from the next request.
 */
const lastOnConnection = new Set([
  'bad_request',
  'body_too_large',
  'expectation_failed',
  'header_too_large',
  'method_not_allowed',
  'not_implemented',
  'request_timeout',
]);

/**
 * Answers and returns the status. No byte may have been sent before. `cookie`: value of a Set-Cookie field; null: none.
 */
export function answerProblem(
  response: ServerResponse,
  error: PlatformError,
  invocation: string,
  cookie: string | null = null,
): number {
  const { body, headers } = problemOf(error, invocation);
  if (cookie !== null) headers.push('set-cookie', cookie);
  response.writeHead(error.status, headers);
  response.end(body);
  return error.status;
}

/** Returns the whole answer as sent on the wire, for a connection whose request node:http could not parse. */
export function problemText(error: PlatformError, invocation: string): string {
  const { body, headers } = problemOf(error, invocation);
  const lines = [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`, `date: ${new Date().toUTCString()}`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function problemOf(error: PlatformError, invocation: string): { readonly body: string; readonly headers: string[] } {
  const body = JSON.stringify(toProblem(error, invocation));
  const headers = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(Buffer.byteLength(body)),
    'trisiel-invocation',
    invocation,
    errorField,
    error.code,
  ];
  if (error.nodeUrl !== undefined) headers.push(nodeField, error.nodeUrl);
  if (error.retryAfterSeconds !== undefined) headers.push('retry-after', String(error.retryAfterSeconds));
  if (lastOnConnection.has(error.code)) headers.push('connection', 'close');
  return { body, headers };
}

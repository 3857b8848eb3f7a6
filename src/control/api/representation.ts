/**
 * Conditional requests (RFC 9110, section 13) and `Prefer: return=minimal` (RFC 7240, section 4.2), for PATCH, PUT and
 * DELETE of a path that GET reads too.
 */
import { createHash } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import type { Operation } from './operation.ts';

/** Returns the operation that reads what `operation` changes: GET of the same path. Null when there is none. */
export function readerOf(operation: Operation, operations: readonly Operation[]): Operation | null {
  if (!['PATCH', 'PUT', 'DELETE'].includes(operation.method)) return null;
  const reader = operations.find(({ method, path }) => method === 'GET' && path === operation.path);
  return reader === undefined || reader.answer === null ? null : reader;
}

/** Returns whether `operation` answers with the same document as its reader would afterwards. */
export function answersAsRead(operation: Operation, reader: Operation | null): boolean {
  return reader !== null && operation.answer === reader.answer;
}

/** Returns the strong validator of an answer: 22 characters of its SHA-256 in quotes. */
export function etagOf(answer: string | Uint8Array): string {
  return `"${createHash('sha256').update(answer).digest('base64url').slice(0, 22)}"`;
}

/** Returns whether a list of validators, in the syntax of If-Match and If-None-Match, names `etag`. */
export function namesEtag(list: string, etag: string): boolean {
  return list.split(',').some((one) => ['*', etag].includes(one.trim().replace(/^W\//, '')));
}

/**
 * Throws `precondition_failed` unless If-Match names the validator of what `read` returns. When `read` throws
 * `not_found`, no validator can match (RFC 9110, 13.1.1).
 */
export async function checkIfMatch(list: string, read: () => Promise<unknown>): Promise<void> {
  const current = await read().catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  });
  // A weak validator never matches in If-Match.
  const strong = list
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !one.startsWith('W/'));
  if (current !== null && namesEtag(strong.join(','), etagOf(JSON.stringify(current)))) return;
  throw new PlatformError('precondition_failed', 'it has changed since it was read, or is gone', {
    hints: ['read it again, and send the ETag of that answer as If-Match'],
  });
}

/** Returns whether a Prefer field asks for an answer without a body. */
export function prefersMinimal(prefer: string): boolean {
  return /(?:^|[,;])\s*return\s*=\s*"?minimal"?\s*(?:[,;]|$)/i.test(prefer);
}

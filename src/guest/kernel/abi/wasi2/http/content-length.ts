/** Reads the Content-Length that a component has set (RFC 9110 8.6). */
import type { HttpField } from '../../../incoming-http.ts';

/**
 * Returns the length in bytes; null without the field; undefined if a value is no length or differs from another value.
 */
export function contentLengthOf(fields: readonly HttpField[]): number | null | undefined {
  let length: string | null = null;
  for (const [name, value] of fields) {
    if (name !== 'content-length') continue;
    const text = Buffer.from(value).toString('latin1').trim();
    if (length !== null && text !== length) return undefined;
    length = text;
  }
  if (length === null) return null;
  return /^[0-9]{1,15}$/.test(length) ? Number(length) : undefined;
}

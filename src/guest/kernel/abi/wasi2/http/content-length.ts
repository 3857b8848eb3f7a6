/** Reads the Content-Length that a component has set (RFC 9110 8.6). */
import type { HttpField } from '../../../incoming-http.ts';

/**
 * Returns the length in bytes; null without the field; undefined if a value is no length or differs from another value.
 */
export function contentLengthOf(fields: readonly HttpField[]): number | null | undefined {
  const values = fields
    .filter(([name]) => name === 'content-length')
    .map(([, value]) => Buffer.from(value).toString('latin1').trim());
  if (values.length === 0) return null;
  const [first = ''] = values;
  return /^[0-9]{1,15}$/.test(first) && values.every((value) => value === first) ? Number(first) : undefined;
}

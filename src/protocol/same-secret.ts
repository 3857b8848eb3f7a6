/** Compares secrets in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Returns whether two secrets have the same bytes; text counts as UTF-8. The time that it takes depends neither on
 * where they differ nor on whether their lengths do: it compares their SHA-256.
 */
export function sameSecret(one: string | Uint8Array, other: string | Uint8Array): boolean {
  return timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest());
}

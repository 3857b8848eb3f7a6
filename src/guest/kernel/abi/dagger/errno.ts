/** Translates errors into those of Dagger. */
import { Errno } from '../../errno.ts';

export const DaggerError = { failed: -1, badInput: -2, unknownScheme: -3 } as const;

/**
 * Returns the count, or the error number of Dagger for an Errno. The end of a stream is no error: a read there
 * returns 0 bytes.
 */
export function toDagger(result: number): number {
  if (result >= 0) return result;
  if (result === Errno.end) return 0;
  if (result === Errno.unknownScheme) return DaggerError.unknownScheme;
  return DaggerError.failed;
}

/** Translates errors into those of Dagger. */
import { Errno } from '../../errno.ts';

export const DaggerError = { failed: -1, badInput: -2, unknownScheme: -3 } as const;

/**
 * Returns `result` if it is a count, else the error number of Dagger for that Errno. The end of a stream is no error: a
 * read returns 0 bytes there.
 */
export function toDagger(result: number): number {
  if (result >= 0) return result;
  if (result === Errno.end) return 0;
  if (result === Errno.unknownScheme) return DaggerError.unknownScheme;
  return DaggerError.failed;
}

/** Dagger's error numbers: -1 bad URL or failed operation, -2 bad URL input, -3 unknown scheme. */
import { Errno } from '../../errno.ts';

export const DaggerError = { failed: -1, badInput: -2, unknownScheme: -3 } as const;

/** A count or an Errno, as Dagger says it. The end of a stream is no failure: a read there returns 0 bytes. */
export function toDagger(result: number): number {
  if (result >= 0) return result;
  if (result === Errno.end) return 0;
  if (result === Errno.unknownScheme) return DaggerError.unknownScheme;
  return DaggerError.failed;
}

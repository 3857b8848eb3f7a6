/** Reads streams and futures of the guest for the host. */
import { HostDestination } from './buffer.ts';
import type { CopyResult, Readable } from './shared.ts';

/**
 * Reads the value of a future for the host. Calls `take` with it once, at once if it is there; with undefined if its
 * writer is gone.
 */
export function whenValue(future: Readable, take: (value: unknown) => void): void {
  const into = new HostDestination(1);
  const done = (_result: CopyResult): void => {
    future.reclaim(into);
    take(into.chunk?.[0]);
  };
  // A future has one value: a copy of it is its end.
  future.read(into, { copied: () => undefined, done });
}

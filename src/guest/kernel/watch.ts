import type { Process } from './process.ts';

/**
 * Watches promises that may stay pending for long, again and again. All callers share the one promise of a Resource's
 * readiness. Each `then` on it would stay until it settles, so a guest that polls in a loop would fill the memory of
 * the runner. Here each promise gets one `then`, and callbacks are added and removed.
 */
const watched = new WeakMap<Promise<void>, Set<() => void>>();

/** Calls `callback` once `promise` has settled, either way. Returns a function that removes the callback. */
export function watch(promise: Promise<void>, callback: () => void): () => void {
  let callbacks = watched.get(promise);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    const settled = (): void => {
      watched.delete(promise);
      for (const one of all) one();
    };
    promise.then(settled, settled);
    watched.set(promise, all);
    callbacks = all;
  }
  const mine = callbacks;
  mine.add(callback);
  return () => mine.delete(callback);
}

/**
 * Returns whether the answer of readable or writable is "now". Handles the rejection of a promise that is not waited
 * for.
 */
export function isNow(readiness: Promise<void> | null): boolean {
  if (readiness === null) return true;
  watch(readiness, nothing);
  return false;
}

export function nothing(): void {}

/** Longest delay of a timer of Node, in milliseconds. A longer wait fires early and is started again. */
const maxTimerMs = 2n ** 31n - 1n;

/**
 * Returns a promise that settles when one of `waits` has settled, `leftNs` nanoseconds have passed (null: no limit), or
 * the Process has ended. It never rejects: the caller looks again at the objects that it waits for and finds the
 * failure there. It may settle too early.
 */
export function somethingHappens(
  guest: Process,
  waits: readonly Promise<void>[],
  leftNs: bigint | null,
): Promise<void> {
  return new Promise<void>((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    let forget = nothing;
    const happened = (): void => {
      clearTimeout(timer);
      forget();
      for (const unwatch of unwatches) unwatch();
      resolve();
    };
    const unwatches = waits.map((one) => watch(one, happened));
    forget = guest.atEnd(happened);
    if (leftNs === null) return;
    const ms = leftNs <= 0n ? 0n : (leftNs + 999_999n) / 1_000_000n;
    timer = setTimeout(happened, ms > maxTimerMs ? Number(maxTimerMs) : Number(ms));
  });
}

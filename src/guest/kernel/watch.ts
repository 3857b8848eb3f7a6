import type { Process } from './process.ts';

/**
 * Looks at promises that may stay pending for long, again and again. The readiness of a Resource is one promise for
 * all askers. Each `then` on it would stay until it settles, so a guest that polls in a loop would fill the memory of
 * the runner; here each promise gets one, and callbacks come and go.
 */
const watched = new WeakMap<Promise<void>, Set<() => void>>();

/** Calls `callback` once `promise` has settled, either way. Returns a function that takes the callback back. */
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

/** Returns whether a readiness answer says "now". Handles the rejection of a promise that is not waited for. */
export function isNow(readiness: Promise<void> | null): boolean {
  if (readiness === null) return true;
  watch(readiness, nothing);
  return false;
}

export function nothing(): void {}

/** Longest delay of a timer of Node, in milliseconds; a wait for longer goes off early and is begun again. */
const maxTimerMs = 2n ** 31n - 1n;

/**
 * Returns a promise that settles when one of `waits` has settled, `leftNs` nanoseconds have gone by (null: no limit),
 * or the Process has ended. It never rejects: the caller looks again at what it waits for, and finds the failure
 * there. It may settle too early.
 */
export function somethingHappens(
  guest: Process,
  waits: readonly Promise<void>[],
  leftNs: bigint | null,
): Promise<void> {
  const { signal } = guest;
  return new Promise<void>((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const happened = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', happened);
      for (const unwatch of unwatches) unwatch();
      resolve();
    };
    const unwatches = waits.map((one) => watch(one, happened));
    signal.addEventListener('abort', happened, { once: true });
    if (leftNs === null) return;
    const ms = leftNs <= 0n ? 0n : (leftNs + 999_999n) / 1_000_000n;
    timer = setTimeout(happened, ms > maxTimerMs ? Number(maxTimerMs) : Number(ms));
  });
}

/**
 * Looking at promises that may stay pending for long, again and again: a Resource's readiness is one
 * promise for all who ask. Each `then` on it would stay until it settles, so a guest that polls in a
 * loop would fill the runner's memory; here each promise gets one, and callbacks come and go.
 */
const watched = new WeakMap<Promise<void>, Set<() => void>>();

/** Calls `callback` once `promise` has settled, either way. Returns what takes the callback back. */
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

/** Whether a readiness answer says "now"; a promise that is not waited for must not fail unheard. */
export function isNow(readiness: Promise<void> | null): boolean {
  if (readiness === null) return true;
  watch(readiness, nothing);
  return false;
}

export function nothing(): void {}

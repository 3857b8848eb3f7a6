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

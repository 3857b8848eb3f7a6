/**
 * Wakes waiters when something has changed. A waiter looks again after waking: it is not told what has changed, and a
 * promise that is not awaited any more is harmless.
 */
export class Wakeup {
  #next: PromiseWithResolvers<void> | null = null;

  /** Returns a promise that settles at the next wake() and never rejects. */
  wait(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  wake(): void {
    const next = this.#next;
    this.#next = null;
    next?.resolve();
  }
}

/**
 * Wakes waiters after a change. A waiter must look again, since it is not told what has changed. A promise that no code
 * awaits any more does no harm.
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

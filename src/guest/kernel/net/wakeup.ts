/**
 * Wakes whoever waits for something to change. A waiter looks again after waking: it is not told
 * what has changed, and a promise that nobody awaits any more is harmless.
 */
export class Wakeup {
  #next: PromiseWithResolvers<void> | null = null;

  /** Settles at the next wake(); never rejects. */
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

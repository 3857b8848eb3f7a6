/** Bounded queue of waiting tasks, on which Semaphore and Turnstile are built. */

/** Events that end a wait before its turn; each one names the error that the waiter gets. */
export interface WaitEnds {
  /** Ends the wait when `signal` aborts. */
  readonly abort?: { readonly signal: AbortSignal; readonly error: () => Error } | undefined;
  /** Ends the wait after `ms` milliseconds. */
  readonly limit?: { readonly ms: number; readonly error: () => Error } | undefined;
}

interface Waiter<T> {
  readonly item: T;
  readonly admit: () => void;
  readonly refuse: (error: Error) => void;
}

/** Holds at most `max` waiting items in the order in which they came. */
export class BoundedQueue<T> {
  /** Most waiting items. */
  readonly #max: number;
  readonly #full: () => Error;
  /** Waiters in order of arrival. A Set removes a waiter from the middle without a search. */
  readonly #waiters = new Set<Waiter<T>>();

  /** `full` makes the error for an item that comes when `max` items wait. */
  constructor(options: { readonly max: number; readonly full: () => Error }) {
    this.#max = options.max;
    this.#full = options.full;
  }

  /** Number of waiting items. */
  get length(): number {
    return this.#waiters.size;
  }

  /** Returns the number of waiting items for which `matches` holds. */
  count(matches: (item: T) => boolean): number {
    let count = 0;
    for (const { item } of this.#waiters) if (matches(item)) count += 1;
    return count;
  }

  /**
   * Resolves when `admit` chooses `item`. Rejects with the queue's error when it is full, with the error of
   * `ends` when one of these comes first, with the error given to `refuseAll`.
   */
  wait(item: T, ends: WaitEnds = {}): Promise<void> {
    const { abort, limit } = ends;
    if (abort?.signal.aborted === true) return Promise.reject(abort.error());
    if (this.#waiters.size >= this.#max) return Promise.reject(this.#full());
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const leave = () => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        abort?.signal.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter<T> = {
        item,
        admit: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = () => waiter.refuse(abort!.error()); // called through `abort` alone
      abort?.signal.addEventListener('abort', onAbort);
      if (limit !== undefined) timer = setTimeout(() => waiter.refuse(limit.error()), limit.ms);
      this.#waiters.add(waiter);
    });
  }

  /**
   * Admits the first waiting item for which `isTurn` holds and returns it; undefined if there is none. The
   * caller claims the item's place at once: the waiter itself goes on in a later microtask, and an item that
   * comes before that must find the place taken.
   */
  admit(isTurn: (item: T) => boolean = () => true): T | undefined {
    for (const waiter of this.#waiters) {
      if (!isTurn(waiter.item)) continue;
      waiter.admit();
      return waiter.item;
    }
    return undefined;
  }

  /** Rejects every waiting item with `error`. */
  refuseAll(error: Error): void {
    for (const waiter of this.#waiters) waiter.refuse(error);
  }
}

/** Runs at most `running` tasks at a time; at most `waiting` others wait, in the order in which they came. */
import { BoundedQueue, type WaitEnds } from './bounded-queue.ts';

export interface SemaphoreOptions {
  /** Tasks that run at once. */
  readonly running: number;
  /** Tasks that wait at once. */
  readonly waiting: number;
  /** Makes the error for a task that comes when `waiting` tasks wait. */
  readonly full: () => Error;
}

export class Semaphore {
  /** Most holders at the same time. */
  readonly #max: number;
  readonly #queue: BoundedQueue<null>;
  /** Number of holders. */
  #running = 0;

  constructor({ running, waiting, full }: SemaphoreOptions) {
    this.#max = running;
    this.#queue = new BoundedQueue({ max: waiting, full });
  }

  /** Number of tasks that run now. */
  get running(): number {
    return this.#running;
  }

  /**
   * Waits for a place and returns the function that gives it back (calling it again does nothing).
   * Rejects with the error of `full` or of `ends`.
   */
  async enter(ends: WaitEnds = {}): Promise<() => void> {
    if (ends.abort?.signal.aborted === true) throw ends.abort.error();
    if (this.#running < this.#max) this.#running += 1;
    else await this.#queue.wait(null, ends);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      // The place passes to the next waiter directly: a task that comes later cannot slip in between.
      if (this.#queue.admit() === undefined) this.#running -= 1;
    };
  }

  /** Runs `task` in its turn and returns what it returns. Rejects like `enter`, or as `task` does. */
  async run<T>(task: () => Promise<T>, ends: WaitEnds = {}): Promise<T> {
    const leave = await this.enter(ends);
    try {
      return await task();
    } finally {
      leave();
    }
  }

  /** Rejects every waiting task with `error`; running tasks go on. */
  refuseWaiting(error: Error): void {
    this.#queue.refuseAll(error);
  }
}

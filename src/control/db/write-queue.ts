/**
 * Collects what comes in while a write is running and hands it over as one batch: under load the
 * batches grow, at rest a thing is written at once. One write at a time, in the order of arrival.
 */
export interface WriteQueueOptions<T> {
  /** Weight that may wait (lines, rows); `push` refuses beyond it. */
  readonly waitingMax: number;
  /** Weight of one batch; a single thing may be heavier. */
  readonly batchMax: number;
  readonly weigh: (item: T) => number;
  /** Must not throw: it decides itself what a failure means for the items. */
  readonly write: (items: readonly T[]) => Promise<void>;
}

export class WriteQueue<T> {
  readonly #options: WriteQueueOptions<T>;
  #waiting: { readonly item: T; readonly done: () => void }[] = [];
  #weight = 0;
  #running: Promise<void> | null = null;

  constructor(options: WriteQueueOptions<T>) {
    this.#options = options;
  }

  /** Resolves when `item` has been given to `write` and that has ended; null when the queue is full. */
  push(item: T): Promise<void> | null {
    const weight = this.#options.weigh(item);
    if (this.#weight > 0 && this.#weight + weight > this.#options.waitingMax) return null;
    this.#weight += weight;
    return new Promise((done) => {
      this.#waiting.push({ item, done });
      this.#running ??= this.#run();
    });
  }

  /** Weight of what waits or is being written. */
  get weight(): number {
    return this.#weight;
  }

  /** Resolves when everything pushed so far has been written. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // Not before the caller's turn of the event loop has ended: more may come in it.
    await null;
    while (this.#waiting.length > 0) {
      let count = 0;
      let weight = 0;
      for (const { item } of this.#waiting) {
        const next = this.#options.weigh(item);
        if (count > 0 && weight + next > this.#options.batchMax) break;
        count += 1;
        weight += next;
      }
      const batch = this.#waiting.splice(0, count);
      await this.#options.write(batch.map(({ item }) => item));
      this.#weight -= weight;
      for (const { done } of batch) done();
    }
    this.#running = null;
  }
}

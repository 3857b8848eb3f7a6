/**
 * Collects items while a write is running and writes them as one batch: batches grow under load, and a single item is
 * written at once. One write runs at a time, in the order of arrival.
 */
export interface WriteQueueOptions<T> {
  /** Greatest total weight of waiting items (lines, rows); above it `push` refuses. */
  readonly waitingMax: number;
  /** Greatest weight of one batch; a single item may be heavier. */
  readonly batchMax: number;
  readonly weigh: (item: T) => number;
  /** Writes a batch. Must not throw: the function itself handles failures of its items. */
  readonly write: (items: readonly T[]) => Promise<void>;
}

export class WriteQueue<T> {
  readonly #options: WriteQueueOptions<T>;
  #waiting: { readonly item: T; readonly done: () => void }[] = [];
  /** Sum of what `weigh` says of the waiting items. */
  #weight = 0;
  #running: Promise<void> | null = null;

  constructor(options: WriteQueueOptions<T>) {
    this.#options = options;
  }

  /** Queues `item`. Resolves when the write of its batch has ended; returns null when the queue is full. */
  push(item: T): Promise<void> | null {
    const weight = this.#options.weigh(item);
    if (this.#weight > 0 && this.#weight + weight > this.#options.waitingMax) return null;
    this.#weight += weight;
    return new Promise((done) => {
      this.#waiting.push({ item, done });
      this.#running ??= this.#run();
    });
  }

  /** Weight of the items that wait or are being written. */
  get weight(): number {
    return this.#weight;
  }

  /** Resolves when everything pushed so far has been written. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // Waits for the end of the caller's turn of the event loop: more items may come in it.
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

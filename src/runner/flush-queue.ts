/** Outputs that wait to be sent at the end of this turn of the event loop: one timer for all. */
export interface Flushable {
  commit(): void;
}

export class FlushQueue {
  #waiting: Flushable[] = [];

  add(output: Flushable): void {
    this.#waiting.push(output);
    if (this.#waiting.length > 1) return;
    setImmediate(() => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) one.commit();
    });
  }
}

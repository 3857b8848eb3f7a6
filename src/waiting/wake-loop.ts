/** Does a piece of work again whenever it is asked to, one round at a time, and never more rounds than are needed. */

export class WakeLoop {
  readonly #round: () => Promise<void>;
  #running: Promise<void> | null = null;
  #isWoken = false;
  #isClosed = false;

  /** `round`: does all the work that there is when it begins. */
  constructor(round: () => Promise<void>) {
    this.#round = round;
  }

  /** Whether `close` was called: a round in progress should come to its end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Asks for a round. Resolves when one that began after the call has ended; all calls during a round share the next
   * one. Rejects as the round does, after which the next call begins anew. After `close` it resolves without a round.
   */
  wake(): Promise<void> {
    this.#isWoken = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Begins no more rounds. Resolves when the one in progress has ended, however it ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running?.catch(() => {});
  }

  async #run(): Promise<void> {
    while (this.#isWoken && !this.#isClosed) {
      this.#isWoken = false;
      await this.#round();
    }
  }
}

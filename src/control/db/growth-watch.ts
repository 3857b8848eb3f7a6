/**
 * Decides when a handler's rows are trimmed, or its blocks of log lines merged: at its first growth after a start (the
 * amount is not known then), and after each growth by `slack`. One trim or merge (`trim`) runs at a time.
 */
import type { HandlerId } from '../../protocol/names.ts';

export interface GrowthWatchOptions {
  /** Growth after which a handler is trimmed, in the unit of `grown`. */
  readonly slack: number;
  readonly trim: (handlerId: HandlerId) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Handlers whose growth is remembered. A handler that is pushed out is trimmed at its next growth. */
const handlersMax = 20_000;

export class GrowthWatch {
  readonly #options: GrowthWatchOptions;
  /** Growth since the last trim by handler, least recently grown first. */
  readonly #grown = new Map<string, number>();
  /** Handlers to trim, in the order in which they became due. */
  readonly #due = new Set<string>();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: GrowthWatchOptions) {
    this.#options = options;
  }

  /**
   * Counts that a handler has grown by `by`, in the unit of `slack`. Trims it when that is due: the first time, and
   * after each growth of `slack`.
   */
  grown(handlerId: HandlerId, by: number): void {
    if (this.#closed) return;
    const before = this.#grown.get(handlerId);
    const total = (before ?? 0) + by;
    const due = before === undefined || total >= this.#options.slack;
    this.#grown.delete(handlerId);
    this.#grown.set(handlerId, due ? 0 : total);
    if (this.#grown.size > handlersMax) {
      const [oldest] = this.#grown.keys();
      if (oldest !== undefined) this.#grown.delete(oldest);
    }
    if (!due) return;
    this.#due.add(handlerId);
    this.#running ??= this.#run();
  }

  forget(handlerId: HandlerId): void {
    this.#grown.delete(handlerId);
  }

  /** Resolves when no trim is due. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Starts no further trims; resolves when the running one has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#due.clear();
    await this.idle();
  }

  async #run(): Promise<void> {
    await null;
    for (;;) {
      const [handlerId] = this.#due;
      if (handlerId === undefined) break;
      this.#due.delete(handlerId);
      try {
        await this.#options.trim(handlerId);
      } catch (error) {
        this.#grown.delete(handlerId); // The next growth makes this handler due again.
        this.#options.onError(error);
      }
    }
    this.#running = null;
  }
}

/** Counts lines that were not stored, by handler, until a write reports them in the handlers' logs. */
import type { HandlerId } from '../../protocol/names.ts';

export class LostLines implements Iterable<readonly [HandlerId, number]> {
  readonly #reportMs: number;
  readonly #report: () => void;
  #counts = new Map<HandlerId, number>();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** `report` is called when no write has taken the counts for `reportMs` milliseconds. */
  constructor(options: { readonly reportMs: number; readonly report: () => void }) {
    this.#reportMs = options.reportMs;
    this.#report = options.report;
  }

  [Symbol.iterator](): MapIterator<[HandlerId, number]> {
    return this.#counts.entries();
  }

  /** Whether every loss has been taken by a write. */
  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  add(handlerId: HandlerId, count: number): void {
    this.#counts.set(handlerId, (this.#counts.get(handlerId) ?? 0) + count);
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.isEmpty) this.#report();
    }, this.#reportMs);
    this.#timer.unref();
  }

  /** Returns the counts for a write to report; they are 0 afterwards. A write that fails adds them again. */
  take(): ReadonlyMap<HandlerId, number> {
    const taken = this.#counts;
    this.#counts = new Map();
    return taken;
  }

  /** Calls `report` no more. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

/** Figures of drains by kind, for Prometheus (docs/metrics.md). */
import type { DrainStore } from './drain-store.ts';
import { type DrainKind, drainKinds } from './settings.ts';

/** Milliseconds for which the number of waiting lines is kept: counting them reads the log's index. */
const keptMs = 10_000;

export interface DrainFigures {
  /** Lines that receivers have taken. */
  readonly sent: number;
  /** Lines that retention removed first, or that a receiver refuses for good. */
  readonly lost: number;
  /** Attempts that failed, and are made again. */
  readonly failures: number;
}

export class DrainCounts {
  readonly #store: Pick<DrainStore, 'waiting'>;
  readonly #kinds = new Map<DrainKind, DrainFigures>(
    drainKinds.map((kind) => [kind, { sent: 0, lost: 0, failures: 0 }]),
  );
  #waiting: { readonly untilMs: number; readonly lines: Promise<ReadonlyMap<string, number>> } | null = null;

  constructor(store: Pick<DrainStore, 'waiting'>) {
    this.#store = store;
  }

  /** Figures since the start of this control, by kind. */
  get figures(): ReadonlyMap<DrainKind, DrainFigures> {
    return this.#kinds;
  }

  add(kind: DrainKind, { sent = 0, lost = 0, failures = 0 }: Partial<DrainFigures>): void {
    const before = this.#kinds.get(kind) ?? { sent: 0, lost: 0, failures: 0 };
    this.#kinds.set(kind, { sent: before.sent + sent, lost: before.lost + lost, failures: before.failures + failures });
  }

  /** Returns how many lines wait for drains of each kind, as of the last ten seconds. */
  async waiting(): Promise<ReadonlyMap<string, number>> {
    if (this.#waiting === null || performance.now() >= this.#waiting.untilMs)
      this.#waiting = { untilMs: performance.now() + keptMs, lines: this.#store.waiting() };
    try {
      return await this.#waiting.lines;
    } catch (error) {
      this.#waiting = null;
      throw error;
    }
  }
}

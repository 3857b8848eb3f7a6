/** Decides when ended runners are started again: at once after a long enough life, else after growing delays. */
import { fleetLimits } from './limits.ts';

export class Restarts {
  /** Milliseconds before the next start, by place in the fleet. */
  readonly #backoffMs = new Map<number, number>();
  readonly #timers = new Set<NodeJS.Timeout>();

  /** Whether a start is pending. */
  get isAnyDue(): boolean {
    return this.#timers.size > 0;
  }

  /** Returns how many milliseconds to wait before runner `index`, which lived for `livedMs`, is started again. */
  nextDelayMs(index: number, livedMs: number): number {
    const delayMs = livedMs >= fleetLimits.soundMs ? 0 : (this.#backoffMs.get(index) ?? 0);
    const next = delayMs === 0 ? fleetLimits.backoffFirstMs : Math.min(delayMs * 2, fleetLimits.backoffMaxMs);
    this.#backoffMs.set(index, next);
    return delayMs;
  }

  /** Calls `start` after `delayMs`, unless `stop` is called before. */
  later(delayMs: number, start: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      start();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Cancels all pending starts. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

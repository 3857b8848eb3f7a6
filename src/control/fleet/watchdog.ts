/**
 * Decides whether a runner that does not answer is stuck. More time is given to a runner that does not get the
 * processor, that starts, or in which a burst of guests and calls makes progress.
 */
import { fleetLimits } from './limits.ts';
import type { ProcessorUse } from './processor-use.ts';

/** State of a runner that control can see without asking the runner. */
export interface Glance {
  /** Count that changes while guests get their turns and calls end; null before the first one. */
  readonly progress: number | null;
  /**
   * Whether it has not told yet that it serves: it loads libraries and code, and hardly a guest has run. Absent: false.
   */
  readonly isStarting?: boolean;
  /** Processor use; null: the system does not tell it. */
  readonly use: ProcessorUse | null;
}

export class Watchdog {
  /**
   * Number of checks since the last answer. Checks are counted and not timed, so that a control that was stopped itself
   * kills no runner.
   */
  #unanswered = 0;
  /** Processor milliseconds at the first unanswered check. */
  #cpuBeforeMs: number | null = null;
  #progress: number | null = null;

  answered(): void {
    this.#unanswered = 0;
  }

  /** Milliseconds for which the runner has not answered, counted in checks. */
  get silentMs(): number {
    return this.#unanswered * fleetLimits.pingMs;
  }

  /**
   * Checks the runner; called every fleetLimits.pingMs, with a ping after each check. Returns true when it is stuck:
   * silent for fleetLimits.stallMs without a reason to wait, or for fleetLimits.starvedMs in any case.
   */
  look({ progress, use, isStarting = false }: Glance): boolean {
    const { silentMs } = this;
    const isAlive = isStarting || progress !== this.#progress || this.#isStarved(use, silentMs);
    this.#progress = progress;
    if (silentMs >= fleetLimits.starvedMs || (silentMs >= fleetLimits.stallMs && !isAlive)) return true;
    if (this.#unanswered === 0) this.#cpuBeforeMs = use?.cpuMs ?? null;
    this.#unanswered += 1;
    return false;
  }

  /** Returns whether a runner wants to run and got the processor for less than half of the time. */
  #isStarved(use: ProcessorUse | null, silentMs: number): boolean {
    if (use === null || this.#cpuBeforeMs === null) return false;
    return use.wantsToRun && use.cpuMs - this.#cpuBeforeMs < silentMs / 2;
  }
}

/**
 * Decides whether a runner that does not answer is stuck. One that is silent because others have the processor is
 * not, nor is one that takes in a large message, nor one in which guests get their turns, or calls end, while a burst of them holds the loop: they are given longer.
 */
import { fleetLimits } from './limits.ts';
import type { ProcessorUse } from './processor-use.ts';

/** What control sees of a runner without asking it. */
export interface Glance {
  /** Count that changes while guests get their turns and calls end; null before the first. */
  readonly progress: number | null;
  /** Whether the answer to a ping that was sent after a large message is still to come. Absent: false. */
  readonly isCarrying?: boolean;
  /** null where the system does not tell. */
  readonly use: ProcessorUse | null;
}

export class Watchdog {
  /** Looks since the last answer. Counted, not timed: a control that was stopped itself blames nobody. */
  #unanswered = 0;
  /** Processor time at the first look that went unanswered, in milliseconds. */
  #cpuBeforeMs: number | null = null;
  #progress: number | null = null;

  answered(): void {
    this.#unanswered = 0;
  }

  /**
   * Looks at the runner; to be called every fleetLimits.pingMs, with a ping after each look. Returns true where it is
   * stuck: silent for fleetLimits.stallMs with nothing that speaks for it, or for fleetLimits.starvedMs in any case
   * (fleetLimits.carryMs where it takes in a large message).
   */
  look({ progress, use, isCarrying = false }: Glance): boolean {
    const silentMs = this.#unanswered * fleetLimits.pingMs;
    const isAlive = isCarrying || progress !== this.#progress || this.#isStarved(use, silentMs);
    this.#progress = progress;
    const patienceMs = isCarrying ? fleetLimits.carryMs : fleetLimits.starvedMs;
    if (silentMs >= patienceMs || (silentMs >= fleetLimits.stallMs && !isAlive)) return true;
    if (this.#unanswered === 0) this.#cpuBeforeMs = use?.cpuMs ?? null;
    this.#unanswered += 1;
    return false;
  }

  /** Returns whether a runner wants to run and has run for less than half of the time: others had the processor. */
  #isStarved(use: ProcessorUse | null, silentMs: number): boolean {
    if (use === null || this.#cpuBeforeMs === null) return false;
    return use.wantsToRun && use.cpuMs - this.#cpuBeforeMs < silentMs / 2;
  }
}

/** Counts which Deployments have ended runners, and quarantines those that do so repeatedly. */
import { fleetLimits } from './limits.ts';

export interface Quarantine {
  readonly reason: string;
}

export class Blame {
  readonly #now: () => number;
  readonly #deaths = new Map<string, number[]>();
  readonly #quarantined = new Map<string, Quarantine>();

  /** Makes an empty count. `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns the quarantine of `specId`; undefined: it is not quarantined. */
  find(specId: string): Quarantine | undefined {
    return this.#quarantined.get(specId);
  }

  /**
   * Counts one more runner that this Deployment has ended. Returns the quarantine when it begins with this one, else
   * null.
   */
  add(specId: string, how: string): Quarantine | null {
    const nowMs = this.#now();
    const recent = (this.#deaths.get(specId) ?? []).filter((ms) => nowMs - ms < fleetLimits.quarantineMs);
    recent.push(nowMs);
    this.#deaths.set(specId, recent);
    if (recent.length < fleetLimits.quarantineDeaths || this.#quarantined.has(specId)) return null;
    const quarantine = { reason: `it has ended ${recent.length} runners, the last one so: ${how}` };
    this.#quarantined.set(specId, quarantine);
    return quarantine;
  }

  forget(specId: string): void {
    this.#deaths.delete(specId);
    this.#quarantined.delete(specId);
  }
}

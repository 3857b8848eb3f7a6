/** Who has ended runners: Deployments that do it again and again are not run any more. */
import { fleetLimits } from './limits.ts';

export interface Quarantine {
  readonly reason: string;
}

export class Blame {
  readonly #now: () => number;
  readonly #deaths = new Map<string, number[]>();
  readonly #quarantined = new Map<string, Quarantine>();

  /** Blames nobody yet. `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns why `specId` is not run any more; undefined as long as it is. */
  find(specId: string): Quarantine | undefined {
    return this.#quarantined.get(specId);
  }

  /** Counts one more runner that has died over this Deployment. Returns the quarantine where that begins now. */
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

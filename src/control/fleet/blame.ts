/** Who has ended runners: Deployments that do it again and again are not run any more. */
import { fleetLimits } from './limits.ts';

/** `load`: while it was compiled, so it is not even sent any more; `run`: while its guest had the thread. */
export type Phase = 'load' | 'run';

export interface Quarantine {
  readonly phase: Phase;
  readonly reason: string;
}

export class Blame {
  readonly #now: () => number;
  readonly #deaths = new Map<string, number[]>();
  readonly #quarantined = new Map<string, Quarantine>();

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Why `specId` is not run any more; undefined as long as it is. */
  find(specId: string): Quarantine | undefined {
    return this.#quarantined.get(specId);
  }

  /** One more runner has died over this Deployment. Returns the quarantine where that begins now. */
  add(specId: string, phase: Phase, how: string): Quarantine | null {
    const nowMs = this.#now();
    const recent = (this.#deaths.get(specId) ?? []).filter((ms) => nowMs - ms < fleetLimits.quarantineMs);
    recent.push(nowMs);
    this.#deaths.set(specId, recent);
    if (recent.length < fleetLimits.quarantineDeaths || this.#quarantined.has(specId)) return null;
    const quarantine = { phase, reason: `it has ended ${recent.length} runners, the last one so: ${how}` };
    this.#quarantined.set(specId, quarantine);
    return quarantine;
  }

  forget(specId: string): void {
    this.#deaths.delete(specId);
    this.#quarantined.delete(specId);
  }
}

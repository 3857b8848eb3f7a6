/**
 * Tracks, from a runner's own reports, which Deployments may have Invocations in flight in it: their calls end with the
 * runner.
 */
import type { UsageCount } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';

/** Deployments tracked of one runner: as many as it could hold. */
const deploymentsMax = 100_000;

export interface ActiveDeployment {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  /** Invocations in flight at the runner's last report, which is at most 0.4 s older than its end. */
  readonly inFlight: number;
}

export class Activity {
  readonly #active = new Map<string, ActiveDeployment>();

  /** Takes the counts that a runner has sent. */
  note(counts: readonly UsageCount[]): void {
    for (const { handlerId, deployment, invocations, inFlight } of counts) {
      const key = `${handlerId} ${deployment}`;
      if (inFlight === 0 && invocations === 0) this.#active.delete(key);
      else if (this.#active.size < deploymentsMax) this.#active.set(key, { handlerId, deployment, inFlight });
    }
  }

  all(): readonly ActiveDeployment[] {
    return [...this.#active.values()];
  }
}

/** What control does by the clock: it removes what is over, and judges gradual releases. */
import type { Deployments } from '../control/deploy/deployments.ts';
import type { Quotas } from '../control/quota/quotas.ts';
import { rolloutLimits } from '../protocol/rollouts.ts';

/** Milliseconds between two removals of handlers deleted long ago and of expired counters. */
const housekeepingMs = 60 * 60_000;

export interface HousekeepingParts {
  readonly quota: Pick<Quotas, 'deleting' | 'measureAll'>;
  readonly deployments: Pick<Deployments, 'maintain' | 'judgeRollouts'>;
  /** Removes what each station keeps no longer. */
  readonly prune: () => Promise<unknown>;
  readonly report: (message: string, error: unknown) => void;
}

/** Starts both; failures are reported and tried again the next time. `close` stops them. */
export function startHousekeeping({ quota, deployments, prune, report }: HousekeepingParts): { close(): void } {
  const removing = setInterval(() => {
    void quota
      .deleting(async () => {
        await prune();
        await deployments.maintain();
      })
      .then(() => quota.measureAll())
      .catch((error: unknown) => report('housekeeping failed', error));
  }, housekeepingMs);
  const judging = setInterval(() => {
    void deployments.judgeRollouts().catch((error: unknown) => report('gradual releases could not be judged', error));
  }, rolloutLimits.lookMs);
  return {
    close() {
      clearInterval(removing);
      clearInterval(judging);
    },
  };
}

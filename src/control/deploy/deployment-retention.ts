/** Drops old Deployments that are not served, so that git and the artifact store can remove what only they needed. */

import type { HandlerId } from '../../protocol/names.ts';
import { previewLimits } from '../../protocol/previews.ts';
import type { Repositories } from '../git/repositories.ts';
import type { DeploymentStore } from './deployment-store.ts';
import type { OwnerLog } from './owner-log.ts';
import type { Releases } from './releases.ts';

export interface RetentionLimits {
  /** Retired and failed Deployments of a handler that are kept at any age, for rollbacks. */
  readonly kept: number;
  /** Milliseconds after their end for which further Deployments are kept. */
  readonly ageMs: number;
  /** Deployments kept while the owner's quota is used up: others are dropped at any age to make room for a push. */
  readonly keptWithoutRoom: number;
}

export const retentionLimits: RetentionLimits = { kept: 50, ageMs: 90 * 24 * 60 * 60_000, keptWithoutRoom: 5 };

/** Deployments dropped in one step; between steps the lock on the handler's releases is released. */
const step = 100;

export interface DeploymentRetentionOptions {
  readonly store: DeploymentStore;
  readonly releases: Pick<Releases, 'exclusively'>;
  readonly repositories: Pick<Repositories, 'collect' | 'has' | 'unpin'>;
  readonly log: OwnerLog;
  readonly limits: RetentionLimits;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export class DeploymentRetention {
  readonly #options: DeploymentRetentionOptions;

  constructor(options: DeploymentRetentionOptions) {
    this.#options = options;
  }

  /**
   * Drops Deployments of a branch ('': the deploy branch) that are neither among the newest nor young, and their pins;
   * git then removes their commits. Of a preview, few are kept, whatever their age. A Deployment that is live or has
   * another Release is never dropped. Returns the number of dropped ones.
   */
  async trim(handlerId: HandlerId, hasRoom = true, branch = ''): Promise<number> {
    const { limits, now, repositories, log } = this.#options;
    const kept = branch === '' ? limits.kept : Math.min(limits.kept, previewLimits.keptVersions);
    const keep = hasRoom ? kept : Math.min(kept, limits.keptWithoutRoom);
    const endedBeforeMs = hasRoom && branch === '' ? now() - limits.ageMs : Number.MAX_SAFE_INTEGER;
    const dropped: number[] = [];
    for (;;) {
      const some = await this.#dropSome({ handlerId, branch }, { keep, endedBeforeMs });
      dropped.push(...some);
      if (some.length < step) break;
    }
    if (dropped.length === 0) return 0;
    await repositories.collect(handlerId);
    const which = dropped.length === 1 ? `v${dropped[0]}` : `${dropped.length} versions up to v${Math.max(...dropped)}`;
    const why = hasRoom ? 'old and not served' : 'not served, and the quota is used up';
    await log.write(handlerId, 0, 'info', `${which} dropped: ${why}`);
    return dropped.length;
  }

  /**
   * Trims every handler whose repository this control holds, so that its pins can be removed too; for the hourly round.
   */
  async trimAll(): Promise<void> {
    const { store, limits, repositories } = this.#options;
    const keep = Math.min(limits.kept, previewLimits.keptVersions);
    for (const { handlerId, branch } of await store.branchesWithEnded(keep))
      if (repositories.has(handlerId)) await this.trim(handlerId, true, branch);
  }

  async #dropSome(
    of: { readonly handlerId: HandlerId; readonly branch: string },
    which: { readonly keep: number; readonly endedBeforeMs: number },
  ): Promise<readonly number[]> {
    const { store, releases, repositories } = this.#options;
    const { handlerId } = of;
    // Prevents a rollback to a Deployment that is being dropped.
    return releases.exclusively(handlerId, async () => {
      const rows = await store.ended(of, { ...which, limit: step });
      for (const { id, number } of rows) {
        // Removes the pin first: after an interruption the row leads here again.
        await repositories.unpin(handlerId, number);
        await store.drop(id);
      }
      return rows.map(({ number }) => number);
    });
  }
}

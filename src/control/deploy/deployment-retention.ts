/** Drops old Deployments that nothing serves, and lets git and the artifact store collect what only they needed. */
import { previewLimits } from '../../protocol/previews.ts';
import type { Repositories } from '../git/repositories.ts';
import type { DeploymentStore } from './deployment-store.ts';
import type { OwnerLog } from './owner-log.ts';
import type { Releases } from './releases.ts';

export interface RetentionLimits {
  /** Retired and failed Deployments of a handler that are kept whatever their age: the targets of a rollback. */
  readonly kept: number;
  /** Milliseconds since they were retired or failed that all others are kept. */
  readonly ageMs: number;
  /** As `kept`, and whatever the age, while the owner's quota is used up: room for a push that is to be made. */
  readonly keptWithoutRoom: number;
}

export const retentionLimits: RetentionLimits = { kept: 50, ageMs: 90 * 24 * 60 * 60_000, keptWithoutRoom: 5 };

/** Deployments dropped in one step; the lock on the handler's releases is given up in between. */
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
   * Drops what of a branch ('': the deploy branch) is neither among the newest nor young, and its pins; git then collects
   * their commits. Of a preview few are kept, whatever their age.
   * A Deployment that is live or has another Release is never dropped. Returns how many were dropped.
   */
  async trim(handlerId: string, hasRoom = true, branch = ''): Promise<number> {
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

  /** Trims every handler whose repository lies here, so that its pins can go too; for the hourly round. */
  async trimAll(): Promise<void> {
    const { store, limits, repositories } = this.#options;
    const keep = Math.min(limits.kept, previewLimits.keptVersions);
    for (const { handlerId, branch } of await store.branchesWithEnded(keep))
      if (repositories.has(handlerId)) await this.trim(handlerId, true, branch);
  }

  async #dropSome(
    of: { readonly handlerId: string; readonly branch: string },
    which: { readonly keep: number; readonly endedBeforeMs: number },
  ): Promise<readonly number[]> {
    const { store, releases, repositories } = this.#options;
    const { handlerId } = of;
    // No rollback meanwhile: it would make live what is being dropped.
    return releases.exclusively(handlerId, async () => {
      const rows = await store.ended(of, { ...which, limit: step });
      for (const { id, number } of rows) {
        // The pin first: where this is interrupted, the row brings us here again.
        await repositories.unpin(handlerId, number);
        await store.drop(id);
      }
      return rows.map(({ number }) => number);
    });
  }
}

/** Drops old Deployments that nothing serves, and lets git and the artifact store collect what only they needed. */
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
   * Drops what of a handler is neither among the newest nor young, and its pins; git then collects their commits.
   * A Deployment that is live or has another Release is never dropped. Returns how many were dropped.
   */
  async trim(handlerId: string, hasRoom = true): Promise<number> {
    const { limits, now, repositories, log } = this.#options;
    const keep = hasRoom ? limits.kept : limits.keptWithoutRoom;
    const endedBeforeMs = hasRoom ? now() - limits.ageMs : Number.MAX_SAFE_INTEGER;
    const dropped: number[] = [];
    for (;;) {
      const some = await this.#dropSome(handlerId, { keep, endedBeforeMs });
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
    for (const handlerId of await store.handlersWithEnded(limits.kept))
      if (repositories.has(handlerId)) await this.trim(handlerId);
  }

  async #dropSome(
    handlerId: string,
    which: { readonly keep: number; readonly endedBeforeMs: number },
  ): Promise<readonly number[]> {
    const { store, releases, repositories } = this.#options;
    // No rollback meanwhile: it would make live what is being dropped.
    return releases.exclusively(handlerId, async () => {
      const rows = await store.ended(handlerId, { ...which, limit: step });
      for (const { id, number } of rows) {
        // The pin first: where this is interrupted, the row brings us here again.
        await repositories.unpin(handlerId, number);
        await store.drop(id);
      }
      return rows.map(({ number }) => number);
    });
  }
}

/**
 * Finishes or fails Deployments that were interrupted between staging and Release, each exactly once, according to git:
 * when the ref is at the staged commit, the push was accepted and runners have compiled its module, so it becomes live;
 * otherwise the Deployment fails.
 */

import type { HandlerId } from '../../protocol/names.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import type { DeploymentStore } from './deployment-store.ts';
import type { OwnerLog } from './owner-log.ts';
import type { PreviewStore } from './preview-store.ts';
import type { Previews } from './previews.ts';
import type { Releases } from './releases.ts';
import type { Rollouts } from './rollouts.ts';
import type { ServedLabels } from './served-labels.ts';
import type { KnownParts } from './specs.ts';

export interface RecoveryOptions {
  readonly store: DeploymentStore;
  readonly previewStore: Pick<PreviewStore, 'find' | 'handlerIds' | 'list'>;
  readonly servedLabels: Pick<ServedLabels, 'live'>;
  readonly releases: Releases;
  readonly repositories: Repositories;
  readonly handlers: Pick<Handlers, 'findById'>;
  readonly log: OwnerLog;
  readonly previews: Pick<Previews, 'remove'>;
  readonly rollouts: Pick<Rollouts, 'goLive'>;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** Longest pause, in milliseconds, between two attempts to settle a Deployment. A restart tries at once. */
const settleMsMax = 30_000;

export class Recovery {
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Settles Deployments that an earlier control left staged. Runs at start, before runners ask for the releases. */
  async run(): Promise<void> {
    const { repositories, store, report } = this.#options;
    const onDisk = await repositories.list();
    const elsewhere = await repositories.elsewhere(onDisk);
    const ours = onDisk.filter((id) => !elsewhere.has(id));
    for (const id of ours)
      await repositories.endOrphan(id).catch((error: unknown) => report(`a push to ${id} could not be ended`, error));
    const staged = await store.staged();
    // Skips handlers whose repository another control holds: its push may still be running.
    const others = await repositories.elsewhere(staged.map((row) => row.handler_id));
    for (const row of staged) {
      if (others.has(row.handler_id)) continue;
      try {
        await this.#settle(row, async () => {
          await store.release(row.id, 'staged');
        });
      } catch (error) {
        report(`the staged deployment ${row.id} could not be settled`, error);
      }
    }
    await this.#mendPins();
    await this.#removeStrayPreviews(ours);
    await this.#removeStrayRepositories(ours);
  }

  /** Settles Deployments that another control left staged, in a repository that this control has taken over. */
  async settleTaken(handlerId: HandlerId): Promise<void> {
    for (const row of await this.#options.store.stagedOf(handlerId)) await this.settleEnded(row, handlerId);
  }

  /** Removes previews whose branch no longer exists, in the repositories of this control. Called periodically. */
  async mendPreviews(): Promise<void> {
    const { repositories, previewStore } = this.#options;
    await this.#removeStrayPreviews([...(await previewStore.handlerIds())].filter((id) => repositories.has(id)));
  }

  /**
   * Settles a staged Deployment whose push has ended: now or, when that fails (the disk is full, no runner is up),
   * again after `delayMs`, doubled each time up to 30 s. The live Deployment stays live meanwhile.
   */
  async settleEnded(row: DeploymentRow, handler: string, known: KnownParts = {}, delayMs = 1_000): Promise<void> {
    const { rollouts, report } = this.#options;
    try {
      await this.#settle(row, async () => {
        await rollouts.goLive(row, known);
      });
    } catch (error) {
      report(`v${row.number} of ${handler} could not be settled; next try in ${delayMs} ms`, error);
      const again = () => void this.settleEnded(row, handler, {}, Math.min(delayMs * 2, settleMsMax));
      setTimeout(again, delayMs).unref();
    }
  }

  /** Calls `finish` if git has moved the ref to the Deployment's commit, else fails the Deployment. */
  async #settle(row: DeploymentRow, finish: () => Promise<void>): Promise<void> {
    const { store, releases, repositories, log } = this.#options;
    const gone = await this.#whatIsGone(row);
    const refs = await repositories.refs(row.handler_id);
    if (gone === null && refs.get(row.ref) === row.commit) {
      await finish();
      await log.write(row.handler_id, row.number, 'info', `deployed v${row.number} (finished after an interruption)`);
      return;
    }
    const failure = gone === null ? 'the push was interrupted' : `the ${gone} was deleted`;
    const failed = await store.fail(row.id, failure);
    releases.forgetPrepared(row.handler_id, row.branch);
    // The row of a Deployment goes with its handler: what could be failed has a log.
    if (failed) await log.write(row.handler_id, row.number, 'error', `v${row.number} failed: ${failure}`);
  }

  /** Returns which of the two a Deployment lacks; null: it lacks neither. */
  async #whatIsGone(row: DeploymentRow): Promise<'handler' | 'preview' | null> {
    const { previewStore, handlers } = this.#options;
    const handler = await handlers.findById(row.handler_id);
    if (handler === null || handler.deletedMs !== null) return 'handler';
    if (row.branch === deployBranch) return null;
    return (await previewStore.find(handler.id, row.branch)) === null ? 'preview' : null;
  }

  /** Pins the commit of every live Deployment that has no pin, so that git never removes it. */
  async #mendPins(): Promise<void> {
    const { repositories, servedLabels, report } = this.#options;
    const live = await servedLabels.live();
    const elsewhere = await repositories.elsewhere(live.map((row) => row.handler_id));
    for (const row of live) {
      if (elsewhere.has(row.handler_id)) continue;
      if (await repositories.pinned(row.handler_id, row.number)) continue;
      await repositories
        .pin(row.handler_id, row)
        .catch((error: unknown) => report(`v${row.number} of ${row.handler} could not be pinned`, error));
    }
  }

  /**
   * Removes previews whose branch git does not have any more, or that is the deploy branch now: their removal was
   * interrupted. `ours`: the handlers whose repositories lie here.
   */
  async #removeStrayPreviews(ours: readonly string[]): Promise<void> {
    const { repositories, store, previewStore, handlers, previews, report } = this.#options;
    const some = await previewStore.handlerIds();
    for (const handlerId of ours) {
      if (!some.has(handlerId)) continue;
      try {
        const refs = await repositories.refs(handlerId);
        const deployed = (await handlers.findById(handlerId))?.deployBranch;
        // A preview without a Release is being pushed for the first time: git creates its branch last.
        for (const { branch } of await previewStore.list(handlerId))
          if (branch === deployed) await previews.remove(handlerId, branch, 'its branch is the deploy branch now');
          else if (!refs.has(`refs/heads/${branch}`) && (await store.live(handlerId, branch)) !== null)
            await previews.remove(handlerId, branch, 'its branch was deleted');
      } catch (error) {
        report(`the previews of ${handlerId} could not be compared with its branches`, error);
      }
    }
  }

  /** Removes those repositories of `ours` whose first push a crash interrupted before the handler existed. */
  async #removeStrayRepositories(ours: readonly string[]): Promise<void> {
    const { repositories, store } = this.#options;
    const ids = await store.handlerIds();
    for (const id of ours) {
      if (ids.has(id)) await repositories.sweep(id);
      else await repositories.remove(id);
    }
  }
}

/** Ends previews: with their branch, by command, or after a number of days without a call or push. */

import type { HandlerId } from '../../protocol/names.ts';
import { shortPath } from '../git/push-text.ts';
import type { Repositories } from '../git/repositories.ts';
import type { DeploymentStore } from './deployment-store.ts';
import type { OwnerLog } from './owner-log.ts';
import type { PreviewStore } from './preview-store.ts';
import type { Releases } from './releases.ts';

export interface PreviewsOptions {
  readonly store: Pick<DeploymentStore, 'drop'>;
  readonly previewStore: Pick<PreviewStore, 'ended'>;
  readonly releases: Pick<Releases, 'removePreview'>;
  readonly repositories: Pick<Repositories, 'collect' | 'has' | 'unpin'>;
  readonly log: OwnerLog;
  /** Returns Unix milliseconds. */
  readonly now: () => number;
  /** Receives a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Previews {
  readonly #options: PreviewsOptions;

  constructor(options: PreviewsOptions) {
    this.#options = options;
  }

  /**
   * Removes a preview with its kv values, variables and versions; the branch in git stays. Returns false when there is
   * no such preview. `why` is written to the handler's log.
   */
  async remove(handlerId: HandlerId, branch: string, why: string): Promise<boolean> {
    const { store, releases, repositories, log } = this.#options;
    const rows = await releases.removePreview(handlerId, branch);
    if (rows === null) return false;
    // After an interruption here, the hourly retention drops the rest.
    for (const { id, number } of rows) {
      if (repositories.has(handlerId)) await repositories.unpin(handlerId, number);
      await store.drop(id);
    }
    if (rows.length > 0 && repositories.has(handlerId)) await repositories.collect(handlerId);
    await log.write(handlerId, 0, 'info', `the preview of ${shortPath(branch)} was removed: ${why}`);
    return true;
  }

  /** Removes previews that are no longer used. Called periodically. */
  async removeUnused(): Promise<void> {
    const { previewStore, now, report } = this.#options;
    for (const { handlerId, branch } of await previewStore.ended(now()))
      await this.remove(handlerId, branch, 'nobody has called it or pushed to it for long').catch((error: unknown) =>
        report(`the preview ${branch} of ${handlerId} could not be removed`, error),
      );
  }
}

/** The end of a push, after git has moved the refs: what it has staged goes live, and its words say where. */

import { PlatformError } from '../../protocol/errors.ts';
import type { TreeFile } from '../../protocol/messages.ts';
import type { PlacedHandler } from '../../protocol/placement.ts';
import { previewLabel } from '../../protocol/previews.ts';
import type { IncomingPush, Print } from '../../protocol/push.ts';
import { anyErrorText, detail, seconds, shortCommit, shortPath, step, success, warning } from '../git/push-text.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import { readEffectiveManifest } from './effective-manifest.ts';
import type { OwnerLog } from './owner-log.ts';
import type { PreviewStore } from './preview-store.ts';
import type { Previews } from './previews.ts';
import { branchOf } from './push-words.ts';
import type { Rollouts } from './rollouts.ts';
import type { Vetted } from './vet/messages.ts';

/** The parts of control that the end of a push uses. */
export interface PushReleaseParts {
  readonly handlers: Pick<Handlers, 'findById'>;
  readonly previewStore: Pick<PreviewStore, 'of'>;
  readonly previews: Pick<Previews, 'remove'>;
  readonly rollouts: Pick<Rollouts, 'goLive'>;
  readonly repositories: Pick<Repositories, 'setHead'>;
  readonly log: OwnerLog;
  /** Returns the URLs at which what is served under a label answers, as the push tells them. */
  readonly urlsOf: (label: string) => Promise<readonly string[]>;
  /** Returns words that follow `live`, such as ` on 3 of 3 nodes`; '': this server has no nodes. */
  readonly places: (placed: PlacedHandler | null) => string;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** A staged Deployment, with parts that need not be read again. */
export interface Staged {
  readonly row: DeploymentRow;
  readonly module: Vetted['module'];
  readonly files: readonly TreeFile[];
}

export class PushRelease {
  readonly #parts: PushReleaseParts;
  readonly #push: IncomingPush;
  /** Monotonic milliseconds at which the push began. */
  readonly #startMs: number;
  /** Whether the push determines the deploy branch. */
  readonly #isFirst: boolean;

  constructor(
    parts: PushReleaseParts,
    push: IncomingPush,
    { startMs, isFirst }: { readonly startMs: number; readonly isFirst: boolean },
  ) {
    this.#parts = parts;
    this.#push = push;
    this.#startMs = startMs;
    this.#isFirst = isFirst;
  }

  /**
   * Makes a staged Deployment live and prints how; never throws. Calls `onLive` as soon as it is live. A failure is
   * printed: the Deployment stays staged, and goes live later, unless the handler has been deleted for good.
   */
  async deploy(staged: Staged, print: Print, onLive: () => void): Promise<void> {
    const { handlerId } = this.#push;
    const { number, ref, branch: preview } = staged.row;
    let { handlerName } = this.#push;
    const branch = branchOf(ref);
    try {
      const { replaced, percent } = await this.#parts.rollouts.goLive(staged.row, staged);
      onLive();
      // The handler may have been renamed during the push.
      handlerName = (await this.#parts.handlers.findById(handlerId))?.name ?? handlerName;
      const of = preview === deployBranch ? null : await this.#parts.previewStore.of(staged.row);
      if (this.#isFirst && of === null) await this.#parts.repositories.setHead(handlerId, branch);
      const instead =
        replaced === null
          ? ''
          : percent === null
            ? `, replacing v${replaced.number}`
            : `, for ${percent} % of the calls beside v${replaced.number}`;
      const took = `in ${seconds(performance.now() - this.#startMs)}${instead}`;
      print(
        step(
          of === null
            ? `deployed v${number} ${took}`
            : `deployed preview of ${shortPath(branch)} as v${number} ${took}`,
        ),
      );
      const label = of === null ? handlerName : previewLabel(of.slug, handlerName);
      for (const url of await this.#parts.urlsOf(label)) print(detail(url));
      const { placement } = readEffectiveManifest(staged.row.manifest);
      const live = `live${this.#parts.places(placement === undefined ? null : { handlerId, placement })}`;
      if (of !== null) print(success(`${live}. Logs:`, `wasmcloud logs ${handlerName} --preview ${of.slug}`));
      else if (percent !== null) print(success('shared. All calls:', `wasmcloud release ${handlerName} --finish`));
      else if (replaced === null) print(success(`${live}. Logs:`, `wasmcloud logs ${handlerName}`));
      else print(success(`${live}. Undo:`, `wasmcloud rollback ${handlerName} v${replaced.number}`));
      const from = `${branch} @ ${shortCommit(staged.row.commit)}`;
      const text = `deployed v${number} from ${from} by ${this.#push.user.name}${instead}`;
      await this.#parts.log.write(handlerId, number, 'info', text, of?.slug);
      // Removes the preview that the branch had before it became the deploy branch.
      if (of === null) await this.#parts.previews.remove(handlerId, branch, 'its branch is deployed now');
    } catch (error) {
      const purge = await this.#purge(handlerName);
      if (purge !== null) return print(anyErrorText(purge));
      this.#parts.report(`v${number} of ${handlerName} could not be released`, error);
      print(anyErrorText(error));
      print(warning(`v${number} is stored; it goes live as soon as that is over`));
    }
  }

  /** Returns the error to show if the handler has been deleted for good during the push, else null. */
  async #purge(handlerName: string): Promise<PlatformError | null> {
    const { handlers } = this.#parts;
    const isThere = await handlers.findById(this.#push.handlerId).then(
      (handler) => handler !== null,
      () => true,
    );
    if (isThere) return null;
    return new PlatformError('not_found', `${handlerName} was deleted for good during the push, with what was pushed`, {
      hints: ['push again to make a new handler of this name'],
    });
  }

  /** Removes the preview of a branch that the push has deleted; never throws. */
  async branchDeleted(branch: string, print: Print): Promise<void> {
    const { previews, report } = this.#parts;
    const { handlerId, handlerName, user } = this.#push;
    try {
      if (await previews.remove(handlerId, branch, `its branch was deleted by ${user.name}`))
        print(step(`removed the preview of ${shortPath(branch)}`));
    } catch (error) {
      // The next housekeeping removes the preview: its branch is gone.
      report(`the preview ${branch} of ${handlerName} could not be removed`, error);
    }
  }
}

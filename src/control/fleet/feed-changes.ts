/** Changes from the feed of Releases: how a runner is told one, and up to which revision all runners have made them. */
import type { OwnerState } from '../../protocol/messages.ts';
import type { ReleaseChange } from '../../protocol/ports.ts';
import type { RunnerProcess } from './runner-process.ts';

/**
 * Tells `runner` a change. Resolves when the runner has made it; what is removed or announced is not waited for.
 * `shareOf`: one runner's share of a User's limit of calls in flight.
 */
export async function sendChange(
  runner: RunnerProcess,
  change: ReleaseChange,
  shareOf: (owner: OwnerState) => OwnerState,
): Promise<void> {
  switch (change.kind) {
    case 'release':
      runner.send({ kind: 'release', label: change.label, specId: change.spec.specId, rollout: change.rollout });
      return runner.sync();
    case 'owner':
      runner.send({ kind: 'owner', owner: shareOf(change.owner) });
      return runner.sync();
    case 'redirect':
      runner.send({ kind: 'redirect', label: change.label, to: change.to });
      return runner.sync();
    case 'elsewhere': {
      const { label, nodes, labels } = change;
      runner.send({ kind: 'elsewhere', label, nodes, labels });
      return runner.sync();
    }
    case 'unserved':
      runner.send({ kind: 'unserved', label: change.label, reason: change.reason });
      return runner.sync();
    case 'domain':
      runner.send({ kind: 'domain', domain: change.domain, to: change.to });
      return runner.sync();
    default:
      runner.send({ kind: change.kind, label: change.label });
  }
}

/** Revisions of changes on their way to the runners. */
export class AppliedChanges {
  /**
   * Maps the revision of a change to a promise that resolves when every runner has made the change; finished ones are
   * removed.
   */
  readonly #applying = new Map<number, Promise<void>>();
  /** Revision of the last change. */
  #last = 0;

  /** Revision up to which every runner has made all changes. */
  get revision(): number {
    const [applying] = this.#applying.keys();
    return applying === undefined ? this.#last : applying - 1;
  }

  /** Whether every runner has made all changes. */
  get areAllMade(): boolean {
    return this.#applying.size === 0;
  }

  /** Adds a change; `made` resolves when every runner has made it. Revisions never fall. */
  add(revision: number, made: Promise<void>): void {
    this.#last = revision;
    // Several changes have one revision where a node reads everything again.
    const before = this.#applying.get(revision);
    const all: Promise<void> = made.then(async () => {
      await before;
      if (this.#applying.get(revision) === all) this.#applying.delete(revision);
    });
    this.#applying.set(revision, all);
  }

  /** Resolves when every runner has made the changes up to `revision`. */
  async upTo(revision: number): Promise<void> {
    await Promise.all([...this.#applying].filter(([number]) => number <= revision).map(([, made]) => made));
  }
}

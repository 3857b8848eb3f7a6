/** What each label is served with, as the listeners of a ReleaseFeed have been told. */
import type { DeploymentSpec } from './messages.ts';
import type { PlacedHandler } from './placement.ts';
import type { ReleaseChange, ReleaseState } from './ports.ts';
import type { Rollout } from './rollouts.ts';

export class ToldReleases {
  readonly #listeners = new Set<(change: ReleaseChange) => void>();
  /** Maps a label to the ids of the specs that it is served with: the live one, and that of a gradual release. */
  readonly #specIds = new Map<string, readonly [string, ...string[]]>();
  /** Labels of functions whose manifest asks something of nodes. */
  readonly #placed = new Map<string, PlacedHandler>();

  /** Returns what ReleaseFeed.lookup does. */
  lookup(label: string): string | null {
    return this.#specIds.get(label)?.[0] ?? null;
  }

  /** Returns what ReleaseFeed.serving does. */
  serving(label: string): readonly string[] {
    return this.#specIds.get(label) ?? [];
  }

  /** Returns what the live version of `label` asks of nodes; null: nothing, or nothing is live. */
  placedOf(label: string): PlacedHandler | null {
    return this.#placed.get(label) ?? null;
  }

  /** Calls `listener` for each change that is told from now on, until the returned function is called. */
  changes(listener: (change: ReleaseChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls every listener before it returns, so that all of them see changes in the same order. */
  tell(change: ReleaseChange): void {
    if (change.kind === 'release') this.#specIds.set(change.label, idsOf(change.spec.specId, change.rollout));
    else if (change.kind !== 'owner' && change.kind !== 'domain') this.#specIds.delete(change.label);
    if (change.kind !== 'owner' && change.kind !== 'domain')
      this.#place(change.label, change.kind === 'release' ? change.spec : undefined);
    for (const listener of this.#listeners) listener(change);
  }

  /**
   * Returns the state that `read` returns, and knows its labels from then on. Of a label that changes meanwhile the
   * state may have the old spec; the change, which is told, has the new one.
   */
  async read(read: () => Promise<ReleaseState>): Promise<ReleaseState> {
    const changed = new Set<string>();
    const end = this.changes((change) => {
      if (change.kind !== 'owner' && change.kind !== 'domain') changed.add(change.label);
    });
    try {
      const state = await read();
      const specs = new Map(state.specs.map((spec) => [spec.specId, spec]));
      for (const { label, specId, rollout = null } of state.releases) {
        if (changed.has(label)) continue;
        this.#specIds.set(label, idsOf(specId, rollout));
        this.#place(label, specs.get(specId));
      }
      return state;
    } finally {
      end();
    }
  }

  /** Notes what `spec`, which is live under `label`, asks of nodes; undefined: nothing is live. */
  #place(label: string, spec: DeploymentSpec | undefined): void {
    if (spec?.placement === undefined) this.#placed.delete(label);
    else this.#placed.set(label, { handlerId: spec.handlerId, placement: spec.placement });
  }
}

function idsOf(specId: string, rollout: Rollout | null): readonly [string, ...string[]] {
  return rollout === null ? [specId] : [specId, rollout.specId];
}

/** What each label is served with, as the listeners of a ReleaseFeed have been told. */
import type { ReleaseChange, ReleaseState } from './ports.ts';
import type { Rollout } from './rollouts.ts';

export class ToldReleases {
  readonly #listeners = new Set<(change: ReleaseChange) => void>();
  /** Maps a label to the ids of the specs that it is served with: the live one, and that of a gradual release. */
  readonly #specIds = new Map<string, readonly [string, ...string[]]>();

  /** Returns what ReleaseFeed.lookup does. */
  lookup(label: string): string | null {
    return this.#specIds.get(label)?.[0] ?? null;
  }

  /** Returns what ReleaseFeed.serving does. */
  serving(label: string): readonly string[] {
    return this.#specIds.get(label) ?? [];
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
    for (const listener of this.#listeners) listener(change);
  }

  /**
   * Returns the state that `read` returns, and knows its labels from then on. Of a label that changes meanwhile the state may
   * have the old spec; the change, which is told, has the new one.
   */
  async read(read: () => Promise<ReleaseState>): Promise<ReleaseState> {
    const changed = new Set<string>();
    const end = this.changes((change) => {
      if (change.kind !== 'owner' && change.kind !== 'domain') changed.add(change.label);
    });
    try {
      const state = await read();
      for (const { label, specId, rollout = null } of state.releases)
        if (!changed.has(label)) this.#specIds.set(label, idsOf(specId, rollout));
      return state;
    } finally {
      end();
    }
  }
}

function idsOf(specId: string, rollout: Rollout | null): readonly [string, ...string[]] {
  return rollout === null ? [specId] : [specId, rollout.specId];
}

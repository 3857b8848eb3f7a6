/**
 * Implements the port ReleaseFeed for one control: the database stores what is released, this class tells the stations
 * of the same process.
 */
import type { DeploymentSpec, OwnerState } from '../../protocol/messages.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import type { Rollout } from '../../protocol/rollouts.ts';

export interface LocalReleaseFeedOptions {
  /** Reads from the database what every label is served with. */
  readonly read: () => Promise<ReleaseState>;
}

export class LocalReleaseFeed implements ReleaseFeed {
  readonly #options: LocalReleaseFeedOptions;
  readonly #listeners = new Set<(change: ReleaseChange) => void>();
  /** Maps a label to the ids of the specs that it is served with: the live one, and that of a gradual release. */
  readonly #served = new Map<string, readonly [string, ...string[]]>();
  #revision = 0;

  constructor(options: LocalReleaseFeedOptions) {
    this.#options = options;
  }

  lookup(label: string): string | null {
    return this.#served.get(label)?.[0] ?? null;
  }

  serving(label: string): readonly string[] {
    return this.#served.get(label) ?? [];
  }

  async current(): Promise<ReleaseState> {
    // Labels that change during the read: the result may have the old spec of such a label, the change has the new one.
    const changed = new Set<string>();
    const end = this.changes((change) => {
      if (change.kind !== 'owner' && change.kind !== 'domain') changed.add(change.label);
    });
    try {
      const state = await this.#options.read();
      for (const { label, specId, rollout = null } of state.releases)
        if (!changed.has(label)) this.#served.set(label, idsOf(specId, rollout));
      return state;
    } finally {
      end();
    }
  }

  changes(listener: (change: ReleaseChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async release(spec: DeploymentSpec, rollout: Rollout | null = null): Promise<number> {
    this.#served.set(spec.label, idsOf(spec.specId, rollout));
    return this.#tell({ revision: this.#next(), label: spec.label, kind: 'release', spec, rollout });
  }

  async announce(label: string): Promise<number> {
    this.#served.delete(label);
    return this.#tell({ revision: this.#next(), label, kind: 'announce' });
  }

  async redirect(label: string, to: string): Promise<number> {
    this.#served.delete(label);
    return this.#tell({ revision: this.#next(), label, kind: 'redirect', to });
  }

  async remove(label: string): Promise<number> {
    this.#served.delete(label);
    return this.#tell({ revision: this.#next(), label, kind: 'remove' });
  }

  async domain(domain: string, to: string | null): Promise<number> {
    return this.#tell({ revision: this.#next(), kind: 'domain', domain, to });
  }

  async owner(owner: OwnerState): Promise<number> {
    return this.#tell({ revision: this.#next(), kind: 'owner', owner });
  }

  #next(): number {
    this.#revision += 1;
    return this.#revision;
  }

  /** Calls every listener before it returns, so that all of them see changes in the same order. */
  #tell(change: ReleaseChange): number {
    for (const listener of this.#listeners) listener(change);
    return change.revision;
  }
}

function idsOf(specId: string, rollout: Rollout | null): readonly [string, ...string[]] {
  return rollout === null ? [specId] : [specId, rollout.specId];
}

/**
 * Implements the port ReleaseFeed for one control: the database stores what is released, this class tells the stations
 * of the same process.
 */
import type { DeploymentSpec, OwnerState } from '../../protocol/messages.ts';
import type { ReleaseChange, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import type { Rollout } from '../../protocol/rollouts.ts';
import { ToldReleases } from '../../protocol/told-releases.ts';

export interface LocalReleaseFeedOptions {
  /** Reads from the database what every label is served with. */
  readonly read: () => Promise<ReleaseState>;
}

export class LocalReleaseFeed implements ReleaseFeed {
  readonly #options: LocalReleaseFeedOptions;
  readonly #told = new ToldReleases();
  #revision = 0;

  constructor(options: LocalReleaseFeedOptions) {
    this.#options = options;
  }

  lookup(label: string): string | null {
    return this.#told.lookup(label);
  }

  serving(label: string): readonly string[] {
    return this.#told.serving(label);
  }

  current(): Promise<ReleaseState> {
    return this.#told.read(this.#options.read);
  }

  changes(listener: (change: ReleaseChange) => void): () => void {
    return this.#told.changes(listener);
  }

  async release(spec: DeploymentSpec, rollout: Rollout | null = null): Promise<number> {
    return this.#tell({ revision: this.#next(), label: spec.label, kind: 'release', spec, rollout });
  }

  async announce(label: string): Promise<number> {
    return this.#tell({ revision: this.#next(), label, kind: 'announce' });
  }

  async redirect(label: string, to: string): Promise<number> {
    return this.#tell({ revision: this.#next(), label, kind: 'redirect', to });
  }

  async remove(label: string): Promise<number> {
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

  #tell(change: ReleaseChange): number {
    this.#told.tell(change);
    return change.revision;
  }
}

/** Keeps Artifacts that a push is about to refer to, and removes Artifacts that no Deployment refers to. */
import type { Blobs } from '../../protocol/ports.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import type { ArtifactRows } from './artifact-rows.ts';

export class ArtifactUse {
  readonly #rows: ArtifactRows;
  readonly #artifacts: Blobs;
  readonly #locks = new KeyedMutex();

  constructor(options: { readonly rows: ArtifactRows; readonly artifacts: Blobs }) {
    this.#rows = options.rows;
    this.#artifacts = options.artifacts;
  }

  /** Runs `work` and returns its result. Until it has settled, `collect` removes no Artifact of `names`. */
  async keeping<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...others] = [...names].sort(); // one fixed order, so that two pushes cannot wait for each other
    if (first === undefined) return work();
    return this.#locks.run(first, () => this.keeping(others, work));
  }

  /** Removes every Artifact that no Deployment refers to, from the database and the store. */
  async collect(): Promise<void> {
    const used = await this.#rows.used();
    for (const name of await this.#artifacts.list()) {
      if (used.has(name)) continue;
      await this.keeping([name], async () => {
        // Checks again, now that no push can be about to use the Artifact.
        if (await this.#rows.isUsed(name)) return;
        if (await this.#rows.remove(name)) await this.#artifacts.remove(name);
      });
    }
  }
}

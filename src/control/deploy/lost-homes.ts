/**
 * Looks for controls that have ended, and takes over those of their repositories with a push in progress, so that its
 * Deployments are finished or failed: within the lease of a control and one look, at most 3.5 s after it was killed.
 * Their other repositories are taken over when somebody asks for them.
 */
import type { LostControl } from '../git/leased-homes.ts';

export const lostHomeLimits = {
  /** Milliseconds between two looks. */
  lookMs: 500,
} as const;

export interface LostHomesOptions {
  readonly homes: { lost(): Promise<readonly LostControl[]> };
  readonly keeper: { takeOver(repositoryId: string): Promise<void> };
  readonly store: { stagedAt(home: string): Promise<readonly string[]> };
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class LostHomes {
  readonly #options: LostHomesOptions;
  /** Losses that are settled, by LostControl.key. */
  #settled = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;

  constructor(options: LostHomesOptions) {
    this.#options = options;
  }

  /** Starts looking, once in lostHomeLimits.lookMs. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.look()
        .catch((error: unknown) => this.#options.report('pushes of other controls could not be settled', error))
        .finally(() => {
          this.#looking = null;
        });
    }, lostHomeLimits.lookMs);
  }

  /** Ends looking; waits for a look in progress. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
  }

  /** Looks once. Rejects when a Deployment could not be settled; the next look tries again. */
  async look(): Promise<void> {
    const { homes, keeper, store } = this.#options;
    const lost = await homes.lost();
    const known = new Set(lost.map(({ key }) => key));
    this.#settled = new Set([...this.#settled].filter((key) => known.has(key)));
    for (const { controlId, key } of lost) {
      if (this.#settled.has(key)) continue;
      for (const id of await store.stagedAt(controlId)) await keeper.takeOver(id);
      this.#settled.add(key);
    }
  }
}

/**
 * Looks for controls that have ended, and settles the Deployments that their pushes left staged: within the lease of a
 * control and one look, at most 3.5 s after it was killed. Their repositories are taken over when somebody asks for
 * them.
 */
import type { LostControl } from '../git/leased-homes.ts';

export const lostHomeLimits = {
  /** Milliseconds between two looks. */
  lookMs: 500,
} as const;

export interface LostHomesOptions {
  readonly homes: {
    readonly self: string;
    lost(): Promise<readonly LostControl[]>;
    take(repositoryId: string, isNew: boolean): Promise<{ readonly controlId: string }>;
  };
  readonly deployments: {
    settleLost(home: string, take: (repositoryId: string) => Promise<boolean>): Promise<void>;
  };
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
    const { homes, deployments } = this.#options;
    const lost = await homes.lost();
    const known = new Set(lost.map(({ key }) => key));
    this.#settled = new Set([...this.#settled].filter((key) => known.has(key)));
    for (const { controlId, key } of lost) {
      if (this.#settled.has(key)) continue;
      await deployments.settleLost(controlId, async (id) => (await homes.take(id, false)).controlId === homes.self);
      this.#settled.add(key);
    }
  }
}

/** Asks runners for gas profiles of a function, and adds them up. */
import { PlatformError } from '../../protocol/errors.ts';
import { emptyProfile, type GasProfile, plausibleProfile, sumOfProfiles } from '../../protocol/gas-profile.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { fleetLimits } from './limits.ts';
import type { RunnerProcess } from './runner-process.ts';

/** Functions that are profiled at the same time: a profile makes their calls slower, and those of others a little. */
const profilesMax = 4;

export class Profiling {
  readonly #handlers = new Set<HandlerId>();
  readonly #asked = new Map<number, (profile: GasProfile) => void>();
  /** Id of the last question. */
  #last = 0;

  /**
   * Returns the profile of calls that begin within the next `ms` milliseconds. A runner that ends meanwhile has an
   * empty one. Throws `conflict` if the function is being profiled, `overloaded` if too many are.
   */
  async take(runners: readonly RunnerProcess[], handlerId: HandlerId, ms: number): Promise<GasProfile> {
    if (this.#handlers.has(handlerId)) throw new PlatformError('conflict', 'this function is being profiled already');
    if (this.#handlers.size >= profilesMax)
      throw new PlatformError('overloaded', `${profilesMax} functions are being profiled`, {
        retryAfterSeconds: Math.ceil(ms / 1_000),
      });
    this.#handlers.add(handlerId);
    try {
      return sumOfProfiles(await Promise.all(runners.map((runner) => this.#ask(runner, handlerId, ms))));
    } finally {
      this.#handlers.delete(handlerId);
    }
  }

  /** Takes a runner's answer, which a hostile guest may have written. */
  answered(id: number, profile: unknown): void {
    this.#asked.get(id)?.(plausibleProfile(profile) ?? emptyProfile);
  }

  async #ask(runner: RunnerProcess, handlerId: HandlerId, ms: number): Promise<GasProfile> {
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve } = Promise.withResolvers<GasProfile>();
    const late = setTimeout(() => resolve(emptyProfile), ms + fleetLimits.profileMs);
    this.#asked.set(id, resolve);
    runner.send({ kind: 'profile', id, handlerId, ms });
    const profile = await runner.unlessEnded(promise);
    clearTimeout(late);
    this.#asked.delete(id);
    return profile === 'ended' ? emptyProfile : profile;
  }
}

/** Gas profiles that are being taken: at most one for each function, for as long as control has asked. */
import { GasSampler, type SampledSlices } from '../guest/kernel/gas-sampler.ts';
import type { SliceScheduler } from '../guest/kernel/meter.ts';
import { type GasProfile, gasProfileLimits, sumOfProfiles } from '../protocol/gas-profile.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';

export class Profiles {
  /** Samplers of the specs of each profiled function: versions and previews have different code. */
  readonly #running = new Map<HandlerId, Map<string, GasSampler>>();

  /** Returns slices that are sampled for a call of `spec`; null: nobody profiles its function. */
  slices({ handlerId, specId, module }: DeploymentSpec, scheduler: SliceScheduler): SampledSlices | null {
    if (this.#running.size === 0) return null;
    const samplers = this.#running.get(handlerId);
    if (samplers === undefined) return null;
    const sampler = samplers.get(specId) ?? new GasSampler(module.plan.imports.length);
    samplers.set(specId, sampler);
    return sampler.slices(scheduler);
  }

  /**
   * Profiles calls of a function that begin from now on. Resolves with their profile after `ms` milliseconds, at most
   * gasProfileLimits.seconds. A function that is being profiled already begins anew; the earlier profile has only calls
   * that began before.
   */
  take(handlerId: HandlerId, ms: number): Promise<GasProfile> {
    const samplers = new Map<string, GasSampler>();
    this.#running.set(handlerId, samplers);
    return new Promise((resolve) => {
      setTimeout(
        () => {
          if (this.#running.get(handlerId) === samplers) this.#running.delete(handlerId);
          for (const sampler of samplers.values()) sampler.end();
          resolve(sumOfProfiles([...samplers.values()].map(({ profile }) => profile)));
        },
        Math.min(ms, gasProfileLimits.seconds * 1_000),
      );
    });
  }
}

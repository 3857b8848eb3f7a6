/** Specs that this control has asked nodes to prepare: nodes fetch them from here, and a Release stores them. */
import type { DeploymentSpec } from '../../protocol/messages.ts';

/** Specs on the shelf. A spec that is released is taken off; those of pushes that ended otherwise are forgotten. */
const specsMax = 10_000;

export class SpecShelf {
  readonly #specs = new Map<string, DeploymentSpec>();

  put(spec: DeploymentSpec): void {
    this.#specs.delete(spec.specId);
    this.#specs.set(spec.specId, spec);
    const [oldest] = this.#specs.keys();
    if (this.#specs.size > specsMax && oldest !== undefined) this.#specs.delete(oldest);
  }

  get(specId: string): DeploymentSpec | undefined {
    return this.#specs.get(specId);
  }

  remove(specId: string): void {
    this.#specs.delete(specId);
  }
}

/** Brings a runner that starts up to date: everything that is released, and what is about to be. */
import type { DeploymentSpec, ToRunner } from '../../protocol/messages.ts';
import type { FleetState } from '../../protocol/ports.ts';
import type { Quarantine } from './blame.ts';
import { fleetLimits } from './limits.ts';
import type { RunnerProcess } from './runner-process.ts';

export interface LoaderOptions {
  readonly runner: RunnerProcess;
  readonly quarantined: (specId: string) => Quarantine | undefined;
  /** It cannot be served; the platform goes on without it. */
  readonly onUnloadable: (specId: string, reason: string) => void;
  /** One Deployment at a time: a runner has ended while it loaded, and it is to become clear over which. */
  readonly isCareful: boolean;
}

export class Loader {
  readonly #options: LoaderOptions;
  readonly #loading = new Set<string>();

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** The one Deployment that is being loaded now; null where there are several or none. */
  get only(): string | null {
    const [first, second] = this.#loading;
    return first !== undefined && second === undefined ? first : null;
  }

  async load(state: FleetState, prepared: readonly DeploymentSpec[]): Promise<void> {
    const { runner, isCareful } = this.#options;
    const missing = new Set<string>();
    const underway = new Set<Promise<void>>();
    let isOver = false;
    void runner.ended.then(() => {
      isOver = true;
    });
    // The runner compiles in this order while it serves: small ones first, so that most are warm soon.
    const specs = [...state.specs].sort((a, b) => a.module.codeBytes - b.module.codeBytes);
    for (const spec of [...specs, ...prepared]) {
      if (underway.size >= (isCareful ? 1 : fleetLimits.preparesUnderway)) await Promise.race(underway);
      // The next runner reads the state anew.
      if (isOver) return;
      const one: Promise<void> = this.#loadOne(spec).then((isLoaded) => {
        if (!isLoaded) missing.add(spec.specId);
        underway.delete(one);
      });
      underway.add(one);
    }
    await Promise.all(underway);
    for (const label of state.known) runner.send({ kind: 'announce', label });
    for (const { label, specId } of state.releases) {
      if (missing.has(specId)) runner.send({ kind: 'announce', label });
      else runner.send({ kind: 'release', label, specId });
    }
  }

  async #loadOne(spec: DeploymentSpec): Promise<boolean> {
    const { runner, quarantined, onUnloadable } = this.#options;
    const { specId } = spec;
    const quarantine = quarantined(specId);
    if (quarantine?.phase === 'load') return false;
    this.#loading.add(specId);
    try {
      const result = await runner.prepare({ kind: 'prepare', spec, isLazy: true }, null);
      // Whose fault it was is decided by whoever sees the runner's end: `only` still tells.
      if (result === 'ended') return false;
      if (result.error !== null) throw new Error(result.error);
    } catch (error) {
      this.#loading.delete(specId);
      onUnloadable(spec.specId, error instanceof Error ? error.message : String(error));
      return false;
    }
    this.#loading.delete(specId);
    if (quarantine !== undefined) runner.send({ kind: 'quarantine', specId, reason: quarantine.reason });
    return true;
  }
}

export async function artifactMessage(
  spec: DeploymentSpec,
  readArtifact: (name: string) => Promise<Uint8Array>,
): Promise<Extract<ToRunner, { kind: 'artifact' }>> {
  return { kind: 'artifact', name: spec.artifact, bytes: await readArtifact(spec.artifact) };
}

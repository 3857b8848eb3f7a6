/** Brings a runner that starts up to date: everything that is released, and what is about to be. */
import type { DeploymentSpec, OwnerState, ToRunner } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { ReleaseState } from '../../protocol/ports.ts';
import type { Quarantine } from './blame.ts';
import { fleetLimits } from './limits.ts';
import type { RunnerProcess } from './runner-process.ts';

/** Unix milliseconds by handler id; without handlers whose function was never called. */
export type LastCalls = Readonly<Record<HandlerId, number>>;

export interface LoadOptions {
  readonly runner: RunnerProcess;
  readonly state: ReleaseState;
  readonly lastCallMs: LastCalls;
  /** Prepared, and not part of `state` yet. */
  readonly prepared: readonly DeploymentSpec[];
  readonly quarantined: (specId: string) => Quarantine | undefined;
  /** One runner's share of what a User may have in flight. */
  readonly shareOf: (owner: OwnerState) => OwnerState;
  /** A spec that the runner refuses; the platform goes on without it. */
  readonly onUnloadable: (specId: string, reason: string) => void;
}

/**
 * Tells `runner` every spec and every label. It compiles nothing before it serves, and then in this order: the
 * functions that were called last first, since they are called next and all code may not fit; of those called in the
 * same minute, and of those never called, the ones of few bytes, so that many are warm soon. Resolves
 * when all has been said, or the runner has ended.
 */
export async function load(options: LoadOptions): Promise<void> {
  const { runner, state, lastCallMs, prepared, quarantined, shareOf, onUnloadable } = options;
  const calledMs = ({ handlerId }: DeploymentSpec): number => lastCallMs[handlerId] ?? 0;
  const specs = [...state.specs].sort((a, b) => calledMs(b) - calledMs(a) || a.module.codeBytes - b.module.codeBytes);
  const missing = new Set<string>();
  const tell = async (spec: DeploymentSpec): Promise<void> => {
    const { specId } = spec;
    const result = await runner.prepare({ kind: 'prepare', spec, isLazy: true }, null);
    // The next runner reads the state anew.
    if (result === 'ended') return;
    if (result.error !== null) {
      missing.add(specId);
      onUnloadable(specId, result.error);
      return;
    }
    const quarantine = quarantined(specId);
    if (quarantine !== undefined) runner.send({ kind: 'quarantine', specId, reason: quarantine.reason });
  };
  const all = [...specs, ...prepared];
  for (let at = 0; at < all.length; at += fleetLimits.specsUnderway)
    await Promise.all(all.slice(at, at + fleetLimits.specsUnderway).map(tell));
  for (const owner of state.owners) runner.send({ kind: 'owner', owner: shareOf(owner) });
  for (const label of state.known) runner.send({ kind: 'announce', label });
  for (const { label, specId } of state.releases) {
    if (missing.has(specId)) runner.send({ kind: 'announce', label });
    else runner.send({ kind: 'release', label, specId });
  }
}

export async function artifactMessage(
  spec: DeploymentSpec,
  readArtifact: (name: string) => Promise<Uint8Array>,
): Promise<Extract<ToRunner, { kind: 'artifact' }>> {
  return { kind: 'artifact', name: spec.artifact, bytes: await readArtifact(spec.artifact) };
}

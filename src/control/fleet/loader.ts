/** Brings a starting runner up to date: all Releases, and the specs that are being prepared. */
import type { DeploymentSpec, OwnerState } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { ReleaseState } from '../../protocol/ports.ts';
import { notLoaded } from '../../protocol/released.ts';
import type { Quarantine } from './blame.ts';
import { fleetLimits } from './limits.ts';
import type { RunnerProcess } from './runner-process.ts';

/** Unix milliseconds of the last call by handler id. Handlers whose function was never called are absent. */
export type LastCalls = Readonly<Record<HandlerId, number>>;

export interface LoadOptions {
  readonly runner: RunnerProcess;
  readonly state: ReleaseState;
  readonly lastCallMs: LastCalls;
  /** Prepared specs that are not part of `state` yet. */
  readonly prepared: readonly DeploymentSpec[];
  readonly quarantined: (specId: string) => Quarantine | undefined;
  /** Returns one runner's share of a User's limit of calls in flight. */
  readonly shareOf: (owner: OwnerState) => OwnerState;
  /** Is called for a spec that the runner refuses; the platform goes on without it. */
  readonly onUnloadable: (specId: string, reason: string) => void;
}

/**
 * Sends `runner` every spec and every label. The runner compiles nothing before it serves, and then in this order:
 * functions that were called last come first, since they are likely to be called next and all code may not fit;
 * functions called in the same minute, or never, in order of their bytes, so that many are warm soon. Resolves when all
 * is sent, or when the runner has ended.
 */
export async function load(options: LoadOptions): Promise<void> {
  const { runner, state, lastCallMs, prepared, quarantined, shareOf, onUnloadable } = options;
  const calledMs = ({ handlerId }: DeploymentSpec): number => lastCallMs[handlerId] ?? 0;
  const specs = [...state.specs].sort((a, b) => calledMs(b) - calledMs(a) || a.module.codeBytes - b.module.codeBytes);
  const missing = new Set<string>();
  const tell = async (spec: DeploymentSpec): Promise<void> => {
    const { specId } = spec;
    const result = await runner.prepare({ kind: 'prepare', spec, isLazy: true });
    // The runner has ended; the next one reads the state anew.
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
  for (const moved of state.moved) runner.send({ kind: 'redirect', ...moved });
  for (const domain of state.domains) runner.send({ kind: 'domain', ...domain });
  for (const label of state.known) runner.send({ kind: 'announce', label });
  for (const label of state.unserved ?? []) runner.send({ kind: 'unserved', ...label });
  for (const label of state.elsewhere ?? []) runner.send({ kind: 'elsewhere', ...label });
  for (const { label, specId, rollout = null } of state.releases) {
    // Where only the new version is missing, the live one answers all calls.
    const shared = rollout === null || missing.has(rollout.specId) ? null : rollout;
    if (missing.has(specId)) runner.send({ kind: 'unserved', label, reason: notLoaded });
    else runner.send({ kind: 'release', label, specId, rollout: shared });
  }
}

/**
 * Deployments that this runner can serve. A pushed Deployment is compiled before the switch; one read at the start is
 * compiled when it is called, or earlier if there is room. It is freed when no label serves it and its last Invocation
 * has ended.
 *
 * prepare --> prepared --release--> live --release of another--> prepared
 * |                                                  |
 * +---------------- forget ------> draining --> freed
 *
 * Independently, its code is warm (it has a pool) or cold (it has none): code-store.ts.
 */
import { abis } from '../guest/kernel/abi/all.ts';
import { type LowerDirectory, lowerTree } from '../guest/kernel/fs/lower-tree.ts';
import { missingFunction } from '../guest/kernel/missing-function.ts';
import { CompiledPolicy } from '../guest/kernel/policy.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import { type BusyMark, busyMarkOf } from './busy-mark.ts';
import type { HeadMemo } from './cgi-head.ts';
import type { CodeStore, CodeUse } from './code-store.ts';
import type { HandlerServices, HandlerState, HandlerStates } from './handler-states.ts';
import { InstanceRests } from './instance-rests.ts';
import { restLimits, sliceLimits } from './limits.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { SlotPool } from './pool.ts';
import { type UsageMeter, usageMeter } from './usage-reporter.ts';

export interface LoadedDeployment {
  readonly spec: DeploymentSpec;
  readonly handler: HandlerState;
  /** Pool of slots, made by `warm`; null: its code is cold. */
  pool: SlotPool | null;
  readonly policy: CompiledPolicy | null;
  /** Services of its preview, or of the handler itself. */
  readonly services: HandlerServices;
  readonly usage: UsageMeter;
  readonly mark: Buffer;
  readonly headMemo: HeadMemo;
  /** Returns the pushed files as a directory, built when a guest first needs it. */
  readonly tree: () => LowerDirectory;
  /** Invocations in flight. */
  inFlight: number;
  /** Number of the last request that called it; 0: none. */
  lastCall: number;
  isForgotten: boolean;
  /** Why it is not run any more; null: it is run. */
  quarantine: string | null;
}

export interface LoadedDeploymentsOptions {
  readonly budget: MemoryBudget;
  readonly handlers: HandlerStates;
  readonly codes: CodeStore;
  /** Mark that is set before an instance is made or restored. */
  readonly mark: Pick<BusyMark, 'enter'>;
  /** Is called once, for the owner's log, when the code cannot be loaded. */
  readonly onUnloadable: (spec: DeploymentSpec, reason: string) => void;
}

export class LoadedDeployments {
  /** Rests of owners between slow instances. */
  readonly rests = new InstanceRests();
  readonly #options: LoadedDeploymentsOptions;
  readonly #deployments = new Map<string, LoadedDeployment>();
  readonly #uses = new Map<LoadedDeployment, CodeUse>();

  constructor(options: LoadedDeploymentsOptions) {
    this.#options = options;
  }

  /** Number of Deployments. */
  get size(): number {
    return this.#deployments.size;
  }

  /** Bytes of machine code that is held. */
  get codeBytes(): number {
    return this.#options.codes.heldBytes;
  }

  find(specId: string): LoadedDeployment | undefined {
    return this.#deployments.get(specId);
  }

  /**
   * Loads a spec; also compiles its code unless `isLazy`. Throws when the engine refuses the module, when its bytes
   * cannot be read, or when it imports a function that this runner does not have: another version has linked it.
   */
  async prepare(spec: DeploymentSpec, { isLazy }: { readonly isLazy: boolean }): Promise<void> {
    if (this.#deployments.has(spec.specId)) return;
    const deployment = this.#register(spec);
    if (isLazy) return;
    try {
      await this.#compile(deployment);
    } catch (error) {
      this.forget(spec.specId);
      throw error;
    }
  }

  /**
   * Resolves when `deployment` has a pool, or has been quarantined because its code cannot be loaded. Throws
   * `overloaded` and `unavailable` as CodeStore.load does.
   */
  async warm(deployment: LoadedDeployment): Promise<void> {
    try {
      await this.#compile(deployment);
    } catch (error) {
      const { spec } = deployment;
      const refusal = this.#options.codes.refusalOf(spec.artifact) ?? missingFunction(abis, spec.module);
      if (refusal === null) throw error;
      if (deployment.quarantine !== null) return;
      deployment.quarantine = `its code cannot be loaded: ${refusal.message}`;
      this.#options.onUnloadable(spec, refusal.message);
    }
  }

  /** Compiles cold code, one after the other in the order of arrival, until other code would have to be dropped. */
  async warmAll(): Promise<void> {
    for (const deployment of [...this.#deployments.values()]) {
      const { isForgotten, pool, spec } = deployment;
      if (isForgotten || pool !== null || !this.#options.codes.hasRoomFor(spec.artifact)) continue;
      // A failed load is repeated when the function is called.
      await this.warm(deployment).catch(() => {});
    }
  }

  /** Frees a Deployment now, or after its last Invocation. */
  forget(specId: string): void {
    const deployment = this.#deployments.get(specId);
    if (deployment === undefined) return;
    this.#deployments.delete(specId);
    deployment.isForgotten = true;
    if (deployment.inFlight === 0) this.free(deployment);
  }

  /** Frees a Deployment; called when the last Invocation of a forgotten Deployment has ended. */
  free(deployment: LoadedDeployment): void {
    deployment.pool?.close();
    deployment.pool = null;
    const use = this.#uses.get(deployment);
    this.#uses.delete(deployment);
    if (use !== undefined) this.#options.codes.leave(deployment.spec.artifact, use);
    this.#options.handlers.release(deployment.spec);
  }

  /** Releases slots that have been unused for a while. */
  sweep(): void {
    for (const deployment of this.#deployments.values()) deployment.pool?.sweep();
  }

  #register(spec: DeploymentSpec): LoadedDeployment {
    const { handler, services } = this.#options.handlers.acquire(spec);
    let tree: LowerDirectory | null = null;
    const deployment: LoadedDeployment = {
      spec,
      handler,
      pool: null,
      policy: spec.policy === null ? null : new CompiledPolicy(spec.policy),
      services,
      usage: usageMeter(spec.handlerId, spec.number),
      mark: busyMarkOf(spec.specId),
      headMemo: { block: '', head: null },
      tree: () => {
        tree ??= lowerTree(spec.files);
        return tree;
      },
      inFlight: 0,
      lastCall: 0,
      isForgotten: false,
      quarantine: null,
    };
    const use: CodeUse = {
      get isBusy() {
        return deployment.inFlight > 0;
      },
      get lastCall() {
        return deployment.lastCall;
      },
      drop() {
        deployment.pool?.close();
        deployment.pool = null;
      },
    };
    this.#deployments.set(spec.specId, deployment);
    this.#uses.set(deployment, use);
    const { artifact: name, ownerId } = spec;
    this.#options.codes.join({ name, ownerId, codeBytes: spec.module.codeBytes }, use);
    return deployment;
  }

  async #compile(deployment: LoadedDeployment): Promise<void> {
    const { spec } = deployment;
    const missing = missingFunction(abis, spec.module);
    if (missing !== null) throw missing;
    const module = await this.#options.codes.load(spec.artifact);
    // The Deployment was freed meanwhile.
    if (deployment.pool !== null || !this.#uses.has(deployment)) return;
    const { limits, exactMemory } = spec;
    const { plan, instantiationUs } = spec.module;
    const isSlow = instantiationUs > sliceLimits.sliceMs * 1_000;
    const rests = instantiationUs >= restLimits.restFromMs * 1_000;
    const code = { module, plan, abis, memoryPages: limits.memoryPages, exactMemory, isSlow, rests };
    deployment.pool = new SlotPool(code, this.#options.budget, () => this.#options.mark.enter(deployment.mark));
  }
}

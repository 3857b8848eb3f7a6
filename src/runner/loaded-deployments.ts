/**
 * Deployments that this runner can serve. They are compiled before they are switched to, and freed
 * when nothing serves them and their last Invocation has ended.
 *
 *     artifact, prepare --> prepared --switch--> live --switch to another--> prepared
 *                              |                                                |
 *                              +---------------- forget ------> draining --> freed
 */
import { abis } from '../guest/kernel/abi/all.ts';
import { type LowerDirectory, lowerTree } from '../guest/kernel/fs/lower-tree.ts';
import { CompiledPolicy } from '../guest/kernel/policy.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import { type BusyMark, busyMarkOf } from './busy-mark.ts';
import type { HeadMemo } from './cgi-head.ts';
import type { HandlerState, HandlerStates } from './handler-states.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { SlotPool } from './pool.ts';
import { type UsageMeter, usageMeter } from './usage-reporter.ts';

export interface LoadedDeployment {
  readonly spec: DeploymentSpec;
  readonly handler: HandlerState;
  readonly pool: SlotPool;
  readonly policy: CompiledPolicy | null;
  readonly schemes: SchemeRegistry;
  readonly usage: UsageMeter;
  readonly mark: Buffer;
  readonly headMemo: HeadMemo;
  /** The pushed files; built when the first guest wants them. */
  readonly tree: () => LowerDirectory;
  inFlight: number;
  isForgotten: boolean;
  /** Why it is not run any more; null as long as it is. */
  quarantine: string | null;
}

/** An Artifact's code; compiled at the first prepare, shared by all Deployments of it. */
interface Code {
  bytes: Uint8Array | null;
  module: Promise<WebAssembly.Module> | null;
  deployments: number;
}

export class LoadedDeployments {
  readonly #budget: MemoryBudget;
  readonly #mark: BusyMark;
  readonly #handlers: HandlerStates;
  readonly #codes = new Map<string, Code>();
  readonly #deployments = new Map<string, LoadedDeployment>();

  constructor(options: {
    readonly budget: MemoryBudget;
    readonly handlers: HandlerStates;
    readonly mark: BusyMark;
  }) {
    this.#mark = options.mark;
    this.#budget = options.budget;
    this.#handlers = options.handlers;
  }

  get size(): number {
    return this.#deployments.size;
  }

  find(specId: string): LoadedDeployment | undefined {
    return this.#deployments.get(specId);
  }

  /** Keeps the bytes until the first prepare compiles them. */
  addArtifact(name: string, bytes: Uint8Array): void {
    if (!this.#codes.has(name)) this.#codes.set(name, { bytes, module: null, deployments: 0 });
  }

  /** Compiles and gets ready. Throws where the engine refuses the module or its bytes are missing. */
  async prepare(spec: DeploymentSpec): Promise<void> {
    if (this.#deployments.has(spec.specId)) return;
    const code = this.#codes.get(spec.artifact);
    if (code === undefined) throw new Error(`the Artifact ${spec.artifact} was not sent before`);
    code.deployments += 1;
    try {
      code.module ??= compile(code);
      const module = await code.module;
      if (this.#deployments.has(spec.specId)) {
        this.#releaseCode(spec.artifact, code);
        return;
      }
      let tree: LowerDirectory | null = null;
      const mark = busyMarkOf(spec.specId);
      const handler = this.#handlers.acquire(spec.handlerId, spec.handler);
      this.#deployments.set(spec.specId, {
        spec,
        handler,
        pool: new SlotPool(
          { module, plan: spec.module.plan, abis, memoryPages: spec.limits.memoryPages },
          this.#budget,
          () => this.#mark.enter(mark),
        ),
        policy: spec.policy === null ? null : new CompiledPolicy(spec.policy),
        schemes: handler.schemes,
        usage: usageMeter(spec.handlerId, spec.number),
        mark,
        headMemo: { block: '', head: null },
        tree: () => {
          tree ??= lowerTree(spec.files);
          return tree;
        },
        inFlight: 0,
        isForgotten: false,
        quarantine: null,
      });
    } catch (error) {
      this.#releaseCode(spec.artifact, code);
      throw error;
    }
  }

  /** Frees it now or after its last Invocation. */
  forget(specId: string): void {
    const deployment = this.#deployments.get(specId);
    if (deployment === undefined) return;
    this.#deployments.delete(specId);
    deployment.isForgotten = true;
    const code = this.#codes.get(deployment.spec.artifact);
    if (code !== undefined) this.#releaseCode(deployment.spec.artifact, code);
    if (deployment.inFlight === 0) this.free(deployment);
  }

  /** Called when the last Invocation of a forgotten Deployment has ended. */
  free(deployment: LoadedDeployment): void {
    deployment.pool.close();
    this.#handlers.release(deployment.handler);
  }

  /** Lets go of slots that nobody has needed for a while. */
  sweep(): void {
    for (const deployment of this.#deployments.values()) deployment.pool.sweep();
  }

  #releaseCode(name: string, code: Code): void {
    code.deployments -= 1;
    if (code.deployments === 0 && this.#codes.get(name) === code) this.#codes.delete(name);
  }
}

async function compile(code: Code): Promise<WebAssembly.Module> {
  const bytes = code.bytes;
  code.bytes = null;
  if (bytes === null) throw new Error('the bytes are gone');
  // A copy of its own: a view of a larger buffer would keep that alive, and TypeScript wants an ArrayBuffer.
  return WebAssembly.compile(new Uint8Array(bytes));
}

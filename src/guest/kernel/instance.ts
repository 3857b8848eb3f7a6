/**
 * An instance of a rewritten module and the way a Process runs in it. Imports are built once, for
 * the instance's life; which Process they serve is a field (one call per instance at a time).
 */
import type { InstancePlan } from '../../protocol/module.ts';
import { GuestFault, GuestMemory } from './memory.ts';
import type { Process, ProcessEnd } from './process.ts';
import { ProcessEnded } from './process.ts';
import { type Abi, bindSyscall, findSyscall, type ProcessRef, type Tracer } from './syscall.ts';

export interface GuestInstanceOptions {
  /** Compiled from the rewritten bytes. */
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly abis: readonly Abi[];
  /** From makeMemory; zeroed. null when the plan has none. */
  readonly memory: WebAssembly.Memory | null;
  readonly tracer?: Tracer;
}

interface Entry {
  readonly call: (...args: unknown[]) => Promise<unknown>;
  readonly returnsStatus: boolean;
}

/** A memory as the plan and the limit want it; null for a module without one. */
export function makeMemory(plan: InstancePlan, memoryPages: number): WebAssembly.Memory | null {
  if (plan.memory === null) return null;
  const maximum = Math.min(plan.memory.maximumPages ?? 65_536, Math.max(memoryPages, plan.memory.initialPages));
  return new WebAssembly.Memory({ initial: plan.memory.initialPages, maximum });
}

export class GuestInstance implements ProcessRef {
  readonly plan: InstancePlan;
  readonly memory: WebAssembly.Memory | null;
  readonly guestMemory: GuestMemory;
  readonly #module: WebAssembly.Module;
  readonly #imports: WebAssembly.Imports;
  /** What the guest's ABIs do when it has returned. */
  readonly #after: readonly NonNullable<Abi['after']>[];
  readonly #counts: Uint32Array;
  readonly #waitsMs: Float64Array;
  #instance: WebAssembly.Instance | null = null;
  #entries: readonly Entry[] = [];
  #gas: { value: number } = { value: 0 };
  #guest: Process | null = null;

  constructor(options: GuestInstanceOptions) {
    this.plan = options.plan;
    this.memory = options.memory;
    this.guestMemory = new GuestMemory(options.memory);
    this.#module = options.module;
    this.#counts = new Uint32Array(options.plan.imports.length);
    this.#waitsMs = new Float64Array(options.plan.imports.length);
    this.#after = options.abis.flatMap((abi) =>
      abi.after !== undefined && options.plan.abis.includes(abi.name) ? [abi.after] : [],
    );
    this.#imports = this.#bind(options.abis, options.tracer ?? null);
  }

  /** The Process that runs now. */
  get guest(): Process {
    if (this.#guest === null) throw new Error('a host call without a running Process');
    return this.#guest;
  }

  get isInstantiated(): boolean {
    return this.#instance !== null;
  }

  /** The instance's exports, hidden ones included; for restoring it. */
  get exports(): WebAssembly.Exports {
    if (this.#instance === null) throw new Error('not instantiated');
    return this.#instance.exports;
  }

  /** Makes the instance; applies data and element segments. Throws WebAssembly.RuntimeError as the engine does. */
  instantiate(): void {
    const instance = new WebAssembly.Instance(this.#module, this.#imports);
    const { plan } = this;
    const names: { name: string; returnsStatus: boolean }[] = [];
    if (plan.start !== null) names.push({ name: plan.start, returnsStatus: false });
    if (plan.initialize !== null) names.push({ name: plan.initialize, returnsStatus: false });
    names.push(plan.entry);
    this.#entries = names.map(({ name, returnsStatus }) => ({
      call: WebAssembly.promising(instance.exports[name] as CallableFunction),
      returnsStatus,
    }));
    this.#gas = instance.exports[plan.gasGlobal] as WebAssembly.Global<'i32'>;
    this.#instance = instance;
  }

  /** Forgets the instance; the memory and the imports stay for the next instantiate(). */
  discard(): void {
    this.#instance = null;
    this.#entries = [];
  }

  /**
   * Runs start function, _initialize and entry point for `process`, instantiating where that has not
   * happened. Never throws: how it ended is the Process's `end`.
   */
  async run(guest: Process): Promise<ProcessEnd> {
    if (this.#guest !== null) throw new Error('one call per instance at a time');
    this.#guest = guest;
    guest.memory = this.guestMemory;
    guest.counts = this.#counts.fill(0);
    guest.waitsMs = this.#waitsMs.fill(0);
    try {
      if (this.#instance === null) this.instantiate();
      guest.meter.attach(this.#gas);
      let status = 0;
      for (const entry of this.#entries) {
        // Killed before it ran (an abort, a deadline while it queued).
        if (guest.end !== null) break;
        const result = await entry.call();
        if (entry.returnsStatus) status = result as number;
      }
      if (guest.end === null && this.#after.length > 0) await this.#finish(guest);
      if (guest.end === null) guest.end = { kind: 'exit', status };
    } catch (error) {
      if (guest.end === null) guest.kill(endOf(error));
      else if (guest.end.kind === 'exit' && this.#after.length > 0) await this.#finishExited(guest);
    } finally {
      guest.meter.detach();
      this.#guest = null;
    }
    const { used, limit } = guest.meter;
    // A guest may end between two checks: it is over its limit all the same, wherever the checks stand.
    if (guest.end?.kind === 'exit' && used > limit) guest.end = { kind: 'gas', used, limit };
    return guest.end as ProcessEnd;
  }

  async #finish(guest: Process): Promise<void> {
    for (const after of this.#after) await after(guest);
  }

  /** The same for a guest that exited instead of returning: its status stands, what fails now is logged. */
  async #finishExited(guest: Process): Promise<void> {
    try {
      await this.#finish(guest);
    } catch (error) {
      guest.report('error', `after exit: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #bind(abis: readonly Abi[], tracer: Tracer | null): WebAssembly.Imports {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null);
    this.plan.imports.forEach((declared, index) => {
      const syscall = findSyscall(abis, declared);
      if (syscall === undefined) throw new Error(`nobody provides ${declared.module}.${declared.name}`);
      imports[declared.module] ??= Object.create(null);
      const table = imports[declared.module] as Record<string, WebAssembly.ImportValue>;
      table[declared.name] = bindSyscall(this, syscall, declared, index, tracer) as CallableFunction;
    });
    imports.trisiel = {
      gas: new WebAssembly.Suspending((left: number) => this.#gasCall(left)) as unknown as CallableFunction,
      ...(this.memory === null ? {} : { memory: this.memory }),
    };
    return imports;
  }

  /** `trisiel.gas`: the counter's new value, negative to refuse. */
  #gasCall(left: number): number | Promise<number> {
    const { guest } = this;
    const meter = guest.meter;
    if (guest.end !== null) return -1;
    if (meter.isSpent(left)) {
      guest.kill({ kind: 'gas', used: meter.used, limit: meter.limit });
      return -1;
    }
    const turn = meter.turn();
    if (turn === null) return meter.refill(left);
    return guest.wait(turn).then(
      () => (guest.end === null ? meter.refill(left) : -1),
      () => -1,
    );
  }
}

/** What an error that came out of the guest says about how the Process ended. */
function endOf(error: unknown): ProcessEnd {
  if (error instanceof ProcessEnded) return { kind: 'internal', cause: error };
  if (error instanceof GuestFault) return { kind: 'trap', message: error.message };
  if (error instanceof WebAssembly.RuntimeError) return { kind: 'trap', message: describeTrap(error) };
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return { kind: 'trap', message: 'stack overflow' };
  return { kind: 'internal', cause: error };
}

/** The engine's words and, where the module has names, the function in which it happened. */
function describeTrap(error: WebAssembly.RuntimeError): string {
  const frame = /^\s+at (?:async )?(\S+) \(wasm:/m.exec(error.stack ?? '')?.[1];
  return frame === undefined ? error.message : `${error.message} in ${frame}`;
}

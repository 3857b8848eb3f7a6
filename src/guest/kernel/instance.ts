/**
 * One instance of a rewritten module, in which one Process at a time runs. Its imports are built once for its whole
 * life; they serve the Process in a field.
 */
import { messageOf } from '../../protocol/errors.ts';
import { PAGE_BYTES } from '../../protocol/limits.ts';
import type { InstancePlan } from '../../protocol/module.ts';
import { GuestFault, GuestMemory } from './memory.ts';
import type { Process } from './process.ts';
import { endOf, type ProcessEnd } from './process-end.ts';
import { guestStacks, type StackJob, type StackPool } from './stacks.ts';
import { type Abi, bindSyscall, findSyscall, type ProcessRef, type Tracer } from './syscall.ts';
import { wasmStack } from './wasm-stack.ts';

export interface GuestInstanceOptions {
  /** Module compiled from the rewritten bytes. */
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly abis: readonly Abi[];
  /** Zeroed memory from makeMemory; null if the plan has no memory. */
  readonly memory: WebAssembly.Memory | null;
  readonly tracer?: Tracer;
  /** Pool of stacks to run on; by default that of the process. */
  readonly stacks?: StackPool;
}

/** Sizes in pages of 64 KiB. */
export interface MemoryPages {
  /** Most pages, from Limits.memoryPages. */
  readonly limit: number;
  /** Pages wanted in addition to the initial ones, for the guest to grow into. */
  readonly reserve: number;
}

/**
 * Returns a new memory with the initial size of the plan and a reserve. Its maximum is the smaller one of the module's
 * own and `limit`; the reserve is cut to that maximum. Returns null for a module without a memory.
 */
export function makeMemory({ memory }: InstancePlan, { limit, reserve }: MemoryPages): WebAssembly.Memory | null {
  if (memory === null) return null;
  const { initialPages } = memory;
  const maximum = Math.min(memory.maximumPages ?? 65_536, Math.max(limit, initialPages));
  const kept = memory.reserve === undefined ? 0 : Math.min(reserve, maximum - initialPages);
  return new WebAssembly.Memory({ initial: initialPages + kept, maximum });
}

export class GuestInstance implements ProcessRef {
  readonly plan: InstancePlan;
  readonly memory: WebAssembly.Memory | null;
  readonly guestMemory: GuestMemory;
  readonly #module: WebAssembly.Module;
  readonly #imports: WebAssembly.Imports;
  /** `after` functions of the ABIs that the guest imports. */
  readonly #after: readonly NonNullable<Abi['after']>[];
  readonly #counts: Uint32Array;
  readonly #waitsMs: Float64Array;
  #instance: WebAssembly.Instance | null = null;
  readonly #stacks: StackPool;
  #entries: readonly StackJob[] = [];
  /** The entry of tasks that run on stacks of their own; null: the module has none. */
  #task: StackJob | null = null;
  /** Tasks that have not ended. */
  readonly #tasks = new Set<Promise<void>>();
  #gas: { value: number } = { value: 0 };
  /** Hidden global with the pages of the reserve; null if the plan has none. */
  #reserve: WebAssembly.Global<'i32'> | null = null;
  #guest: Process | null = null;

  constructor(options: GuestInstanceOptions) {
    this.plan = options.plan;
    this.memory = options.memory;
    this.guestMemory = new GuestMemory(options.memory);
    this.guestMemory.attach({ value: this.#pagesBeyond });
    this.#module = options.module;
    this.#counts = new Uint32Array(options.plan.imports.length);
    this.#waitsMs = new Float64Array(options.plan.imports.length);
    this.#after = options.abis.flatMap((abi) =>
      abi.after !== undefined && options.plan.abis.includes(abi.name) ? [abi.after] : [],
    );
    this.#imports = this.#bind(options.abis, options.tracer ?? null);
    this.#stacks = options.stacks ?? guestStacks;
  }

  /** Process that runs in the instance. Throws without one. */
  get guest(): Process {
    if (this.#guest === null) throw new Error('a host call without a running Process');
    return this.#guest;
  }

  get isInstantiated(): boolean {
    return this.#instance !== null;
  }

  /** Exports of the instance, with the hidden ones for restoring. Throws before instantiate(). */
  get exports(): WebAssembly.Exports {
    if (this.#instance === null) throw new Error('not instantiated');
    return this.#instance.exports;
  }

  /** Makes the instance, which copies data and element segments. Throws WebAssembly.RuntimeError as the engine does. */
  instantiate(): void {
    const instance = new WebAssembly.Instance(this.#module, this.#imports);
    const { plan } = this;
    const names: { name: string; returnsStatus: boolean }[] = [];
    if (plan.start !== null) names.push({ name: plan.start, returnsStatus: false });
    if (plan.initialize !== null) names.push({ name: plan.initialize, returnsStatus: false });
    names.push(plan.entry);
    const begins = () => this.#begins();
    const job = ({ name, returnsStatus }: { readonly name: string; readonly returnsStatus: boolean }): StackJob => {
      const entry = instance.exports[name];
      if (typeof entry !== 'function') throw new Error(`no function is exported as ${name}`);
      return { entry, returnsStatus, begins };
    };
    this.#entries = names.map(job);
    this.#task = plan.taskEntry === undefined ? null : job({ name: plan.taskEntry, returnsStatus: false });
    this.#gas = instance.exports[plan.gasGlobal] as WebAssembly.Global<'i32'>; // rewriting exports it
    const { memory } = plan;
    if (memory?.reserve !== undefined)
      this.#reserve = instance.exports[memory.reserve.global] as WebAssembly.Global<'i32'>; // rewriting exports it
    this.resetReserve();
    this.#instance = instance;
  }

  /**
   * Puts every page of the memory beyond the initial ones into the reserve, as right after instantiate(). The bytes of
   * these pages must be 0.
   */
  resetReserve(): void {
    if (this.#reserve === null) return;
    const kept = this.#pagesBeyond;
    if (this.#reserve.value !== kept) this.#reserve.value = kept;
    this.guestMemory.attach(this.#reserve);
  }

  /** Number of pages of the memory beyond the initial ones. */
  get #pagesBeyond(): number {
    const { memory } = this.plan;
    return this.memory === null || memory === null
      ? 0
      : this.memory.buffer.byteLength / PAGE_BYTES - memory.initialPages;
  }

  /** Drops the instance. Memory and imports stay for the next instantiate(). */
  discard(): void {
    this.#instance = null;
    this.#entries = [];
    this.#task = null;
  }

  /**
   * Runs the start function, _initialize and the entry point for `guest`, after instantiate() if that has not been
   * done. Returns how the Process ended, which is also its `end`. Never throws for anything that a guest does; throws
   * if another Process runs in the instance.
   */
  async run(guest: Process): Promise<ProcessEnd> {
    if (this.#guest !== null) throw new Error('one call per instance at a time');
    this.#guest = guest;
    guest.memory = this.guestMemory;
    guest.counts = this.#counts.fill(0);
    guest.waitsMs = this.#waitsMs.fill(0);
    guest.runTask = () => this.#runTask();
    let hasReturned = false;
    try {
      if (this.#instance === null) this.instantiate();
      guest.meter.attach(this.#gas);
      let status = 0;
      for (const entry of this.#entries) {
        if (guest.end !== null) break;
        status = await this.#stacks.run(entry);
      }
      // A guest that has ended also returns here if it caught, in its outermost function, the exception that unwound
      // it.
      hasReturned = guest.end === null;
      const finishing = hasReturned ? this.#finish(guest) : undefined;
      if (finishing !== undefined) await finishing;
      if (guest.end === null) guest.end = { kind: 'exit', status };
    } catch (error) {
      this.#failed(error);
    }
    if (this.#tasks.size > 0) await this.#endTasks();
    try {
      if (!hasReturned && guest.end?.kind === 'exit') await this.#finishExited(guest);
    } finally {
      guest.meter.detach();
      this.#guest = null;
    }
    const { used, limit } = guest.meter;
    // A guest may end between two checks of its counter. It is over its limit all the same, so the answer does not
    // depend on the places of the checks.
    if (guest.end?.kind === 'exit' && used > limit) guest.end = { kind: 'gas', used, limit };
    return guest.end as ProcessEnd; // set where the guest returned or threw
  }

  #failed(error: unknown): void {
    const { guest } = this;
    // An error that comes after the end of the Process is that with which it is unwound.
    const isFirst = guest.end === null || guest.stack.length === 0;
    guest.kill(endOf(error));
    if (guest.end?.kind === 'exit' || !isFirst) return;
    const { imports, functions } = this.plan;
    guest.stack = wasmStack(error, { module: this.#module, imported: imports.length, functions });
  }

  #runTask(): Promise<void> {
    if (this.#task === null) throw new GuestFault('a task of a module without tasks');
    const task = this.#stacks.run(this.#task).then(
      () => undefined,
      (error: unknown) => this.#failed(error),
    );
    this.#tasks.add(task);
    return task.finally(() => this.#tasks.delete(task));
  }

  /**
   * Unwinds the tasks that are left at the end of the Process: the instance may serve another one only without them.
   */
  async #endTasks(): Promise<void> {
    while (this.#tasks.size > 0) {
      this.guest.unwind();
      await Promise.all(this.#tasks);
    }
  }

  /**
   * Returns whether an entry may be called; false if its Process was killed before it ran. If true, the thread is the
   * guest's from now on.
   */
  #begins(): boolean {
    const { guest } = this;
    if (guest.end !== null) return false;
    guest.options.resumed?.();
    return true;
  }

  /** Calls the `after` functions of the ABIs, one after the other. Returns undefined if none of them waits. */
  #finish(guest: Process, from = 0): Promise<void> | undefined {
    for (let index = from; index < this.#after.length; index += 1) {
      const waiting = this.#after[index]?.(guest);
      if (waiting instanceof Promise) return waiting.then(() => this.#finish(guest, index + 1));
    }
    return undefined;
  }

  /** Finishes a guest that called an exit function, as #finish does, but keeps its status and logs a failure. */
  async #finishExited(guest: Process): Promise<void> {
    try {
      await this.#finish(guest);
    } catch (error) {
      guest.report('error', `after exit: ${messageOf(error)}`);
    }
  }

  #bind(abis: readonly Abi[], tracer: Tracer | null): WebAssembly.Imports {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null);
    this.plan.imports.forEach((declared, index) => {
      const syscall = findSyscall(abis, declared);
      if (syscall === undefined) throw new Error(`nobody provides ${declared.module}.${declared.name}`);
      imports[declared.module] ??= Object.create(null);
      const table = imports[declared.module] as Record<string, WebAssembly.ImportValue>;
      table[declared.name] = bindSyscall(this, syscall, declared, index, tracer);
    });
    imports.trisiel = {
      gas: new WebAssembly.Suspending((left: number) => this.#gasCall(left)),
      ...(this.memory === null ? {} : { memory: this.memory }),
    };
    return imports;
  }

  /**
   * Answers the guest's call of `trisiel.gas`. `left` is its counter. Returns the new value of the counter, negative to
   * stop the guest.
   */
  #gasCall(left: number): number | Promise<number> {
    const { guest } = this;
    const meter = guest.meter;
    if (guest.end !== null) return -1;
    if (meter.isSpent(left)) {
      guest.kill({ kind: 'gas', used: meter.used, limit: meter.limit });
      return -1;
    }
    const turn = meter.turn(left);
    if (turn === null) return meter.refill(left);
    return guest.wait(turn).then(
      () => (guest.end === null ? meter.refill(left) : -1),
      () => -1,
    );
  }
}

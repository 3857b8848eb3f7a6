/**
 * Stacks on which guests run, kept from one call to the next. A call through `WebAssembly.promising` gets a stack of
 * its own; V8 keeps four of them, and with more calls in flight each one is mapped, protected and unmapped again:
 * 12 to 20 µs of processor time, against 0.4 to 0.8 with this pool (RATIONALE.md). Here each stack is one call of
 * `serve` (stack-driver.ts) that never returns.
 *
 *     new --> idle <--> running <--> suspended in a host call
 *              |           |
 *              +-> ended <-+  too many idle, used usesMax times, or the guest trapped
 *
 * A guest sees nothing of the calls before: wasm locals begin at zero and the stack has no address. What a stack keeps
 * are pages that a deep recursion touched, 984 KB at most; they are given up when it ends.
 *
 * Casts: a stack that begins or takes a job was given one.
 */
import { stackDriverBytes } from './stack-driver.ts';

export const stackLimits = {
  /**
   * Most idle stacks. Each costs 8 KiB, or the pages that it has touched, and 2 µs of every scavenge, which visits all
   * stacks.
   */
  idleMax: 512,
  /** Most jobs of a stack, after which it ends. A new stack costs about 15 µs: 0.015 µs a call. */
  usesMax: 1_000,
} as const;

export interface StackJob {
  /** Exported function without parameters. */
  readonly entry: WebAssembly.ExportValue;
  /** Whether `entry` returns an i32. */
  readonly returnsStatus: boolean;
  /**
   * Called right before the entry, in the same turn of the microtask queue. Returns false if the entry must no longer
   * be called.
   */
  readonly begins: () => boolean;
}

interface Stack {
  readonly index: number;
  uses: number;
  /** Answers `next` of the waiting stack; null while it has a job. */
  give: ((isJob: 0 | 1) => void) | null;
  job: RunningJob | null;
}

interface RunningJob {
  readonly job: StackJob;
  resolve(status: number): void;
  reject(error: unknown): void;
}

export class StackPool {
  readonly #entries = new WebAssembly.Table({ initial: 64, element: 'anyfunc' });
  readonly #serve: (index: number) => Promise<unknown>;
  /** Stacks by index; null at the index of a stack that has ended. */
  readonly #stacks: (Stack | null)[] = [];
  /** Indices in `#stacks` of stacks that have ended. */
  readonly #vacant: number[] = [];
  /** Idle stacks, last in, first out: the stack used last is in the processor's caches, and the others can end. */
  readonly #idle: Stack[] = [];
  /** Smallest number of idle stacks since the last sweep. */
  #unneeded = 0;
  /** Number of stacks made so far. */
  #started = 0;

  constructor() {
    const imports = {
      error: WebAssembly.JSTag,
      entries: this.#entries,
      next: new WebAssembly.Suspending((index: number) => this.#next(index)),
      begin: (index: number) => this.#begin(index),
      returned: (index: number, status: number) => this.#take(index).resolve(status),
      threw: (error: unknown, index: number) => this.#take(index).reject(error),
    };
    const driver = new WebAssembly.Instance(new WebAssembly.Module(stackDriverBytes), {
      // The types of imports know no tag of exceptions.
      host: imports as unknown as WebAssembly.ModuleImports,
    });
    this.#serve = WebAssembly.promising(driver.exports.serve as CallableFunction); // exported by stack-driver.ts
  }

  /** Number of stacks made so far. */
  get started(): number {
    return this.#started;
  }

  /** Number of stacks that wait for a job. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Number of stacks, idle or with a job. */
  get size(): number {
    return this.#stacks.length - this.#vacant.length;
  }

  /**
   * Runs one entry on a stack of its own, in a microtask: the entry has not begun when this returns. Resolves to the
   * status, or to 0 if the entry returns none or was not called. Rejects with the error or trap of the entry.
   */
  run(job: StackJob): Promise<number> {
    const stack = this.#idle.pop() ?? this.#start();
    if (this.#idle.length < this.#unneeded) this.#unneeded = this.#idle.length;
    return new Promise((resolve, reject) => {
      this.#entries.set(stack.index, job.entry);
      stack.job = { job, resolve, reject };
      this.#give(stack, 1);
    });
  }

  /**
   * Ends half of the stacks that no call has needed since the last sweep; those unused for the longest time first. Must
   * be called every few seconds.
   */
  sweep(): void {
    const surplus = Math.min(Math.ceil(this.#unneeded / 2), this.#idle.length);
    for (const stack of this.#idle.splice(0, surplus)) {
      this.#leave(stack);
      this.#give(stack, 0);
    }
    this.#unneeded = this.#idle.length;
  }

  /** Returns a new stack, which waits for its first job. Throws if V8 has no memory for one. */
  #start(): Stack {
    const index = this.#vacant.pop() ?? this.#stacks.push(null) - 1;
    if (index >= this.#entries.length) this.#entries.grow(this.#entries.length);
    const stack: Stack = { index, uses: 0, give: null, job: null };
    this.#stacks[index] = stack;
    this.#started += 1;
    // `serve` runs up to its first wait before this returns.
    const served = this.#serve(index);
    served.catch((error: unknown) => this.#ended(stack, error));
    const idle = this.#idle.pop();
    if (idle !== stack) throw new Error('a new stack does not wait for a job');
    return stack;
  }

  /** Answers a stack that asks for its next job. */
  #next(index: number): 0 | Promise<0 | 1> {
    const stack = this.#at(index);
    if (stack.uses >= stackLimits.usesMax || this.#idle.length >= stackLimits.idleMax) {
      this.#leave(stack);
      return 0;
    }
    stack.uses += 1;
    this.#idle.push(stack);
    return new Promise((resolve) => {
      stack.give = resolve;
    });
  }

  #begin(index: number): 0 | 1 | 2 {
    const { job } = this.#at(index).job as RunningJob;
    if (!job.begins()) return 0;
    return job.returnsStatus ? 2 : 1;
  }

  /** Removes the job from a stack, and with it all references of the pool to the guest's instance. */
  #take(index: number): RunningJob {
    const stack = this.#at(index);
    const running = stack.job as RunningJob;
    stack.job = null;
    this.#entries.set(index, null);
    return running;
  }

  /**
   * Handles the end of `serve` by an exception: the guest trapped, overflowed its stack or did not catch an exception
   * of its own.
   */
  #ended(stack: Stack, error: unknown): void {
    // Without a job it is an error of the platform: no caller waits for this stack.
    if (stack.job === null) throw error;
    const running = this.#take(stack.index);
    this.#leave(stack);
    running.reject(error);
  }

  #leave(stack: Stack): void {
    this.#stacks[stack.index] = null;
    this.#vacant.push(stack.index);
  }

  #give(stack: Stack, isJob: 0 | 1): void {
    const { give } = stack;
    stack.give = null;
    give?.(isJob);
  }

  #at(index: number): Stack {
    const stack = this.#stacks[index];
    if (stack === null || stack === undefined) throw new Error(`stack ${index} has ended`);
    return stack;
  }
}

/** The stack pool of this process. Stacks do not belong to a module, so all instances share them. */
export const guestStacks = new StackPool();

/**
 * Samples which functions use gas: each time a guest has used a certain amount, its stack is taken, and the gas since
 * the last stack is counted for it. The counter of the meter asks the host for that by itself, at the end of a slice,
 * so a profiled program is the same code as any other, and costs nothing while nobody profiles. The places depend on
 * gas alone: with the same input a program has the same profile on every machine.
 */
import { CallTree, type GasProfile, gasProfileLimits } from '../../protocol/gas-profile.ts';
import type { SliceScheduler } from './meter.ts';
import { shownName, wasmFrames } from './wasm-stack.ts';

export const samplerLimits = {
  /** Gas between two stacks at first. */
  firstGas: 1_000,
  /** Stacks after which the distance doubles: a stack takes some 20 µs, so long profiles must have wider distances. */
  doubleAfter: 4_096,
  /** Greatest distance, in gas. */
  mostGas: 2 ** 24,
} as const;

/** Gas since the last stack and until the next one. */
interface Distance {
  readonly since: number;
  /** Gas until the next stack, at least 1. */
  readonly until: number;
}

/** Index that stands for the callers of a stack that is deeper than gasProfileLimits.frames. */
const deeper = -1;

/** Number of no function. */
const unknown = -1;

export class GasSampler {
  /** Number of functions that the module imports: indices of its own begin there. */
  readonly #imported: number;
  readonly #tree = new CallTree(gasProfileLimits.nodes);
  /** Names of the functions of `#tree` by their index in the pushed module, in the order of their numbers. */
  readonly #functions = new Map<number, { readonly number: number; readonly name: string }>();
  #everyGas: number = samplerLimits.firstGas;
  /**
   * Distances of calls that have ended: later calls go on from there, so that short calls are sampled like long ones.
   */
  readonly #distances: Distance[] = [];
  #samples = 0;
  #gas = 0;
  #calls = 0;
  isEnded = false;

  /** `imported`: number of functions that the pushed module imports. */
  constructor(imported: number) {
    this.#imported = imported;
  }

  /** Returns slices for one call, like those of `scheduler`, with stacks taken in between. */
  slices(scheduler: SliceScheduler): SampledSlices {
    return new SampledSlices(this, scheduler, this.#distances.pop() ?? { since: 0, until: this.#everyGas });
  }

  /**
   * Takes the stack of the guest that is calling the host, and counts `gas` for it. Returns the gas until the next
   * stack.
   */
  sample(gas: number): number {
    const before = Error.stackTraceLimit;
    // One more for this function, and some for the host's and the meter's.
    Error.stackTraceLimit = gasProfileLimits.frames + 10;
    const error = new Error();
    Error.stackTraceLimit = before;
    const frames = wasmFrames(error, { imported: this.#imported, framesMax: gasProfileLimits.frames + 10 });
    // The innermost function is the meter's, which calls the host. All functions from its index on are the meter's.
    const meters = frames[0]?.index ?? 0;
    const own = frames.filter(({ index }) => index < meters);
    let node = own.length > gasProfileLimits.frames ? this.#tree.enter(-1, this.#numberOf(deeper, '…')) : -1;
    for (const { index, name } of own.slice(0, gasProfileLimits.frames).reverse())
      node = this.#tree.enter(node, this.#numberOf(index, name));
    if (node >= 0) this.#tree.add(node, gas);
    this.#samples += 1;
    if (this.#samples % samplerLimits.doubleAfter === 0)
      this.#everyGas = Math.min(2 * this.#everyGas, samplerLimits.mostGas);
    return this.#everyGas;
  }

  /** Counts gas that a call has used. */
  used(gas: number): void {
    if (!this.isEnded) this.#gas += gas;
  }

  /** Counts a call that has ended, and keeps how far it was from its stacks. */
  ended(distance: Distance): void {
    if (this.isEnded) return;
    this.#calls += 1;
    this.#distances.push(distance);
  }

  /** Ends the profile: calls that go on have no stacks taken from now on. */
  end(): void {
    this.isEnded = true;
  }

  get profile(): GasProfile {
    return {
      gas: this.#gas,
      calls: this.#calls,
      samples: this.#samples,
      functions: [...this.#functions.values()].map(({ name }) => name),
      nodes: this.#tree.nodes(),
    };
  }

  /** Returns the number of a function in `#tree`; `unknown` for a new function if the tree is full and takes none. */
  #numberOf(index: number, name: string): number {
    const known = this.#functions.get(index);
    if (known !== undefined) return known.number;
    if (this.#tree.isFull) return unknown;
    const number = this.#functions.size;
    // A copy: a part of the stack's text would keep all of it in memory.
    this.#functions.set(index, { number, name: Buffer.from(shownName(name)).toString() });
    return number;
  }
}

/** Slices of a call that is profiled: they end where a slice of the scheduler does, and where a stack is due. */
export class SampledSlices implements SliceScheduler {
  readonly #sampler: GasSampler;
  readonly #scheduler: SliceScheduler;
  /**
   * Amounts of gas used at which the next stack is due, at which the last was (below 0: in an earlier call), and at
   * which the scheduler's slice ends.
   */
  #nextAt: number;
  #lastAt: number;
  #sliceEnd = 0;
  /** Gas used that the sampler knows of. */
  #counted = 0;

  constructor(sampler: GasSampler, scheduler: SliceScheduler, { since, until }: Distance) {
    this.#sampler = sampler;
    this.#scheduler = scheduler;
    this.#nextAt = until;
    this.#lastAt = -since;
  }

  sliceGas(used: number): number {
    if (used >= this.#sliceEnd) this.#sliceEnd = used + this.#scheduler.sliceGas(used);
    return Math.max(1, Math.min(this.#sliceEnd, this.#nextAt) - used);
  }

  turn(used: number): Promise<void> | null {
    this.#count(used);
    if (this.#sampler.isEnded) this.#nextAt = Number.POSITIVE_INFINITY;
    if (used >= this.#nextAt) {
      this.#nextAt = used + this.#sampler.sample(used - this.#lastAt);
      this.#lastAt = used;
      if (used < this.#sliceEnd) return null;
    }
    // The slice is used up, or it was ended from outside.
    this.#sliceEnd = used;
    return this.#scheduler.turn(used);
  }

  /** Ends the call, which has used this much gas. */
  ended(used: number): void {
    this.#count(used);
    // A stack may have become due after the last check of the counter.
    this.#sampler.ended({ since: used - this.#lastAt, until: Math.max(this.#nextAt - used, 1) });
  }

  #count(used: number): void {
    this.#sampler.used(used - this.#counted);
    this.#counted = used;
  }
}

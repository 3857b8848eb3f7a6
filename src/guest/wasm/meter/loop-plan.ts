/**
 * Decides which code is written around each loop of a function whose charges have been placed.
 *
 * A loop that must check compares the count with `-runGas` at its head. If the run is used up, it settles the count and
 * checks. A wrapper keeps that code outside of the loop proper:
 *
 *     block $done
 *       loop $again
 *         block $out
 *           loop                            ;; the guest's
 *             br_if $out (count < -runGas)
 *             count -= 12
 *             ...
 *           end
 *           br $done
 *         end
 *         count = $settle (count, credit)
 *         br $again
 *       end
 *     end
 *
 * With the call outside of the loop the engine keeps addresses and values in registers and unrolls the loop: measured 2
 * instead of 3 cycles a round for the shortest loops, and 1.25 instead of 1.6 times the plain time for an interpreter.
 * Labels that lead out of a wrapped loop grow by three.
 *
 * Many rounds of a counted loop (counted-loops.ts) are certain before they begin. Their price, the charge of the node
 * that goes back, is charged at once for as many rounds as have at most `runGas` instructions, with a single check.
 * That happens before the loop if all its rounds are certain there. Otherwise:
 *
 *     loop
 *       $stop = the rounds that are certain, 1 to runGas / 7
 *       count -= $stop * 7, and a check
 *       $stop = $i + $stop * 4
 *       loop                              ;; the guest's
 *         ...
 *         br_if 0 ((local.tee $i ($i + 4)) != $stop)
 *         br_if 1 ($i < $n)
 *       end
 *     end
 */
import type { ValType } from '../../../protocol/module.ts';
import type { LoopTable } from './loop-table.ts';
import { ahead, check, head, type Placement } from './placement.ts';

/**
 * Most gas counted in the local before it is settled, except for one more such run: a counted loop charges as much
 * ahead. A trap leaves the global off by less than that; a limit reached in a loop takes effect at the end of a run.
 */
export const runGas = 16_384;
/** Fewest rounds at a time for which a counted loop is worth its code. */
const roundsMin = 8;
/** Most counted loops nested in one another, from the innermost outwards: each needs a local (caps.ts). */
const countingMax = 3;

/**
 * Kinds of code around a loop: none; the wrapper above; the loop that finds the certain rounds of a counted loop; one
 * charge for all its rounds before the loop.
 */
export const around = { nothing: 0, wrapper: 1, counting: 2, charge: 3 } as const;
export type Around = (typeof around)[keyof typeof around];
/** Number of labels that each kind adds. */
const labelsAround: Readonly<Record<Around, number>> = [0, 3, 1, 0];

export interface PlannedFunction {
  readonly loops: LoopTable;
  readonly placement: Placement;
  readonly results: readonly ValType[];
}

export class LoopPlan {
  /** Whether the function counts in a local, and not in the global. */
  countsInLocal = false;
  // By loop:
  #around = new Uint8Array(64);
  #addedLabels = new Int32Array(64);
  /** Greatest nesting depth of counted loops that need a local, of each loop and the loops inside. */
  #heights = new Uint8Array(64);

  /** Decides for all loops of a function and flags their nodes. The placement must have been solved. */
  plan(planned: PlannedFunction): void {
    const { loops, placement, results } = planned;
    this.#reset(loops.length);
    // Inner loops have higher numbers, so they come first.
    for (let loop = loops.length; loop > 0; loop--) {
      // A block with several results would need a type of its own.
      this.#around[loop] = results.length > 1 ? around.nothing : this.#decide(loop, planned);
      const parent = loops.parent(loop);
      this.#heights[parent] = Math.max(this.#heights[parent]!, this.#heights[loop]!);
    }
    for (let loop = 1; loop <= loops.length; loop++) {
      const what = this.around(loop);
      this.#addedLabels[loop] = this.#addedLabels[loops.parent(loop)]! + labelsAround[what];
      if (what !== around.nothing) this.countsInLocal = true;
      const counted = loops.counted(loop);
      if (what < around.counting && counted !== undefined) placement.unmark(counted.node, ahead);
      if (loops.mustCheck(loop)) placement.mark(loops.head(loop), what === around.nothing ? check : head);
    }
  }

  /** Returns the kind of code around the loop of the number `loop`. */
  around(loop: number): Around {
    return this.#around[loop]! as Around; // written from one
  }

  /**
   * Returns the number of labels added between two places whose innermost loops are `outer` (0: the function) and
   * `inner`.
   */
  labelsBetween(outer: number, inner: number): number {
    return this.#addedLabels[inner]! - this.#addedLabels[outer]!;
  }

  /**
   * Returns the number, from 1, of the local that holds the end of the certain rounds of `loop`, a loop of kind
   * `counting`.
   */
  stopLocal(loop: number): number {
    return this.#heights[loop]!;
  }

  /** Number of locals that hold the ends of certain rounds. */
  get stopLocals(): number {
    return this.#heights[0]!;
  }

  #reset(loops: number): void {
    if (loops >= this.#addedLabels.length) {
      this.#around = new Uint8Array(loops * 2);
      this.#addedLabels = new Int32Array(loops * 2);
      this.#heights = new Uint8Array(loops * 2);
    }
    this.countsInLocal = false;
    this.#addedLabels[0] = 0;
    this.#heights.fill(0, 0, loops + 1);
  }

  /** Decides for one loop; the loops inside have been decided. */
  #decide(loop: number, planned: PlannedFunction): Around {
    const { loops } = planned;
    if (!loops.mustCheck(loop) || loops.hasParameters(loop)) return around.nothing;
    const counted = loops.counted(loop);
    if (counted === undefined || loops.backs(loop) !== 1) return around.wrapper;
    const roundsMax = roundsAtOnce(loop, planned);
    if (counted.rounds !== null && counted.rounds <= roundsMax) return around.charge;
    if (counted.ending === null || roundsMax < roundsMin || this.#heights[loop] === countingMax) return around.wrapper;
    this.#heights[loop]!++;
    return around.counting;
  }
}

/**
 * Returns the most rounds of counted loop `loop` whose text costs at most `runGas` in all (loops inside check by
 * themselves). Returns 0 if a node other than the one that goes back has a negative charge: gas paid ahead must be used
 * in any case, or a check inside could refuse a call that has enough.
 */
export function roundsAtOnce(loop: number, { loops, placement }: Pick<PlannedFunction, 'loops' | 'placement'>): number {
  const last = loops.counted(loop)!.node; // asked only of counted loops
  let weight = 0;
  for (let node = loops.head(loop); node <= last; node++) {
    weight += placement.weight(node);
    if (weight > runGas || (node !== last && placement.charge(node) < 0)) return 0;
  }
  return Math.floor(runGas / weight);
}

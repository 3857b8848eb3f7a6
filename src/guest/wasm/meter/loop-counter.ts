/**
 * Decides, where a branch goes back to the head of a loop, whether the loop is counted, and notes it in the loop table.
 */
import type { ControlStack } from './control-stack.ts';
import type { CountedLoopFinder, Found, LoopOffsets, Test } from './counted-loops.ts';
import type { EditList } from './edits.ts';
import type { LoopTable } from './loop-table.ts';
import type { Placement } from './placement.ts';

/** What is known of the function that is read, up to the current instruction. */
export interface LoopFacts {
  readonly placement: Placement;
  readonly edits: EditList;
  readonly loops: LoopTable;
  readonly finder: CountedLoopFinder;
  readonly stack: ControlStack;
}

export class LoopCounter {
  readonly #facts: LoopFacts;
  /** Last if directly inside each loop, by loop, if its comparison may be that of a counted loop. */
  readonly #tests = new Map<number, Test>();

  constructor(facts: LoopFacts) {
    this.#facts = facts;
  }

  /** Removes all facts about the previous function. */
  clear(): void {
    if (this.#tests.size > 0) this.#tests.clear();
  }

  /** Keeps the comparison of the if that has just been read directly inside the innermost loop. */
  noteTest(): void {
    const { finder, placement, stack } = this.#facts;
    const test = finder.test(placement.offset(placement.nodes - 1));
    if (test === null) this.#tests.delete(stack.loop);
    else this.#tests.set(stack.loop, test);
  }

  /**
   * Handles a br_if, just read directly inside the innermost loop, back to the loop's head: counts the loop if it is a
   * counted one. `pos`: byte offset after the br_if.
   */
  goAround(pos: number): void {
    const { finder, edits, stack } = this.#facts;
    const at = this.#mayCount();
    const found = at === null ? null : finder.find(at);
    if (found === null || found.ending === null) return;
    this.#count(found);
    const { start } = found.ending;
    edits.goAround(start, pos - start, stack.loop);
  }

  /**
   * Handles a br, just read in the arm of an if directly inside the innermost loop, back to the loop's head: counts the
   * loop if it is a counted one.
   */
  goAroundTested(): void {
    const { finder, stack } = this.#facts;
    const test = this.#tests.get(stack.loop) ?? null;
    const at = test === null ? null : this.#mayCount();
    const found = at === null || test === null ? null : finder.findTested(at, test);
    if (found !== null) this.#count(found);
  }

  #count(found: Found): void {
    const { loops, placement, stack } = this.#facts;
    loops.count(stack.loop, { ...found, node: placement.nodes - 1 });
    placement.payAhead();
  }

  /**
   * Returns the offsets of the innermost loop if it may be a counted loop, else null. A loop that is left in two places
   * has no certain number of rounds, and a function that it calls sees the counter.
   */
  #mayCount(): LoopOffsets | null {
    const { loops, placement, stack } = this.#facts;
    const { loop } = stack;
    if (loops.hasCalls(loop) || loops.isLeft(loop) || loops.backs(loop) > 0 || loops.hasParameters(loop)) return null;
    return {
      loop: loops.start(loop),
      entry: placement.offset(loops.head(loop) - 1),
      node: placement.offset(placement.nodes - 1),
    };
  }
}

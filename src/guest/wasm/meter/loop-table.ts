/**
 * Keeps the facts about the loops of one function, as the scanner finds them. Loops are numbered from 1 in the order of
 * their bytes, so a loop inside of another has the higher number; 0 stands for the function itself.
 */
import { grown } from './columns.ts';
import type { CountedLoop } from './counted-loops.ts';

export class LoopTable {
  /** Number of loops. */
  length = 0;
  #parents = new Int32Array(64);
  #starts = new Int32Array(64);
  #heads = new Int32Array(64);
  /** 1 if the loop has parameters, else 0. */
  #parameters = new Int32Array(64);
  /** 1 if the loop's head must check, else 0. */
  #checks = new Int32Array(64);
  /** 1 if code in the loop makes a call, else 0. */
  #calls = new Int32Array(64);
  #backs = new Int32Array(64);
  #exits = new Int32Array(64);
  readonly #counted = new Map<number, CountedLoop>();

  /** Removes the loops of the previous function. */
  clear(): void {
    this.length = 0;
    this.#calls[0] = 0;
    if (this.#counted.size > 0) this.#counted.clear();
  }

  /**
   * Adds a loop inside loop `parent`, whose first instruction is at byte `start`. Node `head` will be its head. Returns
   * its number.
   */
  open(parent: number, head: number, start: number): number {
    const loop = ++this.length;
    if (loop === this.#parents.length) this.#grow();
    this.#parents[loop] = parent;
    this.#starts[loop] = start;
    this.#heads[loop] = head;
    this.#parameters[loop] = 0;
    this.#checks[loop] = 0;
    this.#calls[loop] = 0;
    this.#backs[loop] = 0;
    this.#exits[loop] = loop;
    return loop;
  }

  /** Ends `loop`: adds its calls and exits to those of the loop around it. */
  close(loop: number): void {
    const parent = this.#parents[loop]!;
    this.#calls[parent]! |= this.#calls[loop]!;
    this.exit(parent, this.#exits[loop]!);
  }

  /**
   * Notes that `loop` has parameters. No code can stand around such a loop, since a branch to that code would need
   * them.
   */
  takesParameters(loop: number): void {
    this.#parameters[loop] = 1;
  }

  /** Notes that code in `loop` makes a call. */
  call(loop: number): void {
    this.#calls[loop] = 1;
  }

  /** Notes a branch back to the head of `loop`. `checked`: every path from the head to the branch checks. */
  back(loop: number, checked: boolean): void {
    this.#backs[loop]!++;
    if (!checked) this.#checks[loop] = 1;
  }

  /**
   * Notes that an instruction in `loop` goes to a place whose innermost loop is `to`; 0: the function, or out of it.
   */
  exit(loop: number, to: number): void {
    if (to < this.#exits[loop]!) this.#exits[loop] = to;
  }

  /** Keeps how `loop` counts. It is a counted loop if no other branch goes back to its head. */
  count(loop: number, counted: CountedLoop): void {
    this.#counted.set(loop, counted);
  }

  /** Returns the loop around `loop`; 0: none. */
  parent(loop: number): number {
    return this.#parents[loop]!;
  }

  /** Returns the byte offset of the first instruction in `loop`. */
  start(loop: number): number {
    return this.#starts[loop]!;
  }

  /** Returns the node that `loop` begins with. */
  head(loop: number): number {
    return this.#heads[loop]!;
  }

  /** Returns whether `loop`, the number of a loop, has parameters. */
  hasParameters(loop: number): boolean {
    return this.#parameters[loop] === 1;
  }

  /** Returns whether `loop` can go round without passing a check, so that its head must check. */
  mustCheck(loop: number): boolean {
    return this.#checks[loop] === 1;
  }

  /**
   * Returns whether code in `loop` makes a call; 0 asks for the whole function. Complete once the loop has been closed.
   */
  hasCalls(loop: number): boolean {
    return this.#calls[loop] === 1;
  }

  /** Returns the number of branches back to the head of `loop`. */
  backs(loop: number): number {
    return this.#backs[loop]!;
  }

  /** Returns whether an instruction in `loop` leaves it other than by reaching its end. */
  isLeft(loop: number): boolean {
    return this.#exits[loop]! < loop;
  }

  /** Returns how `loop` counts; undefined if it does not. */
  counted(loop: number): CountedLoop | undefined {
    return this.#counted.get(loop);
  }

  /** How each loop counts that does, by number. */
  get countedLoops(): ReadonlyMap<number, CountedLoop> {
    return this.#counted;
  }

  #grow(): void {
    this.#parents = grown(this.#parents);
    this.#starts = grown(this.#starts);
    this.#heads = grown(this.#heads);
    this.#parameters = grown(this.#parameters);
    this.#checks = grown(this.#checks);
    this.#calls = grown(this.#calls);
    this.#backs = grown(this.#backs);
    this.#exits = grown(this.#exits);
  }
}

/**
 * The loops of one function as the scanner finds them. Loops are numbered from 1 in the order of their bytes, so a loop
 * inside of another has the higher number; 0 stands for the function itself.
 */
import { grown } from './columns.ts';
import type { CountedLoop } from './counted-loops.ts';

export class LoopTable {
  /** Number of loops. */
  length = 0;
  #parents = new Int32Array(64);
  #starts = new Int32Array(64);
  #heads = new Int32Array(64);
  /** 1 where the loop has parameters. */
  #parameters = new Int32Array(64);
  /** 1 where the head must check. */
  #checks = new Int32Array(64);
  /** 1 where code in the loop calls something. */
  #calls = new Int32Array(64);
  #backs = new Int32Array(64);
  #exits = new Int32Array(64);
  readonly #counted = new Map<number, CountedLoop>();

  /** Forgets the loops of the function before. */
  clear(): void {
    this.length = 0;
    this.#calls[0] = 0;
    if (this.#counted.size > 0) this.#counted.clear();
  }

  /** Adds a loop in loop `parent` whose head will be node `head`; its first instruction stands at byte `start`. */
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

  /** Ends `loop`: what its code does counts for the loop around as well. */
  close(loop: number): void {
    const parent = this.#parents[loop]!;
    this.#calls[parent]! |= this.#calls[loop]!;
    this.exit(parent, this.#exits[loop]!);
  }

  /** `loop` has parameters: nothing can stand around it, since a branch to it there would need them. */
  takesParameters(loop: number): void {
    this.#parameters[loop] = 1;
  }

  /** Code in `loop` calls something. */
  call(loop: number): void {
    this.#calls[loop] = 1;
  }

  /** A branch goes back to the head of `loop`; `checked` where something checks on every way to it from there. */
  back(loop: number, checked: boolean): void {
    this.#backs[loop]!++;
    if (!checked) this.#checks[loop] = 1;
  }

  /** An instruction in `loop` goes to where `to` is the innermost loop, 0 also for out of the function. */
  exit(loop: number, to: number): void {
    if (to < this.#exits[loop]!) this.#exits[loop] = to;
  }

  /** `loop` counts; it is a counted loop if no other branch goes back to it. */
  count(loop: number, counted: CountedLoop): void {
    this.#counted.set(loop, counted);
  }

  /** The loop around `loop`, 0 for none. */
  parent(loop: number): number {
    return this.#parents[loop]!;
  }

  /** Byte offset of the first instruction in `loop`. */
  start(loop: number): number {
    return this.#starts[loop]!;
  }

  /** The node that `loop` begins with. */
  head(loop: number): number {
    return this.#heads[loop]!;
  }

  hasParameters(loop: number): boolean {
    return this.#parameters[loop] === 1;
  }

  /** Whether `loop` can go round without passing a check, so that its head must. */
  mustCheck(loop: number): boolean {
    return this.#checks[loop] === 1;
  }

  /** Whether code in `loop`, or for 0 in the function, calls something. Complete once the loop has been closed. */
  hasCalls(loop: number): boolean {
    return this.#calls[loop] === 1;
  }

  /** Number of branches back to the head of `loop`. */
  backs(loop: number): number {
    return this.#backs[loop]!;
  }

  /** Whether an instruction in `loop` leaves it other than by reaching its end. */
  isLeft(loop: number): boolean {
    return this.#exits[loop]! < loop;
  }

  /** Returns the counting of `loop`; undefined: it is no counted loop. */
  counted(loop: number): CountedLoop | undefined {
    return this.#counted.get(loop);
  }

  /** All loops that count, by number. */
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

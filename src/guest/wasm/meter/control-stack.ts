/**
 * Keeps the control stack of the scanned function (core specification, appendix A.3): one frame for the function, and
 * one for every block, loop, if and try around the current instruction. A frame is named by its place; the function's
 * is 0.
 */
import { grown } from './columns.ts';
import { heatOfBranch, heatOfLoop, type Placement } from './placement.ts';

export const frame = {
  block: 0,
  loop: 1,
  if: 2,
  else: 3,
  function: 4,
  try: 5,
  catch: 6,
  catchAll: 7,
  tryTable: 8,
} as const;
export type FrameKind = (typeof frame)[keyof typeof frame];

/**
 * Stands for no edge: no branch goes to a label yet, or an if or try in dead code has no edge to its else or catches.
 */
export const noClass = -1;

/**
 * Stands for no loop, as a value of `clean`. `clean` is the place of the outermost loop from whose head a path without
 * a call leads to the current instruction; loops further out are not clean. `nowhere` is higher than every place.
 */
export const nowhere = 0x7fff_ffff;

/** The stack of frames. `at` is the place of a frame. */
export class ControlStack {
  /** Number of frames. */
  depth = 0;
  #kinds = new Int32Array(64);
  /** Class of the edges to each frame's label. */
  #labelClasses = new Int32Array(64);
  /** Class of the false edge of an if, or of the edges to the catches of a try. */
  #falseClasses = new Int32Array(64);
  /** Least `clean` of the branches to each frame's label; `#falseCleans` has `clean` at each if. */
  #labelCleans = new Int32Array(64);
  #falseCleans = new Int32Array(64);
  /** Number of operands below those of each frame; `#results` has the number of its results. */
  #bases = new Int32Array(64);
  #results = new Int32Array(64);
  /** Heat of the code around each frame's block. */
  #heats = new Int32Array(64);
  /** Outermost place that branches inside of each frame's block go to. */
  #targets = new Int32Array(64);
  /** Innermost loop inside of each frame's block; 0: none. */
  #loops = new Int32Array(64);
  /** 1 if a caught exception can go on at the frame's label, else 0. */
  #landings = new Int32Array(64);

  /** Adds a frame for a block in code of `heat`, above `base` operands. `labelClass` may be noClass. */
  push(kind: FrameKind, labelClass: number, heat: number, base: number, results: number): void {
    if (this.depth === this.#kinds.length) this.#grow();
    const at = this.depth++;
    this.#kinds[at] = kind;
    this.#labelClasses[at] = labelClass;
    this.#falseClasses[at] = noClass;
    this.#labelCleans[at] = nowhere;
    this.#bases[at] = base;
    this.#results[at] = results;
    this.#heats[at] = heat;
    this.#targets[at] = at;
    this.#landings[at] = 0;
    this.#loops[at] = at === 0 ? 0 : this.#loops[at - 1]!;
  }

  /** Removes the innermost frame and returns its place, which stays valid for queries until the next push. */
  pop(): number {
    return --this.depth;
  }

  /** Place of the innermost frame. */
  get top(): number {
    return this.depth - 1;
  }

  /** Innermost loop around the current instruction; 0: none. */
  get loop(): number {
    return this.#loops[this.depth - 1]!;
  }

  /** Makes `loop` the innermost loop; its frame has just been pushed. */
  enterLoop(loop: number): void {
    this.#loops[this.depth - 1] = loop;
  }

  /** Sets the class of the false edge of the if just pushed, and `clean` at the if. */
  setFalseEdge(falseClass: number, clean: number): void {
    this.#falseClasses[this.depth - 1] = falseClass;
    this.#falseCleans[this.depth - 1] = clean;
  }

  /** Sets the class of the edges to the catches of the try just pushed. */
  setCatchEdge(catchClass: number): void {
    this.#falseClasses[this.depth - 1] = catchClass;
  }

  /** Turns the innermost frame, that of a try, into the frame of a catch of `kind`. */
  beginCatch(kind: typeof frame.catch | typeof frame.catchAll): void {
    this.#kinds[this.depth - 1] = kind;
  }

  /** Notes that a caught exception can go on at the label of the frame at `at`, which is not a loop. */
  land(at: number): void {
    this.#landings[at] = 1;
  }

  /** Returns whether a caught exception can go on at the label of the frame at `at`. */
  isLanding(at: number): boolean {
    return this.#landings[at] === 1;
  }

  /** Turns the innermost frame, that of an if, into the frame of its else. */
  beginElse(): void {
    this.#kinds[this.depth - 1] = frame.else;
  }

  kind(at: number): FrameKind {
    return this.#kinds[at]! as FrameKind; // written from one
  }

  isLoop(at: number): boolean {
    return this.#kinds[at] === frame.loop;
  }

  /** Returns the innermost loop around the label of the frame at `at`; for the frame of a loop, that loop. */
  loopAt(at: number): number {
    return this.#loops[at]!;
  }

  /** Returns the number of operands below those of the frame at `at`. */
  base(at: number): number {
    return this.#bases[at]!;
  }

  /** Returns the number of operands on the stack after the `end` of the frame at `at`. */
  heightBehind(at: number): number {
    return this.#bases[at]! + this.#results[at]!;
  }

  /** Returns the class of the edges to the label of the frame at `at`; noClass: no edge goes there yet. */
  labelClass(at: number): number {
    return this.#labelClasses[at]!;
  }

  /** Returns whether an edge goes to the label of the frame at `at`. */
  isTarget(at: number): boolean {
    return this.#labelClasses[at] !== noClass;
  }

  /** Returns the class of the false edge of an if, or of the edges to the catches of a try; noClass in dead code. */
  falseClass(at: number): number {
    return this.#falseClasses[at]!;
  }

  /** Returns `clean` at the if of the frame at `at`. */
  falseClean(at: number): number {
    return this.#falseCleans[at]!;
  }

  /**
   * Returns `clean` after the `end` of the frame at `at`, which is not a loop. Loops that have ended inside no longer
   * count.
   */
  cleanBehind(at: number): number {
    const clean = this.#labelCleans[at]!;
    return clean > at ? nowhere : clean;
  }

  /** Adds an edge of class `from` to the label of the frame at `at`, and joins the class with that of earlier edges. */
  addEdge(at: number, from: number, placement: Placement): void {
    const known = this.#labelClasses[at]!;
    if (known !== noClass) placement.join(known, from);
    else this.#labelClasses[at] = from;
  }

  /** Notes a branch with `clean` to the label of the frame at `at`, which is not a loop. */
  addClean(at: number, clean: number): void {
    if (clean < this.#labelCleans[at]!) this.#labelCleans[at] = clean;
  }

  /** Notes that control in the block of the frame at `from` goes to place `to`. */
  reach(from: number, to: number): void {
    if (to < this.#targets[from]!) this.#targets[from] = to;
  }

  /** Adds the targets noted for the frame at `at`, just popped, to the enclosing frame. */
  passOnReach(at: number): void {
    this.reach(at - 1, this.#targets[at]!);
  }

  /** Returns the heat of the code around the block of the frame at `at`. */
  heat(at: number): number {
    return this.#heats[at]!;
  }

  /** Returns the heat at the label of the frame at `at`: inside for a loop, around for other blocks. */
  labelHeat(at: number): number {
    return this.#kinds[at] === frame.loop ? heatOfLoop(this.#heats[at]!) : this.#heats[at]!;
  }

  /**
   * Returns the heat after an if whose arm does not reach its end. It is the heat of the code around, or that of a
   * branch if the arm goes on elsewhere in that code and is as likely.
   */
  heatWithout(at: number): number {
    const heat = this.#heats[at]!;
    const target = this.#targets[at]!;
    return target < at && this.labelHeat(target) >= heat ? heatOfBranch(heat) : heat;
  }

  #grow(): void {
    this.#kinds = grown(this.#kinds);
    this.#labelClasses = grown(this.#labelClasses);
    this.#falseClasses = grown(this.#falseClasses);
    this.#labelCleans = grown(this.#labelCleans);
    this.#falseCleans = grown(this.#falseCleans);
    this.#bases = grown(this.#bases);
    this.#results = grown(this.#results);
    this.#heats = grown(this.#heats);
    this.#targets = grown(this.#targets);
    this.#loops = grown(this.#loops);
    this.#landings = grown(this.#landings);
  }
}

/**
 * The control stack of the function that is being scanned (core specification, appendix A.3): one frame for the
 * function and for every block, loop and if around the current instruction. A frame is named by its place, 0 for the
 * function's.
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

/** No edge: no branch goes to a label yet, an if in dead code has no false edge, a try there no catch. */
export const noClass = -1;

/**
 * A `clean` value: the place of the outermost loop from whose head a path without a call leads here. Below it, no loop
 * is clean; `nowhere` is higher than every place, so that no loop is.
 */
export const nowhere = 0x7fff_ffff;

export class ControlStack {
  /** Number of frames. */
  depth = 0;
  #kinds = new Int32Array(64);
  /** The class of the edges to a frame's label. */
  #labelClasses = new Int32Array(64);
  /** For an if: the class of its false edge; for a try: that of the edges to its catches. */
  #falseClasses = new Int32Array(64);
  /** The least `clean` of the branches to a frame's label, and the one at an if. */
  #labelCleans = new Int32Array(64);
  #falseCleans = new Int32Array(64);
  /** Operands below a frame's own, and the number of its results. */
  #bases = new Int32Array(64);
  #results = new Int32Array(64);
  /** The heat around a frame's block. */
  #heats = new Int32Array(64);
  /** The outermost place that branches inside of a frame's block go to. */
  #targets = new Int32Array(64);
  /** The innermost loop inside of a frame's block, 0 for none. */
  #loops = new Int32Array(64);
  /** 1 where an exception can land at a frame's label. */
  #landings = new Int32Array(64);

  /** Adds a frame whose block stands in code of `heat`, on `base` operands; `labelClass` may be noClass. */
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

  /** Takes the innermost frame off and returns its place, by which it can be asked for until the next push. */
  pop(): number {
    return --this.depth;
  }

  /** Place of the innermost frame. */
  get top(): number {
    return this.depth - 1;
  }

  /** The innermost loop here, 0 for none. */
  get loop(): number {
    return this.#loops[this.depth - 1]!;
  }

  /** The innermost frame, just pushed, is that of `loop`. */
  enterLoop(loop: number): void {
    this.#loops[this.depth - 1] = loop;
  }

  /** The innermost frame is an if that has just been pushed, with a false edge of `falseClass`; `clean` is that at the if. */
  setFalseEdge(falseClass: number, clean: number): void {
    this.#falseClasses[this.depth - 1] = falseClass;
    this.#falseCleans[this.depth - 1] = clean;
  }

  /** The innermost frame is a try that has just been pushed, with catches whose edges in are of `catchClass`. */
  setCatchEdge(catchClass: number): void {
    this.#falseClasses[this.depth - 1] = catchClass;
  }

  /** The innermost frame, of a try, goes on behind a catch of `kind`. */
  beginCatch(kind: typeof frame.catch | typeof frame.catchAll): void {
    this.#kinds[this.depth - 1] = kind;
  }

  /** An exception can land at the label of `at`, which is not a loop. */
  land(at: number): void {
    this.#landings[at] = 1;
  }

  /** Whether an exception can land at the label of `at`. */
  isLanding(at: number): boolean {
    return this.#landings[at] === 1;
  }

  /** The innermost frame, of an if, goes on behind its else. */
  beginElse(): void {
    this.#kinds[this.depth - 1] = frame.else;
  }

  kind(at: number): FrameKind {
    return this.#kinds[at]! as FrameKind;
  }

  isLoop(at: number): boolean {
    return this.#kinds[at] === frame.loop;
  }

  /** The innermost loop where the label of `at` is: for a loop's own label, the loop. */
  loopAt(at: number): number {
    return this.#loops[at]!;
  }

  /** Operands below those of the frame at `at`. */
  base(at: number): number {
    return this.#bases[at]!;
  }

  /** Operands behind the `end` of the frame at `at`. */
  heightBehind(at: number): number {
    return this.#bases[at]! + this.#results[at]!;
  }

  labelClass(at: number): number {
    return this.#labelClasses[at]!;
  }

  /** Whether an edge goes to the label of `at`. */
  isTarget(at: number): boolean {
    return this.#labelClasses[at] !== noClass;
  }

  /** The class of the false edge of an if, or of the edges to the catches of a try; noClass in dead code. */
  falseClass(at: number): number {
    return this.#falseClasses[at]!;
  }

  /** `clean` at the if of `at`. */
  falseClean(at: number): number {
    return this.#falseCleans[at]!;
  }

  /** `clean` behind the `end` of `at`, which is not a loop: loops that have ended inside do not matter any more. */
  cleanBehind(at: number): number {
    const clean = this.#labelCleans[at]!;
    return clean > at ? nowhere : clean;
  }

  /** Adds an edge of class `from` to the label of `at`, which makes it one class with those that came before. */
  addEdge(at: number, from: number, placement: Placement): void {
    const known = this.#labelClasses[at]!;
    if (known !== noClass) placement.join(known, from);
    else this.#labelClasses[at] = from;
  }

  /** A branch with `clean` goes to the label of `at`, which is not a loop. */
  addClean(at: number, clean: number): void {
    if (clean < this.#labelCleans[at]!) this.#labelCleans[at] = clean;
  }

  /** Control in the block of `from` goes to place `to`. */
  reach(from: number, to: number): void {
    if (to < this.#targets[from]!) this.#targets[from] = to;
  }

  /** Adds everything that control in the block of `at`, just popped, has reached to the enclosing frame. */
  passOnReach(at: number): void {
    this.reach(at - 1, this.#targets[at]!);
  }

  /** The heat around the block of `at`. */
  heat(at: number): number {
    return this.#heats[at]!;
  }

  /** Returns the heat of the label of `at`: of a loop the heat inside, of any other block the heat around. */
  labelHeat(at: number): number {
    return this.#kinds[at] === frame.loop ? heatOfLoop(this.#heats[at]!) : this.#heats[at]!;
  }

  /**
   * The heat behind the if of `at` whose arm does not get there: that of the code around, unless the arm goes on
   * elsewhere in it and is as likely.
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

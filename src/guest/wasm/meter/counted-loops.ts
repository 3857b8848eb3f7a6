/**
 * Finds counted loops. A counted loop goes round while a local has not reached a bound. The local changes by the same
 * step in each round, the bound stays the same, and there is no other way out. Compilers write their hottest loops so:
 *
 *     loop                                             loop
 *       ...                                              ...
 *       local.tee $i (i32.add $i (i32.const 4))          if (i32.lt_u $i (i32.const 64))
 *       br_if 0 (i32.lt_u .. $n)                           ...
 *     end                                                  $i = i32.add $i (i32.const 4)
 *                                                          br 1
 *                                                        end
 *                                                      end
 *
 * without a call, another way out or another way back. The number of certain rounds is known before the first round, so
 * the emitter can charge and check for many rounds at once: for all of them if their number is known at compile time,
 * else, for loops of the first kind, for a number that the guest calculates.
 */

import { op } from '../format/instructions.ts';

/** The constant `constant`, a number of 32 bits, or the value of the local of the index `local`. */
export type Operand = { readonly constant: number } | { readonly local: number };

export interface CountedLoop extends Found {
  /** Node that goes back to the head. Every round passes it. */
  readonly node: number;
}

/** A counted loop, as the finder describes it. */
export interface Found {
  /** The counter: the local that changes in each round. Its value at the head is called `i` below. */
  readonly local: number;
  /**
   * Amount that a round adds to the counter, or subtracts if not `up`; an unsigned number above 0, unless it is in a
   * local.
   */
  readonly step: Operand;
  readonly up: boolean;
  /** Opcode of the i32 comparison, any but eq, of `i compare bound`: the loop goes on while it holds. */
  readonly compare: number;
  readonly bound: Operand;
  /** Number of iterations, if known at compile time; null otherwise. */
  readonly rounds: number | null;
  /** End of a round, for a loop of the first kind; null for a loop of the second kind. */
  readonly ending: Ending | null;
}

export interface Ending {
  /** Byte offset from which on, up to the branch, the code only steps, compares and branches. */
  readonly start: number;
  /** Whether the code from `start` on contains the step; if not, the step comes before. */
  readonly steps: boolean;
}

/** The comparison of an if, which may be the test of a loop of the second kind. */
export interface Test {
  readonly left: Operand;
  readonly compare: number;
  readonly right: Operand;
  /** Byte offset of the if; `node` is that of the node that it ends. */
  readonly offset: number;
  readonly node: number;
}

/** Byte offsets of the first instruction in the loop, in the node before it, and in the node that goes back. */
export interface LoopOffsets {
  readonly loop: number;
  readonly entry: number;
  readonly node: number;
}

/** Comparisons that a counted loop may use. */
export const compares = {
  ne: op.i32Ne,
  ltS: op.i32LtS,
  ltU: op.i32LtU,
  gtS: op.i32GtS,
  gtU: op.i32GtU,
  leS: op.i32LeS,
  leU: op.i32LeU,
  geS: op.i32GeS,
  geU: op.i32GeU,
} as const;

/** Comparison that gives the same result with exchanged operands, by opcode. */
const exchanged: Readonly<Record<number, number>> = {
  [compares.ne]: compares.ne,
  [compares.ltS]: compares.gtS,
  [compares.ltU]: compares.gtU,
  [compares.gtS]: compares.ltS,
  [compares.gtU]: compares.ltU,
  [compares.leS]: compares.geS,
  [compares.leU]: compares.geU,
  [compares.geS]: compares.leS,
  [compares.geU]: compares.leU,
};

/** Comparison that holds if and only if the given one does not, by opcode. */
const opposite: Readonly<Record<number, number>> = {
  [op.i32Eq]: compares.ne,
  [compares.ltS]: compares.geS,
  [compares.ltU]: compares.geU,
  [compares.gtS]: compares.leS,
  [compares.gtU]: compares.leU,
  [compares.leS]: compares.gtS,
  [compares.leU]: compares.gtU,
  [compares.geS]: compares.ltS,
  [compares.geU]: compares.ltU,
};

const zero: Operand = { constant: 0 };

/** Number of instructions that are remembered: a power of two, enough for the longest pattern. */
export const recentMax = 8;
/** Most locals of a function in which counted loops are looked for; more exceed a cap (caps.ts). */
const localsMax = 65_536;

interface Step {
  readonly by: Operand;
  readonly up: boolean;
}

/** Watches the instructions of one function after the other. They have been read and checked before. */
export class CountedLoopFinder {
  readonly #bytes: Uint8Array;
  /**
   * Byte offsets of the last instructions: that of instruction n at n modulo `recentMax`. scan-code.ts writes these
   * and `seen` directly: a call for each instruction would cost a tenth of the reading.
   */
  readonly recent = new Int32Array(recentMax);
  /** Number of the next instruction. */
  seen = 0;
  /** Byte offset of the last assignment to each local, 0 for none; `#previous` has that of the assignment before. */
  #last = new Int32Array(256);
  #previous = new Int32Array(256);
  /**
   * Byte offset of the first instruction of the last assignment to each local, if it assigns a sum, a difference or a
   * constant; else 0. `#previousOrigins` has that of the assignment before.
   */
  #origins = new Int32Array(256);
  #previousOrigins = new Int32Array(256);
  /** Offset of the function's start. */
  #start = 0;
  #isOff = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Begins a function with `locals` locals whose first instruction is at byte `start`. */
  begin(locals: number, start: number): void {
    this.#isOff = locals > localsMax;
    if (this.#isOff) return;
    if (locals > this.#last.length) {
      this.#last = new Int32Array(locals * 2);
      this.#previous = new Int32Array(locals * 2);
      this.#origins = new Int32Array(locals * 2);
      this.#previousOrigins = new Int32Array(locals * 2);
    } else if (start < this.#start) {
      // Offsets of earlier functions are lower than those of any loop of this one, except when functions are read
      // again.
      this.#last.fill(0);
      this.#previous.fill(0);
    }
    this.#start = start;
  }

  /** Notes an assignment: the last instruction seen is a local.set or local.tee. */
  assign(): void {
    if (this.#isOff) return;
    const offset = this.#at(1);
    const local = this.#immediate(offset);
    this.#previous[local] = this.#last[local]!;
    this.#last[local] = offset;
    this.#previousOrigins[local] = this.#origins[local]!;
    const operation = this.#opcode(this.#at(2));
    if (operation === op.i32Add || operation === op.i32Sub) this.#origins[local] = this.#at(4);
    else this.#origins[local] = operation === op.i32Const ? this.#at(2) : 0;
  }

  /** Returns the counted loop that ends here, or null. The last instruction seen is a br_if back to the loop's head. */
  find(at: LoopOffsets): Found | null {
    if (this.#isOff) return null;
    const last = this.#at(2);
    const compare = this.#opcode(last);
    if (compare === op.localTee) return this.#ending(at, { offset: last, compare: compares.ne, bound: zero });
    const swapped = exchanged[compare];
    if (swapped === undefined) return null;
    const right = this.#at(3);
    const bound = this.#operand(right);
    if (bound === null) {
      const start = this.#at(7);
      const first = this.#operand(start);
      return first === null ? null : this.#ending(at, { offset: right, compare: swapped, bound: first, start });
    }
    const left = this.#at(4);
    if (this.#opcode(left) === op.localTee) return this.#ending(at, { offset: left, compare, bound });
    const first = this.#operand(left);
    if (first === null) return null;
    // The step comes before the comparison: it must be in this node, or it is not part of every round.
    const counted = (counter: Operand, compare: number, bound: Operand) => {
      if (!('local' in counter) || this.#last[counter.local]! < at.node) return null;
      return this.#found(at, { local: counter.local, compare, bound, first: 1, ending: { start: left, steps: false } });
    };
    return counted(first, compare, bound) ?? counted(bound, swapped, first);
  }

  /**
   * Returns the loop whose counter the local.tee at `offset` steps, or null. The bound comes after the step or, at
   * `start`, right before it.
   */
  #ending(
    at: LoopOffsets,
    { offset, compare, bound, start }: { offset: number; compare: number; bound: Operand; start?: number },
  ): Found | null {
    // A local.set leaves no value to compare.
    if (this.#opcode(offset) !== op.localTee) return null;
    const local = this.#immediate(offset);
    const stepStart = this.#origins[local]!;
    if (this.#last[local] !== offset || stepStart < at.node) return null;
    if (start !== undefined && (start < at.node || this.#at(6) !== stepStart)) return null;
    return this.#found(at, { local, compare, bound, first: 1, ending: { start: start ?? stepStart, steps: true } });
  }

  /**
   * Returns the comparison of an if, the last instruction seen, or null. The if ends the node that begins at byte
   * `node`.
   */
  test(node: number): Test | null {
    if (this.#isOff) return null;
    const offset = this.#at(1);
    let back = 2;
    // Some compilers write `i == n; eqz` for `i != n`.
    const isNot = this.#opcode(this.#at(back)) === op.i32Eqz;
    if (isNot) back++;
    const operation = this.#opcode(this.#at(back));
    const compare = isNot ? opposite[operation] : operation;
    if (compare === undefined || exchanged[compare] === undefined || this.#at(back + 2) < node) return null;
    const left = this.#operand(this.#at(back + 2));
    const right = this.#operand(this.#at(back + 1));
    return left === null || right === null ? null : { left, compare, right, offset, node };
  }

  /**
   * Returns the counted loop with the given test, or null. An arm of the test goes back to the loop's head. The number
   * of rounds is always known.
   */
  findTested(at: LoopOffsets, { left, compare, right, offset, node }: Test): Found | null {
    if (this.#isOff) return null;
    const counted = (counter: Operand, compare: number, bound: Operand) => {
      if (!('local' in counter)) return null;
      const step = this.#last[counter.local]!;
      // The step is part of every round if it comes before the test, or in the node that goes back.
      const isBefore = step >= node && step < offset;
      if (!isBefore && step < at.node) return null;
      return this.#found(at, { local: counter.local, compare, bound, first: isBefore ? 1 : 0, ending: null });
    };
    const found = counted(left, compare, right) ?? counted(right, exchanged[compare]!, left);
    return found?.rounds === null ? null : found;
  }

  /** Returns the counted loop with these parts, or null. `first` is the number of steps before the first comparison. */
  #found(
    { loop, entry }: LoopOffsets,
    { local, compare, bound, first, ending }: Pick<Found, 'local' | 'compare' | 'bound' | 'ending'> & { first: 0 | 1 },
  ): Found | null {
    // The loop assigns the counter in another place too.
    if (this.#previous[local]! >= loop) return null;
    const step = this.#step(local, this.#origins[local]!);
    if (step === null || this.#isAssigned(step.by, loop) || this.#isAssigned(bound, loop)) return null;
    const { by, up } = step;
    if (compare !== compares.ne && up !== goesUp(compare)) return null;
    const initial = this.#previous[local]! >= entry ? this.#operand(this.#previousOrigins[local]!) : null;
    let rounds: number | null = null;
    if (initial !== null && 'constant' in initial && 'constant' in by && 'constant' in bound) {
      const from = initial.constant + (up ? first : -first) * by.constant;
      const held = timesHeld(from | 0, { step: by.constant, up, compare, bound: bound.constant });
      // A comparison at the end allows one more round than the times that it holds.
      rounds = held === null ? null : held + (ending === null ? 0 : 1);
    }
    return { local, step: by, up, compare, bound, rounds, ending };
  }

  #isAssigned(operand: Operand, loop: number): boolean {
    return 'local' in operand && this.#last[operand.local]! >= loop;
  }

  /**
   * Returns the step that the four instructions from byte `start` on add to `local`, which the last of them assigns;
   * null if they do something else.
   */
  #step(local: number, start: number): Step | null {
    const first = this.#operand(start);
    if (first === null) return null;
    const next = this.#behindOperand(start);
    const second = this.#operand(next);
    if (second === null) return null;
    const isOwn = (operand: Operand) => 'local' in operand && operand.local === local;
    const operation = this.#opcode(this.#behindOperand(next));
    const adds = operation === op.i32Add;
    if (!adds && operation !== op.i32Sub) return null;
    let by: Operand;
    if (isOwn(first)) by = second;
    else if (adds && isOwn(second)) by = first;
    else return null;
    if ('local' in by) return { by, up: adds };
    if (by.constant === 0) return null;
    const signed = adds ? by.constant : -by.constant;
    return { by: { constant: Math.abs(signed) }, up: signed > 0 };
  }

  /** Returns the offset of the instruction seen `back` instructions ago; 1 is the last one. */
  #at(back: number): number {
    return this.recent[(this.seen - back) & (recentMax - 1)]!;
  }

  #opcode(offset: number): number {
    return this.#bytes[offset]!;
  }

  #operand(offset: number): Operand | null {
    const opcode = this.#opcode(offset);
    if (opcode === op.localGet) return { local: this.#immediate(offset) };
    if (opcode === op.i32Const) return { constant: this.#immediate(offset, true) };
    return null;
  }

  /** Returns the offset of the instruction after the local.get or i32.const at `offset`. */
  #behindOperand(offset: number): number {
    let at = offset + 1;
    while (this.#bytes[at]! >= 0x80) at++;
    return at + 1;
  }

  /** Returns the LEB128 after the opcode at `offset`, decoded as signed if `signed`. */
  #immediate(offset: number, signed = false): number {
    let value = 0;
    let shift = 0;
    for (let at = offset + 1; ; at++) {
      const byte = this.#bytes[at]!;
      value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      if (!signed) return value >>> 0;
      return shift < 32 && (byte & 0x40) !== 0 ? value | (-1 << shift) : value;
    }
  }
}

function goesUp(compare: number): boolean {
  return compare === compares.ltS || compare === compares.ltU || compare === compares.leS || compare === compares.leU;
}

function isSigned(compare: number): boolean {
  return compare === compares.ltS || compare === compares.gtS || compare === compares.leS || compare === compares.geS;
}

/** Returns whether the comparison of the opcode `compare` holds for equal numbers. */
export function includesEqual(compare: number): boolean {
  return compare === compares.leS || compare === compares.leU || compare === compares.geS || compare === compares.geU;
}

/**
 * Returns how often in a row `x compare bound` holds, for x from `from` on in steps of `step`; null if it still holds
 * at the end of the number range.
 */
function timesHeld(
  from: number,
  { step, up, compare, bound }: { step: number; up: boolean; compare: number; bound: number },
): number | null {
  const signed = isSigned(compare);
  const [x, n] = signed ? [from, bound | 0] : [from >>> 0, bound >>> 0];
  const distance = up ? n - x : x - n;
  // `!=` holds until the bound is met exactly; it must be met before the number range ends.
  if (compare === compares.ne) return distance >= 0 && distance % step === 0 ? distance / step : null;
  const reach = includesEqual(compare) ? distance : distance - 1;
  if (reach < 0) return 0;
  const times = Math.floor(reach / step) + 1;
  const end = up ? x + times * step : x - times * step;
  const [least, most] = signed ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return end >= least && end <= most ? times : null;
}

/**
 * Finds counted loops: loops that go round while a local, which grows or shrinks by the same step each time, has not
 * reached a bound that stays the same, and that are left nowhere else. Compilers write their hottest loops so:
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
 * without a call, another way out or another way back. How many rounds are certain is known before the
 * first, so the emitter can charge and check for many at once what every round costs: for all of them
 * where they begin and end with constants, else, for loops of the first kind, for a number that the
 * guest calculates.
 */

import { op } from '../format/instructions.ts';

/** A constant, or what a local holds. */
export type Operand = { readonly constant: number } | { readonly local: number };

export interface CountedLoop extends Found {
  /** The node that goes back to the head. Every round passes it. */
  readonly node: number;
}

/** A counted loop, as the finder describes it. */
export interface Found {
  /** The local that is counted in; its value at the head is `i` below. */
  readonly local: number;
  /**
   * Amount that a round adds to the counter, or subtracts if not `up`; an unsigned number above 0, unless it is in a
   * local.
   */
  readonly step: Operand;
  readonly up: boolean;
  /** The loop goes on while `i compare bound`, an i32 comparison other than eq, by its opcode. */
  readonly compare: number;
  readonly bound: Operand;
  /** Number of iterations, if known at compile time; null otherwise. */
  readonly rounds: number | null;
  /** End of a round, for a loop of the first kind; null for the second. */
  readonly ending: Ending | null;
}

export interface Ending {
  /** Byte offset from which on the bytes up to the branch do no more than step, compare and branch. */
  readonly start: number;
  /** Whether the step is done there; else it has been done before. */
  readonly steps: boolean;
}

/** A comparison that an if makes, which may be that of a loop of the second kind. */
export interface Test {
  readonly left: Operand;
  readonly compare: number;
  readonly right: Operand;
  /** Byte offset of the if, and of the node that it ends. */
  readonly offset: number;
  readonly node: number;
}

/** Byte offsets of first instructions: in the loop, in the node in front of it, in the node that goes back. */
export interface LoopOffsets {
  readonly loop: number;
  readonly entry: number;
  readonly node: number;
}

/** The comparisons that a counted loop may make. */
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

/** The comparison with its operands exchanged. */
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

/** The comparison that holds where the other does not. */
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

/** Instructions that are remembered; a power of two, and enough for the longest pattern. */
export const recentMax = 8;
/** Locals of a function in which loops are looked for; more are over a cap (caps.ts). */
const localsMax = 65_536;

interface Step {
  readonly by: Operand;
  readonly up: boolean;
}

/** Watches the instructions of a function. What it is told has been read and checked before. */
export class CountedLoopFinder {
  readonly #bytes: Uint8Array;
  /**
   * Byte offsets of the last instructions, each at its number modulo `recentMax`, and the number of the next one.
   * Written by scan-code.ts directly: a call for each instruction would cost a tenth of the reading.
   */
  readonly recent = new Int32Array(recentMax);
  seen = 0;
  /** By local: byte offset of its last assignment and of the one before, 0 for none. */
  #last = new Int32Array(256);
  #previous = new Int32Array(256);
  /** Start of the last assignment to each local, if it was an addition, a subtraction or a constant; else 0. */
  #origins = new Int32Array(256);
  #previousOrigins = new Int32Array(256);
  /** Offset of the function's start. */
  #start = 0;
  #isOff = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Begins a function of `locals` locals whose instructions stand from byte `start` on. */
  begin(locals: number, start: number): void {
    this.#isOff = locals > localsMax;
    if (this.#isOff) return;
    if (locals > this.#last.length) {
      this.#last = new Int32Array(locals * 2);
      this.#previous = new Int32Array(locals * 2);
      this.#origins = new Int32Array(locals * 2);
      this.#previousOrigins = new Int32Array(locals * 2);
    } else if (start < this.#start) {
      // Entries of earlier functions have lower offsets than any loop of this one, unless functions are read again.
      this.#last.fill(0);
      this.#previous.fill(0);
    }
    this.#start = start;
  }

  /** The instruction seen last is a local.set or local.tee. */
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

  /** The instruction seen last is a br_if back to the head of a loop. */
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
    // The step has been done before: in this node, or it is not in every round.
    const counted = (counter: Operand, compare: number, bound: Operand) => {
      if (!('local' in counter) || this.#last[counter.local]! < at.node) return null;
      return this.#found(at, { local: counter.local, compare, bound, first: 1, ending: { start: left, steps: false } });
    };
    return counted(first, compare, bound) ?? counted(bound, swapped, first);
  }

  /**
   * Counted in the local that the local.tee at `offset` steps, with the bound behind it or, at `start`,
   * right in front of the step.
   */
  #ending(
    at: LoopOffsets,
    { offset, compare, bound, start }: { offset: number; compare: number; bound: Operand; start?: number },
  ): Found | null {
    // A local.set leaves nothing to compare.
    if (this.#opcode(offset) !== op.localTee) return null;
    const local = this.#immediate(offset);
    const stepStart = this.#origins[local]!;
    if (this.#last[local] !== offset || stepStart < at.node) return null;
    if (start !== undefined && (start < at.node || this.#at(6) !== stepStart)) return null;
    return this.#found(at, { local, compare, bound, first: 1, ending: { start: start ?? stepStart, steps: true } });
  }

  /** The instruction seen last is an if that ends the node whose instructions begin at `node`. */
  test(node: number): Test | null {
    if (this.#isOff) return null;
    const offset = this.#at(1);
    let back = 2;
    // `i == n; eqz` is how some compilers write `i != n`.
    const isNot = this.#opcode(this.#at(back)) === op.i32Eqz;
    if (isNot) back++;
    const operation = this.#opcode(this.#at(back));
    const compare = isNot ? opposite[operation] : operation;
    if (compare === undefined || exchanged[compare] === undefined || this.#at(back + 2) < node) return null;
    const left = this.#operand(this.#at(back + 2));
    const right = this.#operand(this.#at(back + 1));
    return left === null || right === null ? null : { left, compare, right, offset, node };
  }

  /** An arm of `test` goes back to the head of the loop around. Only with a known number of rounds. */
  findTested(at: LoopOffsets, { left, compare, right, offset, node }: Test): Found | null {
    if (this.#isOff) return null;
    const counted = (counter: Operand, compare: number, bound: Operand) => {
      if (!('local' in counter)) return null;
      const step = this.#last[counter.local]!;
      // In every round: in front of the test, or in the node that goes back.
      const isBefore = step >= node && step < offset;
      if (!isBefore && step < at.node) return null;
      return this.#found(at, { local: counter.local, compare, bound, first: isBefore ? 1 : 0, ending: null });
    };
    const found = counted(left, compare, right) ?? counted(right, exchanged[compare]!, left);
    return found?.rounds === null ? null : found;
  }

  /** `first` is the number of steps at the first comparison. */
  #found(
    { loop, entry }: LoopOffsets,
    { local, compare, bound, first, ending }: Pick<Found, 'local' | 'compare' | 'bound' | 'ending'> & { first: 0 | 1 },
  ): Found | null {
    // Assigned elsewhere in the loop as well.
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
      // With the comparison at its end, a round more than the comparison holds.
      rounds = held === null ? null : held + (ending === null ? 0 : 1);
    }
    return { local, step: by, up, compare, bound, rounds, ending };
  }

  #isAssigned(operand: Operand, loop: number): boolean {
    return 'local' in operand && this.#last[operand.local]! >= loop;
  }

  /**
   * Returns the step that the four instructions from `start` on, the last of which assigns `local`, add to it; null:
   * they do not.
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

  /** Offset of the instruction seen `back` instructions ago, 1 for the last one. */
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

  /** Offset of what stands behind the local.get or i32.const at `offset`. */
  #behindOperand(offset: number): number {
    let at = offset + 1;
    while (this.#bytes[at]! >= 0x80) at++;
    return at + 1;
  }

  /** The LEB128 behind the opcode at `offset`; a signed one where `signed`. */
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

export function includesEqual(compare: number): boolean {
  return compare === compares.leS || compare === compares.leU || compare === compares.geS || compare === compares.geU;
}

/**
 * Returns how often in a row `x compare bound` holds, for x from `from` on in steps of `step`; null: it still holds at
 * the end of the number range.
 */
function timesHeld(
  from: number,
  { step, up, compare, bound }: { step: number; up: boolean; compare: number; bound: number },
): number | null {
  const signed = isSigned(compare);
  const [x, n] = signed ? [from, bound | 0] : [from >>> 0, bound >>> 0];
  const distance = up ? n - x : x - n;
  // `!=` ends where it is met exactly, before the range does.
  if (compare === compares.ne) return distance >= 0 && distance % step === 0 ? distance / step : null;
  const reach = includesEqual(compare) ? distance : distance - 1;
  if (reach < 0) return 0;
  const times = Math.floor(reach / step) + 1;
  const end = up ? x + times * step : x - times * step;
  const [least, most] = signed ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return end >= least && end <= most ? times : null;
}

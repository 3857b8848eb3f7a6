/**
 * Counted loops: those that go round on a local that grows or shrinks by the same step each time, up to
 * a bound that stays, and are left nowhere else. Compilers write their hottest loops so:
 *
 *     loop
 *       ...                                        ;; without a call, a way out or another way back
 *       br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))
 *     end
 *
 * How many rounds are certain is known before the first, so the emitter can charge and check for many
 * at once what every round costs.
 */

/** A constant, or what a local holds. */
export type Operand = { readonly constant: number } | { readonly local: number };

export interface CountedLoop extends Found {
  /** The node that the branch back ends: it is in every round. */
  readonly node: number;
}

/** What the finder knows of it. */
export interface Found {
  /** The local that is counted in; its value at the head is `i` below. */
  readonly local: number;
  /** What a round adds to it, or takes off where not `up`; as an unsigned number above 0, unless it is in a local. */
  readonly step: Operand;
  readonly up: boolean;
  /** The loop goes on while `i compare bound`, an i32 comparison other than eq, by its opcode. */
  readonly compare: number;
  readonly bound: Operand;
  /** Byte offset from which on the bytes up to the branch do no more than step, compare and branch. */
  readonly start: number;
  /** Whether the step is done there; else it has been done before. */
  readonly stepsThere: boolean;
}

export const compares = {
  ne: 0x47,
  ltS: 0x48,
  ltU: 0x49,
  gtS: 0x4a,
  gtU: 0x4b,
  leS: 0x4c,
  leU: 0x4d,
  geS: 0x4e,
  geU: 0x4f,
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

const op = { localGet: 0x20, localTee: 0x22, i32Const: 0x41, i32Add: 0x6a, i32Sub: 0x6b } as const;

/** Instructions that are remembered; a power of two, and enough for the longest pattern. */
const recentMax = 8;
/** Locals of a function in which loops are looked for; more are over a cap (caps.ts). */
const localsMax = 65_536;
/** A local was not stepped where it was last assigned. */
const noStep = 0;

interface Step {
  readonly by: Operand;
  readonly up: boolean;
}

/** Watches the instructions of a function. What it is told has been read and checked before. */
export class CountedLoopFinder {
  readonly #bytes: Uint8Array;
  /** Byte offsets of the last instructions, in turn. */
  readonly #recent = new Int32Array(recentMax);
  #seen = 0;
  /** By local: byte offset of its last assignment and the one before, 0 for none; where the last one's step begins. */
  #last = new Int32Array(256);
  #previous = new Int32Array(256);
  #steps = new Int32Array(256);
  /** Where the function begins. */
  #start = 0;
  #isOff = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A function begins that has so many locals and whose instructions stand from `start` on. */
  begin(locals: number, start: number): void {
    this.#isOff = locals > localsMax;
    if (this.#isOff) return;
    if (locals > this.#last.length) {
      this.#last = new Int32Array(locals * 2);
      this.#previous = new Int32Array(locals * 2);
      this.#steps = new Int32Array(locals * 2);
    } else if (start < this.#start) {
      // What earlier functions left stands at lower offsets than any loop of this one, unless they are read anew.
      this.#last.fill(0);
      this.#previous.fill(0);
    }
    this.#start = start;
  }

  /** The next instruction stands at `offset`. */
  see(offset: number): void {
    this.#recent[this.#seen++ & (recentMax - 1)] = offset;
  }

  /** The instruction seen last is a local.set or local.tee. */
  assign(): void {
    if (this.#isOff) return;
    const offset = this.#at(1);
    const local = this.#immediate(offset);
    this.#previous[local] = this.#last[local]!;
    this.#last[local] = offset;
    const operation = this.#opcode(this.#at(2));
    this.#steps[local] = operation === op.i32Add || operation === op.i32Sub ? this.#at(4) : noStep;
  }

  /**
   * The instruction seen last is a br_if back to the head of a loop whose instructions begin at `loop`,
   * and is executed in every round as those from `node` on are.
   */
  find(loop: number, node: number): Found | null {
    if (this.#isOff) return null;
    const last = this.#at(2);
    const compare = this.#opcode(last);
    if (compare === op.localTee)
      return this.#counted(loop, node, { offset: last, compare: compares.ne, bound: { constant: 0 }, start: null });
    const swapped = exchanged[compare];
    if (swapped === undefined) return null;
    const right = this.#at(3);
    const bound = this.#operand(right);
    if (bound === null) {
      const first = this.#operand(this.#at(7));
      return first === null
        ? null
        : this.#counted(loop, node, { offset: right, compare: swapped, bound: first, start: this.#at(7) });
    }
    const left = this.#at(4);
    if (this.#opcode(left) === op.localTee)
      return this.#counted(loop, node, { offset: left, compare, bound, start: null });
    const first = this.#operand(left);
    if (first === null) return null;
    return this.#got(loop, node, first, compare, bound) ?? this.#got(loop, node, bound, swapped, first);
  }

  /** Counted in `counter`, if that is a local that was stepped before; the comparison is made of the last three instructions. */
  #got(loop: number, node: number, counter: Operand, compare: number, bound: Operand): Found | null {
    if (!('local' in counter)) return null;
    return this.#counted(loop, node, { offset: this.#last[counter.local]!, compare, bound, start: null });
  }

  /**
   * Counted in the local that is assigned at `offset`. The bound stands at `start`, right in front of the
   * step; null: behind it.
   */
  #counted(
    loop: number,
    node: number,
    { offset, compare, bound, start }: { offset: number; compare: number; bound: Operand; start: number | null },
  ): Found | null {
    if (offset < node || offset === 0) return null;
    const local = this.#immediate(offset);
    const stepStart = this.#steps[local]!;
    // Assigned elsewhere in the loop as well, or not in one node with the branch.
    if (this.#last[local] !== offset || this.#previous[local]! >= loop || stepStart < node) return null;
    if (start !== null && (start < node || this.#at(6) !== stepStart)) return null;
    const step = this.#step(local, stepStart);
    if (step === null || this.#isAssigned(step.by, loop) || this.#isAssigned(bound, loop)) return null;
    if (compare !== compares.ne && step.up !== goesUp(compare)) return null;
    const stepsThere = this.#opcode(offset) === op.localTee && offset >= this.#at(4);
    return {
      local,
      step: step.by,
      up: step.up,
      compare,
      bound,
      start: start ?? (stepsThere ? stepStart : this.#at(4)),
      stepsThere,
    };
  }

  #isAssigned(operand: Operand, loop: number): boolean {
    return 'local' in operand && this.#last[operand.local]! >= loop;
  }

  /** What the four instructions from `start` on, the last of which assigns `local`, add to it. */
  #step(local: number, start: number): Step | null {
    const first = this.#operand(start);
    if (first === null) return null;
    const next = this.#behindOperand(start);
    const second = this.#operand(next);
    if (second === null) return null;
    const isOwn = (operand: Operand) => 'local' in operand && operand.local === local;
    const adds = this.#opcode(this.#behindOperand(next)) === op.i32Add;
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
    return this.#recent[(this.#seen - back) & (recentMax - 1)]!;
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

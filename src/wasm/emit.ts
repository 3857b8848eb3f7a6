/**
 * Writes a scanned function body with its charges, checks and edits.
 *
 * A node's charge is taken off the global counter at its beginning. A node with a call checks the
 * counter there as well, before the call; so does the head of a loop that can go round without a
 * call. Such a loop is wrapped in another one:
 *
 *     loop $outer                           ;; the wrapper
 *       if (left < 0) call $slow
 *       loop $loop                          ;; the guest's
 *         br_if $outer (left < 0)
 *         left -= 12
 *         ...
 *
 * With the call outside of the loop proper the engine keeps addresses and values in registers and
 * unrolls it: measured 2 instead of 3 cycles a round for the shortest loops, and 1.25 instead of 1.6
 * times the plain time for an interpreter. Labels that lead out of a wrapped loop grow by one.
 *
 * The branch hints (sections/branch-hints.ts) move the slow paths out of line.
 */
import type { HelperIndices } from './helpers.ts';
import { check, head, type Placement } from './placement.ts';
import { type CodeScanner, editFields, editKind } from './scan-code.ts';
import type { ByteWriter } from './writer.ts';

/**
 * Gas charged without a check between, counted over the text of a function, which no path through it
 * exceeds: loops and calls check by themselves. Bounds the work that a chain of returns can do unseen.
 */
export const uncheckedMax = 256;

export interface EmitterOptions {
  readonly writer: ByteWriter;
  /** The module as pushed. */
  readonly bytes: Uint8Array;
  readonly scanner: CodeScanner;
  readonly indices: HelperIndices;
  /** Offsets, from the start of the body, of branches that are hardly ever taken. */
  readonly hints: HintSink;
}

export interface HintSink {
  add(offset: number): void;
}

const op = {
  loop: 0x03,
  if: 0x04,
  end: 0x0b,
  brIf: 0x0d,
  call: 0x10,
  localGet: 0x20,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i64Const: 0x42,
  i32LtS: 0x48,
  i32Sub: 0x6b,
  i64Add: 0x7c,
} as const;
const emptyBlock = 0x40;
const i32 = 0x7f;

export class BodyEmitter {
  readonly #writer: ByteWriter;
  readonly #bytes: Uint8Array;
  readonly #scanner: CodeScanner;
  /** By loop: how many wrapped loops there are from the outermost to this one. */
  #wrapped = new Int32Array(64);
  readonly #indices: HelperIndices;
  readonly #hints: HintSink;
  #profileGlobal: number | null = null;
  #bodyStart = 0;
  /** The index of the local that the meter adds. */
  #local = 0;

  constructor({ writer, bytes, scanner, indices, hints }: EmitterOptions) {
    this.#writer = writer;
    this.#bytes = bytes;
    this.#scanner = scanner;
    this.#indices = indices;
    this.#hints = hints;
  }

  /**
   * Writes the body that the scanner has just read and that ends at `end`, without its size; returns
   * how many bytes it has. `profileGlobal` also counts this function's gas; null for none.
   */
  emit(end: number, profileGlobal: number | null): number {
    const writer = this.#writer;
    const scanner = this.#scanner;
    const { placement, edits, editsLength } = scanner;
    this.#profileGlobal = profileGlobal;
    this.#bodyStart = writer.length;
    this.#local = scanner.locals;
    placement.solve();
    this.#countWrapped();
    this.#decideChecks();
    const local = this.#needsLocal();
    writer.u32(scanner.localGroups + (local ? 1 : 0));
    writer.raw(this.#bytes, scanner.localsStart, scanner.codeStart);
    if (local) {
      writer.u8(1);
      writer.u8(i32);
    }
    let from = scanner.codeStart;
    let edit = 0;
    for (let node = 0; node <= placement.nodes; node++) {
      const offset = node === placement.nodes ? end + 1 : placement.offsets[node]!;
      for (; edit < editsLength && edits[edit]! < offset; edit += editFields) {
        writer.raw(this.#bytes, from, edits[edit]!);
        from = edits[edit]! + edits[edit + 1]!;
        this.#edit(edit);
      }
      if (node === placement.nodes) break;
      writer.raw(this.#bytes, from, offset);
      from = offset;
      this.#charge(placement, node);
    }
    writer.raw(this.#bytes, from, end);
    return writer.length - this.#bodyStart;
  }

  #countWrapped(): void {
    const { loops, loopParents, loopChecks, loopHeads, placement } = this.#scanner;
    if (loops >= this.#wrapped.length) this.#wrapped = new Int32Array(loops * 2);
    this.#wrapped[0] = 0;
    for (let loop = 1; loop <= loops; loop++) {
      const wrap = loopChecks[loop] === 1 && loopHeads[loop]! >= 0;
      this.#wrapped[loop] = this.#wrapped[loopParents[loop]!]! + (wrap ? 1 : 0);
      if (loopChecks[loop] !== 1) continue;
      if (wrap) placement.flags[loopHeads[loop]!]! |= head;
      else placement.flags[-1 - loopHeads[loop]!]! |= check;
    }
  }

  #isWrapped(loop: number): boolean {
    const { loopChecks, loopHeads } = this.#scanner;
    return loopChecks[loop] === 1 && loopHeads[loop]! >= 0;
  }

  /** Adds a check wherever `uncheckedMax` would be exceeded. */
  #decideChecks(): void {
    const { placement } = this.#scanner;
    let unchecked = 0;
    for (let node = 0; node < placement.nodes; node++) {
      unchecked += placement.charges[node]!;
      if (unchecked > uncheckedMax) placement.flags[node]! |= check;
      const flags = placement.flags[node]!;
      // The head of a wrapped loop checks before it charges.
      if ((flags & check) !== 0) unchecked = 0;
      else if ((flags & head) !== 0) unchecked = placement.charges[node]!;
    }
  }

  /** Whether anything is checked with a charge. */
  #needsLocal(): boolean {
    const { placement } = this.#scanner;
    for (let node = 0; node < placement.nodes; node++)
      if ((placement.flags[node]! & (check | head)) !== 0 && placement.charges[node]! > 0) return true;
    return false;
  }

  #edit(at: number): void {
    const writer = this.#writer;
    const { edits } = this.#scanner;
    const indices = this.#indices;
    const value = edits[at + 3]!;
    switch (edits[at + 2]) {
      case editKind.index:
        writer.u32(value);
        break;
      case editKind.label:
        writer.u32(value + this.#wrapped[edits[at + 4]!]! - this.#wrapped[edits[at + 5]!]!);
        break;
      case editKind.wrapLoop:
        if (!this.#isWrapped(value)) break;
        writer.raw(this.#bytes, edits[at]!, edits[at]! + edits[at + 4]!);
        this.#checkOnly();
        break;
      case editKind.endLoop:
        if (this.#isWrapped(value)) writer.u8(op.end);
        break;
      case editKind.memoryBytes:
        this.#put(op.call, indices.memoryBytes);
        break;
      case editKind.memoryGrow:
        this.#put(op.call, indices.memoryGrow);
        break;
      default:
        this.#put(op.call, indices.tableEntries);
    }
  }

  #put(opcode: number, immediate: number): void {
    this.#writer.u8(opcode);
    this.#writer.u32(immediate);
  }

  #constant(value: number): void {
    this.#writer.u8(op.i32Const);
    this.#writer.s32(value);
  }

  /** The next instruction is a branch that is hardly ever taken. */
  #unlikely(): void {
    this.#hints.add(this.#writer.length - this.#bodyStart);
  }

  /** if (left < 0) slow() */
  #checkOnly(): void {
    this.#put(op.globalGet, this.#indices.left);
    this.#slowIfNegative();
  }

  /** Takes a value: if (value < 0) slow() */
  #slowIfNegative(): void {
    const writer = this.#writer;
    this.#constant(0);
    writer.u8(op.i32LtS);
    this.#unlikely();
    this.#put(op.if, emptyBlock);
    this.#put(op.call, this.#indices.slow);
    writer.u8(op.end);
  }

  #charge(placement: Placement, node: number): void {
    const writer = this.#writer;
    const { left } = this.#indices;
    const charge = placement.charges[node]!;
    const flags = placement.flags[node]!;
    const checked = (flags & check) !== 0;
    if ((flags & head) !== 0) {
      // The wrapper is the second label from here.
      this.#put(op.globalGet, left);
      if (charge > 0) this.#put(op.localTee, this.#local);
      this.#constant(0);
      writer.u8(op.i32LtS);
      this.#unlikely();
      this.#put(op.brIf, 1);
    }
    if (charge > 0) {
      this.#put((flags & head) !== 0 ? op.localGet : op.globalGet, (flags & head) !== 0 ? this.#local : left);
      this.#constant(charge);
      writer.u8(op.i32Sub);
      if (checked) this.#put(op.localTee, this.#local);
      this.#put(op.globalSet, left);
    }
    if (checked) {
      this.#put(charge > 0 ? op.localGet : op.globalGet, charge > 0 ? this.#local : left);
      this.#slowIfNegative();
    }
    const profileGlobal = this.#profileGlobal;
    if (profileGlobal === null || charge === 0) return;
    this.#put(op.globalGet, profileGlobal);
    writer.u8(op.i64Const);
    writer.s32(charge);
    writer.u8(op.i64Add);
    this.#put(op.globalSet, profileGlobal);
  }
}

/**
 * Writes a scanned function body with its charges, checks and edits.
 *
 * A node's charge is taken off the global counter at its beginning. A node with a call checks the
 * counter there as well, before the call; so does the head of a loop that can go round without a
 * call. Such a loop is wrapped, so that the slow path stands outside of it:
 *
 *     block $done
 *       loop $again
 *         block $out
 *           loop                            ;; the guest's
 *             br_if $out (left < -credit)
 *             left -= 12
 *             ...
 *           end
 *           br $done
 *         end
 *         call $slow (credit)
 *         br $again
 *       end
 *     end
 *
 * With the call outside of the loop proper the engine keeps addresses and values in registers and
 * unrolls it: measured 2 instead of 3 cycles a round for the shortest loops, and 1.25 instead of 1.6
 * times the plain time for an interpreter. Labels that lead out of a wrapped loop grow by three.
 *
 * A nest of loops without any call is tight: nobody looks at the global meanwhile. Its counter is a
 * local. When the nest is entered a run of `runGas` is paid ahead into the global, and a second local
 * notes the counter at which the run ends; the heads compare with that, and where it is reached the run
 * is settled and the next one begun. Whatever leaves the nest writes the counter back first. So the
 * global is exact wherever a call, a return or `unreachable` can show it, runs end at the same places
 * on every host, and the loop itself has neither load nor store for the meter.
 *
 * The branch hints (sections/branch-hints.ts) move the slow paths out of line.
 */
import type { HelperIndices } from './helpers.ts';
import { check, checkRun, head, type Placement } from './placement.ts';
import { type CodeScanner, editFields, editKind } from './scan-code.ts';
import type { ByteWriter } from './writer.ts';

/**
 * Instructions without a check between, counted over the text of a function, which no path through it
 * exceeds: loops and calls check by themselves. Bounds the work that a chain of returns can do unseen.
 */
export const uncheckedMax = 256;

/**
 * What a tight nest pays ahead at a time. A trap inside leaves the global off by less; a limit that is
 * reached inside strikes at the end of the run.
 */
export const runGas = 4096;

/** Tight nests in a row without a check between, likewise. */
const uncheckedRuns = 4;

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
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
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
/** Labels around a wrapped loop. */
const wrapperLabels = 3;

export class BodyEmitter {
  readonly #writer: ByteWriter;
  readonly #bytes: Uint8Array;
  readonly #scanner: CodeScanner;
  /** By loop: how many labels the wrappers of the loops from the outermost to this one add. */
  #wrapped = new Int32Array(64);
  /** By loop: 1 for the loops of tight nests. */
  #tight = new Uint8Array(64);
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
    this.#planLoops();
    this.#decideChecks();
    const added = this.#addedLocals();
    writer.u32(scanner.localGroups + (added > 0 ? 1 : 0));
    writer.raw(this.#bytes, scanner.localsStart, scanner.codeStart);
    if (added > 0) {
      writer.u8(added);
      writer.u8(i32);
    }
    let from = scanner.codeStart;
    let edit = 0;
    for (let node = 0; node <= placement.nodes; node++) {
      const offset = node === placement.nodes ? end + 1 : placement.offsets[node]!;
      for (; edit < editsLength && edits[edit]! < offset; edit += editFields) {
        writer.raw(this.#bytes, from, edits[edit]!);
        from = edits[edit]! + edits[edit + 1]!;
        this.#edit(edit, node - 1);
      }
      if (node === placement.nodes) break;
      writer.raw(this.#bytes, from, offset);
      from = offset;
      this.#charge(placement, node);
    }
    writer.raw(this.#bytes, from, end);
    return writer.length - this.#bodyStart;
  }

  #planLoops(): void {
    const { loops, loopParents, loopChecks, loopCalls, loopHeads, placement } = this.#scanner;
    if (loops >= this.#wrapped.length) {
      this.#wrapped = new Int32Array(loops * 2);
      this.#tight = new Uint8Array(loops * 2);
    }
    this.#wrapped[0] = 0;
    this.#tight[0] = 0;
    for (let loop = 1; loop <= loops; loop++) {
      const parent = loopParents[loop]!;
      const wrap = this.#isWrapped(loop);
      this.#wrapped[loop] = this.#wrapped[parent]! + (wrap ? wrapperLabels : 0);
      this.#tight[loop] = loopCalls[loop] === 0 && (wrap || this.#tight[parent] === 1) ? 1 : 0;
      if (loopChecks[loop] !== 1) continue;
      if (wrap) placement.flags[loopHeads[loop]!]! |= head;
      else placement.flags[-1 - loopHeads[loop]!]! |= check;
    }
  }

  #isWrapped(loop: number): boolean {
    const { loopChecks, loopHeads } = this.#scanner;
    return loopChecks[loop] === 1 && loopHeads[loop]! >= 0;
  }

  /** Adds a check wherever `uncheckedMax` or `uncheckedRuns` would be exceeded. */
  #decideChecks(): void {
    const { placement, loopParents } = this.#scanner;
    let unchecked = 0;
    let runs = 0;
    for (let node = 0; node < placement.nodes; node++) {
      const weight = placement.weights[node]!;
      unchecked += weight;
      // The head of a wrapped loop checks in any case, before it charges.
      const isHead = (placement.flags[node]! & head) !== 0;
      if (unchecked > uncheckedMax && !isHead) placement.flags[node]! |= check;
      const flags = placement.flags[node]!;
      const loop = placement.loops[node]!;
      const tight = this.#tight[loop] === 1;
      if (tight && isHead && this.#tight[loopParents[loop]!] === 0 && ++runs > uncheckedRuns) {
        placement.flags[node] = flags | checkRun;
        runs = 1;
      }
      if (isHead) unchecked = weight;
      else if ((flags & check) !== 0) {
        unchecked = 0;
        if (!tight) runs = 0;
      }
    }
  }

  /** How many locals are needed besides the guest's. */
  #addedLocals(): number {
    const { placement, loops } = this.#scanner;
    for (let loop = 1; loop <= loops; loop++) if (this.#tight[loop] === 1) return 2;
    for (let node = 0; node < placement.nodes; node++)
      if ((placement.flags[node]! & (check | head)) !== 0 && placement.charges[node] !== 0) return 1;
    return 0;
  }

  /** `node` is the one that the edit stands in. */
  #edit(at: number, node: number): void {
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
        if (this.#isWrapped(value)) this.#beginWrapper(value, edits[at]! + 1, edits[at]! + edits[at + 4]!);
        break;
      case editKind.endLoop:
        if (this.#isWrapped(value)) this.#endWrapper(value);
        break;
      case editKind.leave:
        this.#leave(edits[at + 4]!, edits[at + 5]!);
        break;
      case editKind.leaveIf:
        this.#leaveIf(value, edits[at + 4]!, edits[at + 5]!);
        break;
      case editKind.memoryBytes:
        this.#bulk(indices.memoryBytes, node);
        break;
      case editKind.memoryGrow:
        this.#bulk(indices.memoryGrow, node);
        break;
      default:
        this.#bulk(indices.tableEntries, node);
    }
  }

  /** Calls a helper that charges for work and checks. */
  #bulk(helper: number, node: number): void {
    this.#constant(this.#scanner.placement.after[node]!);
    this.#put(op.call, helper);
  }

  /** In front of a branch from inside of loop `from` to where `to` is the innermost loop. */
  #leave(from: number, to: number): void {
    if (this.#tight[from] !== 1 || this.#tight[to] === 1) return;
    this.#put(op.localGet, this.#local);
    this.#put(op.globalSet, this.#indices.left);
  }

  #leaveIf(label: number, from: number, to: number): void {
    const out = label + this.#wrapped[from]! - this.#wrapped[to]!;
    if (this.#tight[from] !== 1 || this.#tight[to] === 1) {
      this.#put(op.brIf, out);
      return;
    }
    this.#put(op.if, emptyBlock);
    this.#leave(from, to);
    this.#put(op.br, out + 1);
    this.#writer.u8(op.end);
  }

  /** The loop's block type stands from `start` to `end`. */
  #beginWrapper(loop: number, start: number, end: number): void {
    const writer = this.#writer;
    const { placement, loopHeads, loopParents } = this.#scanner;
    if (this.#tight[loop] === 1 && this.#tight[loopParents[loop]!] === 0) {
      const node = loopHeads[loop]!;
      if ((placement.flags[node]! & checkRun) !== 0) {
        this.#counter(false, false);
        this.#slowIfNegative(false, placement.before[node]!);
      }
      this.#counter(false, false);
      this.#beginRun();
    }
    writer.u8(op.block);
    writer.raw(this.#bytes, start, end);
    writer.u8(op.loop);
    writer.raw(this.#bytes, start, end);
    this.#put(op.block, emptyBlock);
  }

  #endWrapper(loop: number): void {
    const writer = this.#writer;
    const { placement, loopHeads, loopParents } = this.#scanner;
    const credit = placement.before[loopHeads[loop]!]!;
    this.#leave(loop, loopParents[loop]!);
    this.#put(op.br, 2);
    writer.u8(op.end);
    if (this.#tight[loop] === 1) this.#settle(credit);
    else this.#slow(credit);
    this.#put(op.br, 0);
    writer.u8(op.end);
    writer.u8(op.end);
  }

  /** Takes the counter: keeps it in a local, pays a run ahead, and notes where that ends. */
  #beginRun(): void {
    this.#put(op.localTee, this.#local);
    this.#constant(runGas);
    this.#writer.u8(op.i32Sub);
    this.#put(op.localTee, this.#local + 1);
    this.#put(op.globalSet, this.#indices.left);
  }

  /** In a tight nest, where a run is used up. */
  #settle(credit: number): void {
    this.#put(op.localGet, this.#local);
    this.#constant(credit);
    this.#put(op.call, this.#indices.settle);
    this.#beginRun();
  }

  #put(opcode: number, immediate: number): void {
    this.#writer.instruction(opcode, immediate);
  }

  #constant(value: number): void {
    this.#writer.u8(op.i32Const);
    this.#writer.s32(value);
  }

  /** The next instruction is a branch that is hardly ever taken. */
  #unlikely(): void {
    this.#hints.add(this.#writer.length - this.#bodyStart);
  }

  #slow(credit: number): void {
    this.#constant(credit);
    this.#put(op.call, this.#indices.slow);
  }

  /** Takes the counter: whether a run, or all that is left but for `credit`, is used up. */
  #isNegative(tight: boolean, credit: number): void {
    if (tight) this.#put(op.localGet, this.#local + 1);
    else this.#constant(-credit);
    this.#writer.u8(op.i32LtS);
    this.#unlikely();
  }

  #slowIfNegative(tight: boolean, credit: number): void {
    this.#isNegative(tight, credit);
    this.#put(op.if, emptyBlock);
    if (tight) this.#settle(credit);
    else this.#slow(credit);
    this.#writer.u8(op.end);
  }

  #charge(placement: Placement, node: number): void {
    const tight = this.#tight[placement.loops[node]!] === 1;
    const charge = placement.charges[node]!;
    if ((placement.flags[node]! & head) !== 0) {
      this.#counter(tight, charge !== 0);
      this.#isNegative(tight, placement.before[node]!);
      // The wrapper's innermost block is the second label from here.
      this.#put(op.brIf, 1);
      if (charge !== 0) this.#subtract(tight, true, charge, false);
    } else if ((placement.flags[node]! & check) !== 0) {
      if (charge === 0) this.#counter(tight, false);
      else {
        this.#subtract(tight, false, charge, true);
        this.#put(op.localGet, this.#local);
      }
      this.#slowIfNegative(tight, placement.after[node]!);
    } else if (charge !== 0) this.#subtract(tight, false, charge, false);
    if (this.#profileGlobal !== null && charge !== 0) this.#profile(this.#profileGlobal, charge);
  }

  /** Puts the counter on the stack; in the local as well where `keep` wants that. */
  #counter(tight: boolean, keep: boolean): void {
    if (tight) this.#put(op.localGet, this.#local);
    else {
      this.#put(op.globalGet, this.#indices.left);
      if (keep) this.#put(op.localTee, this.#local);
    }
  }

  /** Takes `charge` off the counter, which the local has already where `kept`, and shall have where `keep`. */
  #subtract(tight: boolean, kept: boolean, charge: number, keep: boolean): void {
    if (tight || kept) this.#put(op.localGet, this.#local);
    else this.#put(op.globalGet, this.#indices.left);
    this.#constant(charge);
    this.#writer.u8(op.i32Sub);
    if (tight) this.#put(op.localSet, this.#local);
    else {
      if (keep) this.#put(op.localTee, this.#local);
      this.#put(op.globalSet, this.#indices.left);
    }
  }

  #profile(global: number, charge: number): void {
    this.#put(op.globalGet, global);
    this.#writer.u8(op.i64Const);
    this.#writer.s32(charge);
    this.#writer.u8(op.i64Add);
    this.#put(op.globalSet, global);
  }
}

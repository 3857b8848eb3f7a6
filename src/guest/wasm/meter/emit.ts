/**
 * Writes a scanned function body with its charges, checks and edits.
 *
 * A function without loops takes a node's charge off the global counter, at the node's beginning. A node
 * with a call checks the counter there as well, before the call.
 *
 * A function with a loop that can go round without a call counts in a local, from 0 downwards: a round
 * then has neither load nor store for the meter, and what happens between two calls costs one of each.
 * The count is settled, added to the global, in front of every call and wherever the function is left,
 * so the global is exact wherever a call, a return or `unreachable` can show it. All ways out of the
 * function end behind a block around its body, where that is done once.
 *
 * Such a loop compares the count with `-runGas` at its head, and where that is reached settles it and
 * checks. It is wrapped, so that this stands outside of the loop proper:
 *
 *     block $done
 *       loop $again
 *         block $out
 *           loop                            ;; the guest's
 *             br_if $out (count < -runGas)
 *             count -= 12
 *             ...
 *           end
 *           br $done
 *         end
 *         count = $settle (count, credit)
 *         br $again
 *       end
 *     end
 *
 * With the call outside the engine keeps addresses and values in registers and unrolls the loop: measured
 * 2 instead of 3 cycles a round for the shortest loops, and 1.25 instead of 1.6 times the plain time for
 * an interpreter. Labels that lead out of a wrapped loop grow by three.
 *
 * A counted loop (counted-loops.ts) knows of many rounds beforehand that it will go them. What every
 * round costs, the charge of the node that goes back, is charged at once for as many rounds as have
 * `runGas` instructions at most, and the check made once; in front of the loop, where that is all:
 *
 *     loop
 *       $stop = the rounds that are certain, 1 to runGas / 7
 *       count -= $stop * 7, and a check
 *       $stop = $i + $stop * 4
 *       loop                              ;; the guest's
 *         ...
 *         br_if 0 ((local.tee $i ($i + 4)) != $stop)
 *         br_if 1 ($i < $n)
 *       end
 *     end
 *
 * Runs end at the same places on every host. The branch hints (sections/branch-hints.ts) move the slow
 * paths out of line.
 */

import { constant, emptyBlock, op } from '../format/instructions.ts';
import { valTypeBytes } from '../format/types.ts';
import type { ByteWriter } from '../format/writer.ts';
import { setCertainRounds, setStop, writeEnding } from './counted-code.ts';
import type { HelperIndices } from './helpers.ts';
import { ahead, calls, check, exact, head, type Placement } from './placement.ts';
import { type CodeScanner, editFields, editKind } from './scan-code.ts';

/**
 * Instructions without a check between, counted over the text of a function, which no path through it
 * exceeds: loops and calls check by themselves. Bounds the work that a chain of returns can do unseen.
 */
export const uncheckedMax = 256;

/**
 * What is counted in the local at most before it is settled, but for one more such run: a counted loop
 * charges as much ahead. A trap leaves the global off by less; a limit that is reached in a loop strikes
 * at the end of a run.
 */
export const runGas = 16_384;
/** Fewest rounds that a counted loop may go at a time; with less there is nothing to gain. */
const roundsMin = 8;
/** Most counted loops in one another, from the innermost outwards: each needs a local (caps.ts). */
const countingMax = 3;

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

/** What stands around a guest's loop: nothing, $again and $out, the rounds that are certain, or one charge in front. */
const around = { nothing: 0, wrapper: 1, counting: 2, charge: 3 } as const;
type Around = (typeof around)[keyof typeof around];
/** Labels that this adds. */
const labelsAround: Readonly<Record<Around, number>> = [0, 3, 1, 0];

export class BodyEmitter {
  readonly #writer: ByteWriter;
  readonly #bytes: Uint8Array;
  readonly #scanner: CodeScanner;
  /** By loop: what stands around it, and how many labels that adds from the outermost loop to this one. */
  #around = new Uint8Array(64);
  #added = new Int32Array(64);
  /** By loop: how many counted loops are at most in one another, from this one inwards. */
  #heights = new Uint8Array(64);
  readonly #indices: HelperIndices;
  readonly #hints: HintSink;
  #profileGlobal: number | null = null;
  #bodyStart = 0;
  /** Whether this function counts in the local, and not in the global. */
  #countsInLocal = false;
  /** The index of the first local that is added: the count, or a copy of the global. Those behind are the counted loops'. */
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
      writer.u8(valTypeBytes.i32);
    }
    if (this.#countsInLocal) {
      // Branches out of the function end behind this block, where its count is settled.
      const result = scanner.results[0];
      writer.u8(op.block);
      writer.u8(result === undefined ? emptyBlock : valTypeBytes[result]);
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
    if (this.#countsInLocal) {
      this.#leave();
      writer.u8(op.end);
    }
    return writer.length - this.#bodyStart;
  }

  #planLoops(): void {
    const { loops, loopParents, loopChecks, loopHeads, counted, placement, results } = this.#scanner;
    if (loops >= this.#added.length) {
      this.#around = new Uint8Array(loops * 2);
      this.#added = new Int32Array(loops * 2);
      this.#heights = new Uint8Array(loops * 2);
    }
    this.#countsInLocal = false;
    this.#added[0] = 0;
    this.#heights.fill(0, 0, loops + 1);
    // Inner loops have higher numbers.
    for (let loop = loops; loop > 0; loop--) {
      // A block for several results would need a type of its own.
      this.#around[loop] = results.length > 1 ? around.nothing : this.#whatAround(loop);
      const parent = loopParents[loop]!;
      this.#heights[parent] = Math.max(this.#heights[parent]!, this.#heights[loop]!);
    }
    for (let loop = 1; loop <= loops; loop++) {
      const what = this.#around[loop]! as Around;
      const headNode = loopHeads[loop]!;
      this.#added[loop] = this.#added[loopParents[loop]!]! + labelsAround[what];
      if (what !== around.nothing) this.#countsInLocal = true;
      if (what < around.counting && counted.has(loop)) placement.flags[counted.get(loop)!.node]! &= ~ahead;
      if (loopChecks[loop] !== 1) continue;
      if (what === around.nothing) placement.flags[headNode < 0 ? -1 - headNode : headNode]! |= check;
      else placement.flags[headNode]! |= head;
    }
  }

  /** Decides what stands around a loop; of those inside it has been decided. */
  #whatAround(loop: number): Around {
    const { loopChecks, loopHeads, loopBacks, counted } = this.#scanner;
    // A negative head has parameters: a branch to what stands around would need them.
    if (loopChecks[loop] !== 1 || loopHeads[loop]! < 0) return around.nothing;
    const loopCounted = counted.get(loop);
    if (loopCounted === undefined || loopBacks[loop] !== 1) return around.wrapper;
    const roundsMax = this.#roundsAtOnce(loop);
    if (loopCounted.rounds !== null && loopCounted.rounds <= roundsMax) return around.charge;
    if (loopCounted.ending === null || roundsMax < roundsMin || this.#heights[loop] === countingMax)
      return around.wrapper;
    this.#heights[loop]!++;
    return around.counting;
  }

  /**
   * Rounds of a counted loop whose text has no more than `runGas` instructions (loops inside check by
   * themselves). 0 where some other node gives back what has been charged: what is paid ahead must be
   * what will be executed in any case, or a check inside could refuse a call that has enough.
   */
  #roundsAtOnce(loop: number): number {
    const { loopHeads, counted, placement } = this.#scanner;
    const { node: last } = counted.get(loop)!;
    let weight = 0;
    for (let node = loopHeads[loop]!; node <= last; node++) {
      weight += placement.weights[node]!;
      if (weight > runGas || (node !== last && placement.charges[node]! < 0)) return 0;
    }
    return Math.floor(runGas / weight);
  }

  /** Adds a check wherever `uncheckedMax` would be exceeded. */
  #decideChecks(): void {
    const { flags, nodes, weights } = this.#scanner.placement;
    let unchecked = 0;
    for (let node = 0; node < nodes; node++) {
      unchecked += weights[node]!;
      // The head of a loop checks before it charges.
      if ((flags[node]! & head) !== 0) unchecked = weights[node]!;
      else if (unchecked > uncheckedMax) flags[node]! |= check;
      if ((flags[node]! & (check | calls)) !== 0) unchecked = 0;
    }
  }

  /** How many locals are needed besides the guest's. */
  #addedLocals(): number {
    const { flags, nodes, charges } = this.#scanner.placement;
    if (this.#countsInLocal) return 1 + this.#heights[0]!;
    for (let node = 0; node < nodes; node++)
      if ((flags[node]! & (check | calls)) !== 0 && charges[node] !== 0) return 1;
    return 0;
  }

  /** `node` is the one that the edit stands in. */
  #edit(at: number, node: number): void {
    const writer = this.#writer;
    const { edits } = this.#scanner;
    const indices = this.#indices;
    const offset = edits[at]!;
    const length = edits[at + 1]!;
    const value = edits[at + 3]!;
    switch (edits[at + 2]) {
      case editKind.index:
        writer.u32(value);
        break;
      case editKind.label:
        writer.u32(value + this.#added[edits[at + 4]!]! - this.#added[edits[at + 5]!]!);
        break;
      case editKind.beginLoop:
        this.#beginLoop(value, offset + 1, offset + edits[at + 4]!);
        break;
      case editKind.endLoop:
        if (this.#around[value] === around.wrapper) this.#endWrapper(value);
        else if (this.#around[value] === around.counting) writer.u8(op.end);
        break;
      case editKind.goAround:
        if (this.#around[value] === around.counting)
          writeEnding(writer, this.#scanner.counted.get(value)!, this.#stop(value));
        else writer.raw(this.#bytes, offset, offset + length);
        break;
      case editKind.return:
        if (this.#countsInLocal) this.#put(op.br, value + this.#added[edits[at + 4]!]!);
        else writer.u8(op.return);
        break;
      case editKind.unreachable:
        if (this.#countsInLocal) this.#settle();
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
    if (this.#countsInLocal) {
      this.#settle();
      this.#constant(0);
      this.#put(op.localSet, this.#local);
    }
    this.#constant(this.#scanner.placement.after[node]!);
    this.#put(op.call, helper);
  }

  /** The loop's block type stands from `start` to `end`. */
  #beginLoop(loop: number, start: number, end: number): void {
    const writer = this.#writer;
    const what = this.#around[loop];
    if (what === around.charge) this.#chargeRounds(loop);
    if (what === around.counting) {
      writer.u8(op.loop);
      writer.raw(this.#bytes, start, end);
      this.#chargeCertainRounds(loop);
    }
    if (what !== around.wrapper) return;
    writer.u8(op.block);
    writer.raw(this.#bytes, start, end);
    writer.u8(op.loop);
    writer.raw(this.#bytes, start, end);
    this.#put(op.block, emptyBlock);
  }

  #endWrapper(loop: number): void {
    const writer = this.#writer;
    const { placement, loopHeads } = this.#scanner;
    this.#put(op.br, 2);
    writer.u8(op.end);
    this.#settleRun(placement.before[loopHeads[loop]!]!);
    this.#put(op.br, 0);
    writer.u8(op.end);
    writer.u8(op.end);
  }

  /** In front of a counted loop whose rounds are known. */
  #chargeRounds(loop: number): void {
    const { placement, counted, loopHeads } = this.#scanner;
    const { node, rounds } = counted.get(loop)!;
    const charge = placement.charges[node]! * rounds!;
    if (charge !== 0) this.#subtract(charge, false);
    this.#put(op.localGet, this.#local);
    this.#settleIfRun(placement.before[loopHeads[loop]!]!);
    if (this.#profileGlobal !== null && charge !== 0) this.#profile(this.#profileGlobal, charge);
  }

  /** In front of any other counted loop: charges the rounds that are certain, and notes where they end. */
  #chargeCertainRounds(loop: number): void {
    const writer = this.#writer;
    const { placement, counted, loopHeads } = this.#scanner;
    const loopCounted = counted.get(loop)!;
    const charge = placement.charges[loopCounted.node]!;
    const stop = this.#stop(loop);
    setCertainRounds(writer, loopCounted, stop, this.#roundsAtOnce(loop));
    this.#put(op.localGet, this.#local);
    this.#put(op.localGet, stop);
    this.#constant(charge);
    writer.u8(op.i32Mul);
    writer.u8(op.i32Sub);
    this.#put(op.localTee, this.#local);
    this.#settleIfRun(placement.before[loopHeads[loop]!]!);
    if (this.#profileGlobal !== null) {
      this.#put(op.globalGet, this.#profileGlobal);
      this.#put(op.localGet, stop);
      writer.u8(op.i64ExtendI32U);
      writer.u8(op.i64Const);
      writer.s32(charge);
      writer.u8(op.i64Mul);
      writer.u8(op.i64Add);
      this.#put(op.globalSet, this.#profileGlobal);
    }
    setStop(writer, loopCounted, stop);
  }

  /** The local that a counted loop compares with. */
  #stop(loop: number): number {
    return this.#local + this.#heights[loop]!;
  }

  #put(opcode: number, immediate: number): void {
    this.#writer.instruction(opcode, immediate);
  }

  #constant(value: number): void {
    constant(this.#writer, value);
  }

  /** Adds the count to the global. */
  #settle(): void {
    this.#put(op.globalGet, this.#indices.left);
    this.#put(op.localGet, this.#local);
    this.#writer.u8(op.i32Add);
    this.#put(op.globalSet, this.#indices.left);
  }

  /**
   * Where the function is left. One with loops can work for two runs since its last call; it checks if it
   * makes calls, or many in one another could do so on their way back.
   */
  #leave(): void {
    if (this.#scanner.loopCalls[0] === 1) this.#chargeGlobal(0, exact);
    else this.#settle();
  }

  /** Where a run is used up: settles it, checks, and begins the next one. */
  #settleRun(credit: number): void {
    this.#put(op.localGet, this.#local);
    this.#constant(credit);
    this.#put(op.call, this.#indices.settle);
    this.#put(op.localSet, this.#local);
  }

  /** Takes the count from the stack. */
  #settleIfRun(credit: number): void {
    this.#ifBelow(-runGas, () => this.#settleRun(credit));
  }

  /** Takes the counter from the stack. */
  #ifBelow(least: number, act: () => void): void {
    this.#isBelow(least);
    this.#put(op.if, emptyBlock);
    act();
    this.#writer.u8(op.end);
  }

  /** Compares; the branch behind is hardly ever taken. */
  #isBelow(least: number): void {
    this.#constant(least);
    this.#writer.u8(op.i32LtS);
    this.#hints.add(this.#writer.length - this.#bodyStart);
  }

  #charge(placement: Placement, node: number): void {
    const flags = placement.flags[node]!;
    // What every round of a counted loop costs has been charged in front of it.
    const charge = (flags & ahead) === 0 ? placement.charges[node]! : 0;
    if ((flags & calls) !== 0) this.#chargeGlobal(charge, placement.after[node]!);
    else if ((flags & check) !== 0) this.#chargeAndCheck(charge, placement.after[node]!);
    else {
      if ((flags & head) !== 0 && this.#around[placement.loops[node]!] === around.wrapper) {
        this.#put(op.localGet, this.#local);
        this.#isBelow(-runGas);
        // The wrapper's innermost block is the second label from here.
        this.#put(op.brIf, 1);
      }
      if (charge !== 0) this.#subtract(charge, false);
    }
    if (this.#profileGlobal !== null && charge !== 0) this.#profile(this.#profileGlobal, charge);
  }

  /** Before a call: whoever is called sees the global. */
  #chargeGlobal(charge: number, credit: number): void {
    this.#put(op.globalGet, this.#indices.left);
    if (this.#countsInLocal) {
      this.#put(op.localGet, this.#local);
      this.#writer.u8(op.i32Add);
    }
    if (charge !== 0) {
      this.#constant(charge);
      this.#writer.u8(op.i32Sub);
    }
    if (this.#countsInLocal || charge !== 0) {
      this.#put(op.localTee, this.#local);
      this.#put(op.globalSet, this.#indices.left);
      this.#put(op.localGet, this.#local);
    }
    this.#ifBelow(-credit, () => {
      this.#constant(credit);
      this.#put(op.call, this.#indices.slow);
    });
    if (!this.#countsInLocal) return;
    this.#constant(0);
    this.#put(op.localSet, this.#local);
  }

  #chargeAndCheck(charge: number, credit: number): void {
    if (!this.#countsInLocal) {
      this.#chargeGlobal(charge, credit);
      return;
    }
    if (charge !== 0) this.#subtract(charge, true);
    else this.#put(op.localGet, this.#local);
    this.#settleIfRun(credit);
  }

  /** Takes `charge` off the counter; leaves the count on the stack where `keep`. */
  #subtract(charge: number, keep: boolean): void {
    const [get, set, index] = this.#countsInLocal
      ? [op.localGet, keep ? op.localTee : op.localSet, this.#local]
      : [op.globalGet, op.globalSet, this.#indices.left];
    this.#put(get, index);
    this.#constant(charge);
    this.#writer.u8(op.i32Sub);
    this.#put(set, index);
  }

  #profile(global: number, charge: number): void {
    this.#put(op.globalGet, global);
    this.#writer.u8(op.i64Const);
    this.#writer.s32(charge);
    this.#writer.u8(op.i64Add);
    this.#put(op.globalSet, global);
  }
}

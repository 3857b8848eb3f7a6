/**
 * Writes a scanned function body with its charges, checks and edits.
 *
 * A function without loops takes a node's charge off the global counter, at the node's beginning. A node with a call
 * checks the counter there as well, before the call.
 *
 * A function with a loop that can go round without a call counts in a local, from 0 downwards: a round then has neither
 * load nor store for the meter, and what happens between two calls costs one of each. The count is settled, added to
 * the global, in front of every call and wherever the function is left, so the global is exact wherever a call, a
 * return or `unreachable` can show it. All ways out of the function end behind a block around its body, where that is
 * done once.
 *
 * What stands around such a loop is decided in loop-plan.ts. Runs end at the same places on every host. Branch hints
 * (branch-hints.ts) move the slow paths out of line. docs/meter.md has an example.
 *
 * Casts: the plan gives the counting forms to counted loops alone.
 */

import { constant, emptyBlock, op } from '../format/instructions.ts';
import { valTypeBytes } from '../format/types.ts';
import type { ByteWriter } from '../format/writer.ts';
import type { MoveSink } from '../lines/line-marks.ts';
import type { HintSink } from './branch-hints.ts';
import type { ControlFlow } from './control-flow.ts';
import { setCertainRounds, setStop, writeEnding } from './counted-code.ts';
import { CounterCode } from './counter-code.ts';
import { editKind } from './edits.ts';
import type { HelperIndices } from './helpers.ts';
import { around, LoopPlan, roundsAtOnce } from './loop-plan.ts';
import { ahead, calls, check, head, landing } from './placement.ts';
import type { CodeScanner } from './scan-code.ts';

/**
 * Most gas between two checks, added up over the text of a function. No path through the text costs more, since loops
 * and calls check by themselves. The bound limits the unchecked work of a chain of returns.
 */
export const uncheckedMax = 256;

export interface EmitterOptions {
  readonly writer: ByteWriter;
  /** Bytes of the module as pushed. */
  readonly bytes: Uint8Array;
  readonly scanner: CodeScanner;
  readonly indices: HelperIndices;
  /** Receives the branches that are unlikely to be taken. */
  readonly hints: HintSink;
  /** Told how the code moves; null: nobody wants to know. */
  readonly moves: MoveSink | null;
}

export class BodyEmitter {
  readonly #writer: ByteWriter;
  readonly #bytes: Uint8Array;
  readonly #scanner: CodeScanner;
  readonly #flow: ControlFlow;
  readonly #indices: HelperIndices;
  readonly #moves: MoveSink | null;
  readonly #plan = new LoopPlan();
  readonly #counter: CounterCode;
  /** Index of the first added local, the counter's. Locals of counted loops come after it. */
  #local = 0;
  /** Offset in the writer at which the body begins, its size not included. */
  #bodyStart = 0;

  constructor({ writer, bytes, scanner, indices, hints, moves }: EmitterOptions) {
    this.#writer = writer;
    this.#bytes = bytes;
    this.#scanner = scanner;
    this.#flow = scanner.flow;
    this.#indices = indices;
    this.#moves = moves;
    this.#counter = new CounterCode({ writer, indices, hints });
  }

  /**
   * Writes the body that the scanner has just read and that ends at byte `end`, without its size. Returns its length in
   * bytes. Global `profileGlobal` also counts this function's gas; null: none does.
   */
  emit(end: number, profileGlobal: number | null): number {
    const writer = this.#writer;
    const { facts } = this.#scanner;
    const { placement, loops } = this.#flow;
    const bodyStart = writer.length;
    this.#bodyStart = bodyStart;
    this.#local = facts.locals;
    placement.solve();
    this.#plan.plan({ loops, placement, results: facts.results });
    this.#decideChecks();
    const { countsInLocal } = this.#plan;
    this.#counter.begin({ bodyStart, local: this.#local, countsInLocal, profileGlobal });
    this.#writeLocals();
    if (countsInLocal) {
      // Branches out of the function lead to the end of this block; after it the count is settled.
      const result = facts.results[0];
      writer.u8(op.block);
      writer.u8(result === undefined ? emptyBlock : valTypeBytes[result]);
    }
    this.#writeNodes(end);
    if (countsInLocal) {
      this.#counter.leave(loops.hasCalls(0));
      writer.u8(op.end);
    }
    return writer.length - bodyStart;
  }

  /** Flags nodes for checks, so that no more than `uncheckedMax` gas lies between two. */
  #decideChecks(): void {
    const { placement } = this.#flow;
    let unchecked = 0;
    for (let node = 0; node < placement.nodes; node++) {
      unchecked += placement.weight(node);
      // The head of a loop checks before it charges.
      if ((placement.flags(node) & head) !== 0) unchecked = placement.weight(node);
      else if (unchecked > uncheckedMax) placement.mark(node, check);
      if ((placement.flags(node) & (check | calls | landing)) !== 0) unchecked = 0;
    }
  }

  #writeLocals(): void {
    const writer = this.#writer;
    const { localGroups, localsStart, codeStart } = this.#scanner.facts;
    const added = this.#addedLocals();
    writer.u32(localGroups + (added > 0 ? 1 : 0));
    writer.raw(this.#bytes, localsStart, codeStart);
    if (added === 0) return;
    writer.u8(added);
    writer.u8(valTypeBytes.i32);
  }

  /** Returns the number of locals to add. */
  #addedLocals(): number {
    const { placement } = this.#flow;
    if (this.#plan.countsInLocal) return 1 + this.#plan.stopLocals;
    for (let node = 0; node < placement.nodes; node++)
      if ((placement.flags(node) & (check | calls | landing)) !== 0 && placement.charge(node) !== 0) return 1;
    return 0;
  }

  /**
   * Copies the instructions up to byte `end`. Writes each edit at its place and each charge at the beginning of its
   * node.
   */
  #writeNodes(end: number): void {
    const writer = this.#writer;
    const { facts } = this.#scanner;
    const { placement, edits } = this.#flow;
    let from = facts.codeStart;
    let edit = 0;
    for (let node = 0; node <= placement.nodes; node++) {
      const offset = node === placement.nodes ? end + 1 : placement.offset(node);
      for (; edit < edits.length && edits.offset(edit) < offset; edit++) {
        this.#copy(from, edits.offset(edit));
        from = edits.offset(edit) + edits.bytes(edit);
        this.#moves?.reached(edits.offset(edit), writer.length - this.#bodyStart);
        this.#edit(edit, node - 1);
      }
      if (node === placement.nodes) break;
      this.#copy(from, offset);
      from = offset;
      this.#moves?.reached(offset, writer.length - this.#bodyStart);
      this.#charge(node);
    }
    this.#copy(from, end);
  }

  #copy(from: number, to: number): void {
    this.#moves?.copied(from, to, this.#writer.length - this.#bodyStart);
    this.#writer.raw(this.#bytes, from, to);
  }

  /** Writes edit `edit`, which lies in `node`. */
  #edit(edit: number, node: number): void {
    const writer = this.#writer;
    const { edits } = this.#flow;
    const first = edits.first(edit);
    switch (edits.kind(edit)) {
      case editKind.index:
        writer.u32(first);
        break;
      case editKind.label:
        writer.u32(first + this.#plan.labelsBetween(edits.third(edit), edits.second(edit)));
        break;
      case editKind.beginLoop:
        this.#beginLoop(first, edits.offset(edit) + 1, edits.offset(edit) + edits.second(edit));
        break;
      case editKind.endLoop:
        if (this.#plan.around(first) === around.wrapper) this.#endWrapper(first);
        else if (this.#plan.around(first) === around.counting) writer.u8(op.end);
        break;
      case editKind.goAround:
        this.#goAround(first, edits.offset(edit), edits.bytes(edit));
        break;
      case editKind.return:
        if (this.#plan.countsInLocal)
          writer.instruction(op.br, first + this.#plan.labelsBetween(0, edits.second(edit)));
        else writer.u8(op.return);
        break;
      case editKind.unreachable:
        if (this.#plan.countsInLocal) this.#counter.settle();
        break;
      case editKind.throw:
        if (this.#plan.countsInLocal) {
          this.#counter.settle();
          this.#counter.clearCount();
        }
        break;
      case editKind.memoryBytes:
        this.#work(this.#indices.memoryBytes, node);
        break;
      case editKind.memoryGrow:
        this.#work(this.#indices.memoryGrow, node);
        break;
      case editKind.memorySize:
        writer.instruction(op.globalGet, this.#indices.reserve);
        writer.u8(op.i32Sub);
        break;
      case editKind.tableEntries:
        this.#work(this.#indices.tableEntries, node);
        break;
    }
  }

  /** Writes a call of the helper with index `helper`, which charges for the operand on the stack and checks. */
  #work(helper: number, node: number): void {
    if (this.#plan.countsInLocal) {
      this.#counter.settle();
      this.#counter.clearCount();
    }
    constant(this.#writer, this.#flow.placement.after(node));
    this.#writer.instruction(op.call, helper);
  }

  /** Writes the code before `loop`. Its block type is in bytes `start` to `end` of the module. */
  #beginLoop(loop: number, start: number, end: number): void {
    const writer = this.#writer;
    const what = this.#plan.around(loop);
    if (what === around.charge) this.#chargeAllRounds(loop);
    else if (what === around.counting) {
      writer.u8(op.loop);
      writer.raw(this.#bytes, start, end);
      this.#chargeCertainRounds(loop);
    } else if (what === around.wrapper) {
      writer.u8(op.block);
      writer.raw(this.#bytes, start, end);
      writer.u8(op.loop);
      writer.raw(this.#bytes, start, end);
      writer.instruction(op.block, emptyBlock);
    }
  }

  #endWrapper(loop: number): void {
    const writer = this.#writer;
    writer.instruction(op.br, 2);
    writer.u8(op.end);
    this.#counter.settleRun(this.#creditAtHead(loop));
    writer.instruction(op.br, 0);
    writer.u8(op.end);
    writer.u8(op.end);
  }

  /** Writes the charge for all rounds of a counted loop whose number of rounds is known. */
  #chargeAllRounds(loop: number): void {
    const { placement, loops } = this.#flow;
    const { node, rounds } = loops.counted(loop)!;
    const charge = placement.charge(node) * rounds!;
    if (charge !== 0) this.#counter.subtract(charge);
    this.#writer.instruction(op.localGet, this.#local);
    this.#counter.settleIfRun(this.#creditAtHead(loop));
    this.#counter.profile(charge);
  }

  /** Writes the charge for the certain rounds of a counted loop, and the local that holds their end. */
  #chargeCertainRounds(loop: number): void {
    const { placement, loops } = this.#flow;
    const counted = loops.counted(loop)!;
    const stop = this.#stop(loop);
    setCertainRounds(this.#writer, counted, stop, roundsAtOnce(loop, this.#flow));
    this.#counter.chargeRounds(placement.charge(counted.node), stop, this.#creditAtHead(loop));
    setStop(this.#writer, counted, stop);
  }

  /** Writes the end of a round of `loop`, which is `bytes` bytes at `offset` in the module. */
  #goAround(loop: number, offset: number, bytes: number): void {
    if (this.#plan.around(loop) === around.counting)
      writeEnding(this.#writer, this.#flow.loops.counted(loop)!, this.#stop(loop));
    else this.#writer.raw(this.#bytes, offset, offset + bytes);
  }

  /** Returns the index of the local that holds the end of a counted loop's certain rounds. */
  #stop(loop: number): number {
    return this.#local + this.#plan.stopLocal(loop);
  }

  #creditAtHead(loop: number): number {
    const { placement, loops } = this.#flow;
    return placement.before(loops.head(loop));
  }

  /** Writes the charge and the check at the beginning of `node`. */
  #charge(node: number): void {
    const { placement } = this.#flow;
    const counter = this.#counter;
    const flags = placement.flags(node);
    // The gas of every round of a counted loop has been charged before the loop.
    const charge = (flags & ahead) === 0 ? placement.charge(node) : 0;
    if ((flags & (calls | landing)) !== 0) counter.chargeGlobal(charge, placement.after(node));
    else if ((flags & check) !== 0) counter.chargeAndCheck(charge, placement.after(node));
    else {
      // From here, label 1 is the wrapper's innermost block.
      if ((flags & head) !== 0 && this.#plan.around(placement.loop(node)) === around.wrapper) counter.branchIfRun(1);
      if (charge !== 0) counter.subtract(charge);
    }
    counter.profile(charge);
  }
}

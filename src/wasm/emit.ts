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
 * A nest of loops without any call is tight: nobody looks at the global meanwhile. What it uses is
 * counted in a local, from 0 downwards; the heads compare that with `-runGas`, and where it is reached
 * the run is settled with the global and the next one begun. Whatever leaves the nest settles it too.
 * So the global is exact wherever a call, a return or `unreachable` can show it, runs end at the same
 * places on every host, and the loop itself has neither load nor store for the meter. (An instruction
 * that may leave or stay, a br_table or a br_if with values, could not settle only where it leaves.)
 *
 * A counted loop (counted-loops.ts) knows of many rounds beforehand that it will go them. What every
 * round costs, the charge of the node that goes back, is charged at once for as many rounds as have
 * `runGas` instructions at most, and the check made once:
 *
 *     loop
 *       $stop = the rounds that are certain, 1 to runGas / 7
 *       left -= $stop * 7, and a check
 *       $stop = $i + $stop * 4
 *       loop                              ;; the guest's
 *         ...
 *         br_if 0 ((local.tee $i ($i + 4)) != $stop)
 *         br_if 1 ($i < $n)
 *       end
 *     end
 *
 * The branch hints (sections/branch-hints.ts) move the slow paths out of line.
 */
import { type CountedLoop, compares, type Operand } from './counted-loops.ts';
import type { HelperIndices } from './helpers.ts';
import { ahead, check, checkRun, counting, head, type Placement } from './placement.ts';
import { type CodeScanner, editFields, editKind } from './scan-code.ts';
import type { ByteWriter } from './writer.ts';

/**
 * Instructions without a check between, counted over the text of a function, which no path through it
 * exceeds: loops and calls check by themselves. Bounds the work that a chain of returns can do unseen.
 */
export const uncheckedMax = 256;

/**
 * What a tight nest counts by itself at a time, and a counted loop pays ahead. A trap inside leaves the
 * global off by less; a limit that is reached inside strikes at the end of the run.
 */
export const runGas = 4096;
/** Fewest rounds that a counted loop may go at a time; with less there is nothing to gain. */
const roundsMin = 8;
/** Most counted loops in one another, from the innermost outwards: each needs a local (caps.ts). */
const countingMax = 3;

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
  select: 0x1b,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivU: 0x6e,
  i32And: 0x71,
  i32Or: 0x72,
  i64Add: 0x7c,
  i64Mul: 0x7e,
  i64ExtendI32U: 0xad,
} as const;
const emptyBlock = 0x40;
const i32 = 0x7f;
/** What stands around a guest's loop. */
const around = { nothing: 0, wrapper: 1, counting: 2 } as const;
/** Labels that this adds. */
const labelsAround = [0, 3, 1] as const;

export class BodyEmitter {
  readonly #writer: ByteWriter;
  readonly #bytes: Uint8Array;
  readonly #scanner: CodeScanner;
  /** By loop: what stands around it, and how many labels that adds from the outermost loop to this one. */
  #around = new Uint8Array(64);
  #added = new Int32Array(64);
  /** By loop: how many counted loops are at most in one another, from this one inwards. */
  #heights = new Uint8Array(64);
  /** By loop: 1 for the loops of tight nests. */
  #tight = new Uint8Array(64);
  readonly #indices: HelperIndices;
  readonly #hints: HintSink;
  #profileGlobal: number | null = null;
  #bodyStart = 0;
  /**
   * The index of the first local that the meter adds: the counter of a tight nest, elsewhere a copy of
   * the global's. Those behind are the counted loops'.
   */
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
    const { loops, loopParents, loopChecks, loopCalls, loopMaybes, loopHeads, counted, placement } = this.#scanner;
    if (loops >= this.#added.length) {
      this.#around = new Uint8Array(loops * 2);
      this.#added = new Int32Array(loops * 2);
      this.#heights = new Uint8Array(loops * 2);
      this.#tight = new Uint8Array(loops * 2);
    }
    this.#added[0] = 0;
    this.#tight[0] = 0;
    this.#heights.fill(0, 0, loops + 1);
    // Inner loops have higher numbers.
    for (let loop = loops; loop > 0; loop--) {
      this.#around[loop] = this.#whatAround(loop);
      const parent = loopParents[loop]!;
      this.#heights[parent] = Math.max(this.#heights[parent]!, this.#heights[loop]!);
    }
    for (let loop = 1; loop <= loops; loop++) {
      const parent = loopParents[loop]!;
      const what = this.#around[loop]! as 0 | 1 | 2;
      this.#added[loop] = this.#added[parent]! + labelsAround[what];
      // One node charged in front needs no counter of its own.
      const counts =
        what === around.wrapper || (what === around.counting && counted.get(loop)!.node !== loopHeads[loop]);
      const isNest = counts && loopCalls[loop] === 0 && loopMaybes[loop]! >= loop;
      this.#tight[loop] = isNest || this.#tight[parent] === 1 ? 1 : 0;
      if (loopChecks[loop] !== 1) continue;
      if (what === around.nothing) placement.flags[-1 - loopHeads[loop]!]! |= check;
      else if (what === around.wrapper) placement.flags[loopHeads[loop]!]! |= head;
      else {
        placement.flags[loopHeads[loop]!]! |= counting;
        placement.flags[counted.get(loop)!.node]! |= ahead;
      }
    }
  }

  /** Decides what stands around a loop; of those inside it has been decided. */
  #whatAround(loop: number): 0 | 1 | 2 {
    const { loopChecks, loopHeads, loopBacks, counted } = this.#scanner;
    // A negative head has parameters: a branch to what stands around would need them.
    if (loopChecks[loop] !== 1 || loopHeads[loop]! < 0) return around.nothing;
    if (!counted.has(loop) || loopBacks[loop] !== 1) return around.wrapper;
    if (this.#heights[loop] === countingMax || this.#roundsAtOnce(loop) < roundsMin) return around.wrapper;
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
      if (weight * roundsMin > runGas || (node !== last && placement.charges[node]! < 0)) return 0;
    }
    return Math.floor(runGas / weight);
  }

  /** Adds a check wherever `uncheckedMax` or `uncheckedRuns` would be exceeded. */
  #decideChecks(): void {
    const { placement } = this.#scanner;
    let unchecked = 0;
    let runs = 0;
    for (let node = 0; node < placement.nodes; node++) {
      const weight = placement.weights[node]!;
      unchecked += weight;
      // The head of a loop with something around checks in any case, before it charges.
      const isHead = (placement.flags[node]! & (head | counting)) !== 0;
      if (unchecked > uncheckedMax && !isHead) placement.flags[node]! |= check;
      const flags = placement.flags[node]!;
      const loop = placement.loops[node]!;
      const tight = this.#tight[loop] === 1;
      if (this.#isNest(loop) && isHead && ++runs > uncheckedRuns) {
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
    const counting = this.#heights[0]!;
    if (counting > 0) return 1 + counting;
    for (let loop = 1; loop <= loops; loop++) if (this.#tight[loop] === 1) return 1;
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
        writer.u32(value + this.#added[edits[at + 4]!]! - this.#added[edits[at + 5]!]!);
        break;
      case editKind.wrapLoop:
        if (this.#around[value] === around.wrapper)
          this.#beginWrapper(value, edits[at]! + 1, edits[at]! + edits[at + 4]!);
        else if (this.#around[value] === around.counting)
          this.#beginCounting(value, edits[at]! + 1, edits[at]! + edits[at + 4]!);
        break;
      case editKind.endLoop:
        if (this.#around[value] === around.wrapper) this.#endWrapper(value);
        else if (this.#around[value] === around.counting) this.#endCounting(value);
        break;
      case editKind.goAround:
        if (this.#around[value] === around.counting) this.#goAround(value);
        else writer.raw(this.#bytes, edits[at]!, edits[at]! + edits[at + 1]!);
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
    this.#put(op.globalGet, this.#indices.left);
    this.#put(op.localGet, this.#local);
    this.#writer.u8(op.i32Add);
    this.#put(op.globalSet, this.#indices.left);
  }

  #leaveIf(label: number, from: number, to: number): void {
    const out = label + this.#added[from]! - this.#added[to]!;
    if (this.#tight[from] !== 1 || this.#tight[to] === 1) {
      this.#put(op.brIf, out);
      return;
    }
    this.#put(op.if, emptyBlock);
    this.#leave(from, to);
    this.#put(op.br, out + 1);
    this.#writer.u8(op.end);
  }

  /** Whether `loop` is the outermost of a tight nest. */
  #isNest(loop: number): boolean {
    return this.#tight[loop] === 1 && this.#tight[this.#scanner.loopParents[loop]!] === 0;
  }

  /** The loop's block type stands from `start` to `end`. */
  #beginWrapper(loop: number, start: number, end: number): void {
    const writer = this.#writer;
    if (this.#isNest(loop)) this.#beginNest(loop);
    writer.u8(op.block);
    writer.raw(this.#bytes, start, end);
    writer.u8(op.loop);
    writer.raw(this.#bytes, start, end);
    this.#put(op.block, emptyBlock);
  }

  #beginNest(loop: number): void {
    const { placement, loopHeads } = this.#scanner;
    const node = loopHeads[loop]!;
    if ((placement.flags[node]! & checkRun) !== 0) {
      this.#counter(false, false);
      this.#slowIfNegative(false, placement.before[node]!);
    }
    this.#constant(0);
    this.#put(op.localSet, this.#local);
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

  /** In a tight nest, where a run is used up. */
  #settle(credit: number): void {
    this.#put(op.localGet, this.#local);
    this.#constant(credit);
    this.#put(op.call, this.#indices.settle);
    this.#put(op.localSet, this.#local);
  }

  /** In front of a counted loop: charges the rounds that are certain, and notes where they end. */
  #beginCounting(loop: number, start: number, end: number): void {
    const writer = this.#writer;
    const { placement, loopHeads, counted } = this.#scanner;
    const { local, node, step, up } = counted.get(loop)!;
    const charge = placement.charges[node]!;
    const tight = this.#tight[loop] === 1;
    const stop = this.#stop(loop);
    if (this.#isNest(loop)) this.#beginNest(loop);
    writer.u8(op.loop);
    writer.raw(this.#bytes, start, end);
    this.#certainRounds(loop);
    this.#put(op.localSet, stop);
    this.#counter(tight, false);
    if (charge !== 0) {
      this.#put(op.localGet, stop);
      this.#constant(charge);
      writer.u8(op.i32Mul);
      writer.u8(op.i32Sub);
      this.#put(op.localTee, this.#local);
      if (!tight) {
        this.#put(op.globalSet, this.#indices.left);
        this.#put(op.localGet, this.#local);
      }
    }
    this.#slowIfNegative(tight, placement.before[loopHeads[loop]!]!);
    if (this.#profileGlobal !== null && charge !== 0) {
      this.#put(op.globalGet, this.#profileGlobal);
      this.#put(op.localGet, stop);
      writer.u8(op.i64ExtendI32U);
      writer.u8(op.i64Const);
      writer.s32(charge);
      writer.u8(op.i64Mul);
      writer.u8(op.i64Add);
      this.#put(op.globalSet, this.#profileGlobal);
    }
    this.#put(op.localGet, local);
    this.#put(op.localGet, stop);
    if (!('constant' in step && step.constant === 1)) {
      this.#operand(step);
      writer.u8(op.i32Mul);
    }
    writer.u8(up ? op.i32Add : op.i32Sub);
    this.#put(op.localSet, stop);
  }

  #endCounting(loop: number): void {
    this.#leave(loop, this.#scanner.loopParents[loop]!);
    this.#writer.u8(op.end);
  }

  /** The local that a counted loop compares with. */
  #stop(loop: number): number {
    return this.#local + this.#heights[loop]!;
  }

  /**
   * Puts a number of rounds from 1 to #roundsAtOnce on the stack that the loop will go, traps aside: the
   * bound is not reached before the last of them. With i the local, n the bound and d the step, both taken as
   * unsigned numbers, `i < n` still holds after k rounds if k * d <= n - 1 - i, which is no overflow since
   * i < n; so floor((n - 1 - i) / d) + 1 rounds are certain. `i != n` holds as long, whatever i is; for
   * `<=` it is n - i, and downwards with the roles of i and n exchanged.
   */
  #certainRounds(loop: number): void {
    const writer = this.#writer;
    const { local, step, up, compare, bound } = this.#scanner.counted.get(loop)!;
    const most = this.#roundsAtOnce(loop);
    const rounds = this.#stop(loop);
    const counter: Operand = { local };
    this.#operand(up ? bound : counter);
    this.#operand(up ? counter : bound);
    writer.u8(op.i32Sub);
    if (!includesEqual(compare)) {
      this.#constant(1);
      writer.u8(op.i32Sub);
    }
    if ('local' in step) {
      // A step of 0 is divided by as 1, and selected against below.
      this.#operand(step);
      this.#operand(step);
      writer.u8(op.i32Eqz);
      writer.u8(op.i32Or);
      writer.u8(op.i32DivU);
    } else if (step.constant !== 1) {
      this.#operand(step);
      writer.u8(op.i32DivU);
    }
    this.#put(op.localTee, rounds);
    this.#constant(most - 1);
    this.#put(op.localGet, rounds);
    this.#constant(most - 1);
    writer.u8(op.i32LtU);
    writer.u8(op.select);
    const guarded = compare !== compares.ne;
    if (guarded || 'local' in step) {
      this.#constant(0);
      if (guarded) this.#compare({ local, compare, bound });
      if ('local' in step) {
        this.#constant(0);
        this.#operand(step);
        writer.u8(op.i32Ne);
        if (guarded) writer.u8(op.i32And);
      }
      writer.u8(op.select);
    }
    this.#constant(1);
    writer.u8(op.i32Add);
  }

  /** Ends a round of a counted loop: the next one, or the next certain ones, or none. */
  #goAround(loop: number): void {
    const writer = this.#writer;
    const { local, step, up, compare, bound, stepsThere } = this.#scanner.counted.get(loop)!;
    this.#put(op.localGet, local);
    if (stepsThere) {
      this.#operand(step);
      writer.u8(up ? op.i32Add : op.i32Sub);
      this.#put(op.localTee, local);
    }
    this.#put(op.localGet, this.#stop(loop));
    writer.u8(op.i32Ne);
    this.#put(op.brIf, 0);
    this.#compare({ local, compare, bound });
    this.#put(op.brIf, 1);
  }

  #compare({ local, compare, bound }: Pick<CountedLoop, 'local' | 'compare' | 'bound'>): void {
    this.#put(op.localGet, local);
    this.#operand(bound);
    this.#writer.u8(compare);
  }

  #operand(operand: Operand): void {
    if ('local' in operand) this.#put(op.localGet, operand.local);
    else this.#constant(operand.constant | 0);
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
    this.#constant(tight ? -runGas : -credit);
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
    // What every round of a counted loop costs has been charged in front of it.
    const charge = (placement.flags[node]! & ahead) === 0 ? placement.charges[node]! : 0;
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

function includesEqual(compare: number): boolean {
  return compare === compares.leS || compare === compares.leU || compare === compares.geS || compare === compares.geU;
}

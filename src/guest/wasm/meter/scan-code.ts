/**
 * One pass over a function body (core specification, 5.4 and 5.5.13): checks layout, nesting and
 * every index against what the module declares, so that code can never name what rewriting adds;
 * splits it into nodes for the placement of charges; notes what must be edited. Operand types are
 * not checked here: rewriteModule has the engine validate the original.
 */
import type { ValType } from '../../../protocol/module.ts';
import { refusedOpcodes, refusedPrefixed } from '../format/features.ts';
import { op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import {
  bulk,
  firstSignExtension,
  lastSignExtension,
  oneByteDeltas,
  oneByteShapes,
  shape,
  simdDeltas,
  simdShapes,
} from '../format/opcodes.ts';
import { ByteReader } from '../format/reader.ts';
import { RefusedHere, readHeapType, readValType } from '../format/types.ts';
import {
  type CountedLoop,
  CountedLoopFinder,
  type Found,
  type LoopOffsets,
  recentMax,
  type Test,
} from './counted-loops.ts';
import { exact, firstHeat, grown, heatOfBranch, heatOfLoop, Placement } from './placement.ts';

/** What an edit does; the emitter knows the indices of the helpers. */
export const editKind = {
  index: 0,
  label: 1,
  beginLoop: 2,
  endLoop: 3,
  goAround: 4,
  return: 5,
  unreachable: 6,
  memoryBytes: 7,
  memoryGrow: 8,
  tableEntries: 9,
} as const;
/**
 * An edit: offset, bytes it replaces, what to do, and three values.
 *
 *     index         the new index, -, -
 *     label         the label, innermost loop at the branch, innermost loop at the label
 *     beginLoop     the loop, bytes of the loop instruction, -
 *     endLoop       the loop, -, -
 *     goAround      the loop, -, -; what ends the round of what may be a counted loop
 *     return        the label of the function, innermost loop here, -
 *     unreachable   -, -, -; the instruction stands behind
 *     others        call this helper
 */
export const editFields = 6;

/** What changes state in an instance besides memory and globals (protocol/module.ts). */
export interface Mutations {
  table: boolean;
  segments: boolean;
}

const frame = { block: 0, loop: 1, if: 2, else: 3, function: 4 } as const;
/** No branch goes to this label yet. */
const noClass = -1;
/** No loop: no place on the control stack is as high. */
const nowhere = 0x7fff_ffff;
/** Calls in one node, which checks only at its beginning: bounds what small callees can do between checks. */
const callsPerNodeMax = 8;

export class CodeScanner {
  readonly placement = new Placement();
  edits = new Int32Array(256);
  editsLength = 0;
  /** Of the last function: */
  localGroups = 0;
  /** Where the groups of locals begin (behind their number) and end: the instructions begin there. */
  localsStart = 0;
  codeStart = 0;
  /** Parameters and declared locals. */
  locals = 0;
  results: readonly ValType[] = [];
  operandDepth = 0;
  branches = 0;
  /** Loops of the function are numbered from 1. By loop: the loop around it, 0 for none. */
  loopParents = new Int32Array(64);
  /** By loop: 1 where its head must check. */
  loopChecks = new Int32Array(64);
  /** By loop: 1 where code in it calls something; 0 stands for the function. */
  loopCalls = new Int32Array(64);
  /** By loop: the node of its head. */
  loopHeads = new Int32Array(64);
  /** By loop: branches back to its head. */
  loopBacks = new Int32Array(64);
  /** By loop: the outermost of the innermost loops where instructions in it go; 0 also for what leaves the function. */
  loopExits = new Int32Array(64);
  /** By loop: how it counts, where it does and is a counted loop if no other branch goes back to it. */
  readonly counted = new Map<number, CountedLoop>();
  /** By loop: byte offset of the first instruction in it. */
  loopStarts = new Int32Array(64);
  loops = 0;
  readonly mutates: Mutations = { table: false, segments: false };
  /** By function: the credit on the way in (entry-credits.ts). */
  entries: Uint16Array;
  readonly #finder: CountedLoopFinder;
  /** By loop: the last if in it itself, if that compares what may be counted. */
  readonly #tests = new Map<number, Test>();
  readonly #module: Module;
  readonly #reader: ByteReader;
  readonly #importedFunctions: number;
  readonly #paramCounts: Int32Array;
  readonly #resultCounts: Int32Array;
  // The control stack; label classes: where the credit of branches to a label is kept.
  #kinds = new Int32Array(64);
  #labelClasses = new Int32Array(64);
  /** For an if, the class of its false edge. */
  #falseClasses = new Int32Array(64);
  /** The least `clean` (see #readInstructions) of the branches to a label, and of an if's false edge. */
  #labelCleans = new Int32Array(64);
  #falseCleans = new Int32Array(64);
  #bases = new Int32Array(64);
  #results = new Int32Array(64);

  /** The heat around each frame's block. */
  #heats = new Int32Array(64);
  /** The outermost place on the stack that branches inside of each frame's block go to. */
  #targets = new Int32Array(64);
  /** The innermost loop inside of each frame's block, 0 for none. */
  #loopsOf = new Int32Array(64);
  #depth = 0;

  constructor(module: Module) {
    this.#module = module;
    this.#reader = new ByteReader(module.bytes, module.subject);
    this.#finder = new CountedLoopFinder(module.bytes);
    this.entries = new Uint16Array(module.functionTypes.length);
    this.#importedFunctions = module.functionImports.length;
    this.#paramCounts = Int32Array.from(module.types, (type) => type.params.length);
    this.#resultCounts = Int32Array.from(module.types, (type) => type.results.length);
  }

  /**
   * Reads the body of function `index` (imports included) from `start` to `end`. True when it can be
   * rewritten; false when it uses a refused feature, which is then noted in module.refused.
   */
  scan(index: number, start: number, end: number): boolean {
    const reader = this.#reader;
    const known = this.#module.refused.length;
    this.editsLength = 0;
    this.loops = 0;
    this.loopCalls[0] = 0;
    if (this.counted.size > 0) this.counted.clear();
    if (this.#tests.size > 0) this.#tests.clear();
    reader.pos = start;
    reader.end = end;
    try {
      this.#readLocals(index);
      this.#readInstructions(index, end);
      return true;
    } catch (error) {
      if (!(error instanceof RefusedHere)) throw error;
      for (let at = known; at < this.#module.refused.length; at++)
        this.#module.refused[at] = { ...this.#module.refused[at]!, functionIndex: index };
      return false;
    }
  }

  #readLocals(index: number): void {
    const reader = this.#reader;
    const groups = reader.count('groups of locals', 2);
    this.localsStart = reader.pos;
    const type = this.#module.functionTypes[index]!;
    let locals = this.#paramCounts[type]!;
    for (let group = 0; group < groups; group++) {
      const offset = reader.pos;
      locals += reader.u32('number of locals');
      if (locals > 0xffff_ffff) reader.fail('too many locals', offset);
      readValType(reader, this.#module);
    }
    this.localGroups = groups;
    this.locals = locals;
    this.results = this.#module.types[type]!.results;
    this.codeStart = reader.pos;
  }

  #refuse(use: { feature: Module['refused'][number]['feature']; what: string }, offset: number): never {
    this.#module.refused.push({ ...use, offset, functionIndex: null });
    throw new RefusedHere();
  }

  /** A helper is called at `offset`, in place of `length` bytes. */
  #work(offset: number, length: number, kind: number): void {
    this.#edit(offset, length, kind);
    this.loopCalls[this.#loop] = 1;
  }

  #edit(offset: number, length: number, kind: number, first = 0, second = 0, third = 0): void {
    if (this.editsLength + editFields > this.edits.length) this.edits = grown(this.edits);
    const at = this.editsLength;
    this.edits[at] = offset;
    this.edits[at + 1] = length;
    this.edits[at + 2] = kind;
    this.edits[at + 3] = first;
    this.edits[at + 4] = second;
    this.edits[at + 5] = third;
    this.editsLength = at + editFields;
  }

  #push(kind: number, labelClass: number, falseClass: number, heat: number, base: number, type: number): void {
    if (this.#depth === this.#kinds.length) {
      this.#kinds = grown(this.#kinds);
      this.#labelClasses = grown(this.#labelClasses);
      this.#falseClasses = grown(this.#falseClasses);
      this.#labelCleans = grown(this.#labelCleans);
      this.#falseCleans = grown(this.#falseCleans);
      this.#heats = grown(this.#heats);
      this.#targets = grown(this.#targets);
      this.#loopsOf = grown(this.#loopsOf);
      this.#bases = grown(this.#bases);
      this.#results = grown(this.#results);
    }
    const at = this.#depth++;
    this.#kinds[at] = kind;
    this.#labelClasses[at] = labelClass;
    this.#falseClasses[at] = falseClass;
    this.#labelCleans[at] = nowhere;
    this.#heats[at] = heat;
    this.#targets[at] = at;
    this.#loopsOf[at] = at === 0 ? 0 : this.#loopsOf[at - 1]!;
    this.#bases[at] = base;
    this.#results[at] = type & 0xffff;
  }

  /** The innermost loop here, 0 for none. */
  get #loop(): number {
    return this.#loopsOf[this.#depth - 1]!;
  }

  #call(): void {
    this.placement.call();
    this.loopCalls[this.#loop] = 1;
  }

  #newLoop(): number {
    const loop = ++this.loops;
    if (loop === this.loopParents.length) {
      this.loopParents = grown(this.loopParents);
      this.loopChecks = grown(this.loopChecks);
      this.loopCalls = grown(this.loopCalls);
      this.loopHeads = grown(this.loopHeads);
      this.loopBacks = grown(this.loopBacks);
      this.loopExits = grown(this.loopExits);
      this.loopStarts = grown(this.loopStarts);
    }
    this.loopParents[loop] = this.#loop;
    this.loopChecks[loop] = 0;
    this.loopCalls[loop] = 0;
    this.loopHeads[loop] = this.placement.nodes;
    this.loopBacks[loop] = 0;
    this.loopExits[loop] = loop;
    this.loopStarts[loop] = this.#reader.pos;
    return loop;
  }

  /** An index that must be below `limit`; reader.pos is behind it afterwards. */
  #index(what: string, limit: number): number {
    const reader = this.#reader;
    const offset = reader.pos;
    const value = reader.u32(what);
    if (value >= limit) reader.fail(`${what} ${value} out of range (${limit} exist)`, offset);
    return value;
  }

  /** Reads a label; returns its place on the control stack. */
  #label(): number {
    return this.#depth - 1 - this.#index('label', this.#depth);
  }

  /** What stands in `loop` goes to where `to` is the innermost loop. */
  #exit(loop: number, to: number): void {
    if (to < this.loopExits[loop]!) this.loopExits[loop] = to;
  }

  /** The label read from `offset` on, for place `at`, may lead out of loops. */
  #relabel(offset: number, at: number): void {
    const to = this.#loopsOf[at]!;
    if (this.#loop === to) return;
    this.#edit(offset, this.#reader.pos - offset, editKind.label, this.#depth - 1 - at, this.#loop, to);
  }

  /** Reads the label of a br or br_if, which may lead out of loops; returns its place on the control stack. */
  #labelOfBranch(): number {
    const offset = this.#reader.pos;
    const at = this.#label();
    this.#relabel(offset, at);
    return at;
  }

  /**
   * Notes an edge of class `from` to a label; `clean` as in #readInstructions. An edge back to the
   * head of a loop that has made no call since closes a circle in which nothing checks: the head must.
   */
  #branch(at: number, from: number, clean: number): void {
    const { placement } = this;
    const known = this.#labelClasses[at]!;
    if (known !== noClass) placement.join(known, from);
    else this.#labelClasses[at] = from;
    this.#exit(this.#loop, this.#loopsOf[at]!);
    this.#target(this.#depth - 1, at);
    if (this.#kinds[at] !== frame.loop) {
      this.#labelCleans[at] = Math.min(this.#labelCleans[at]!, clean);
      return;
    }
    const loop = this.#loopsOf[at]!;
    this.loopBacks[loop]!++;
    if (clean <= at) this.loopChecks[loop] = 1;
  }

  /** A br_if that has just been read in the innermost loop itself goes back to its head. */
  #goAround(): void {
    const at = this.#mayCount();
    const found = at === null ? null : this.#finder.find(at);
    if (found === null || found.ending === null) return;
    this.#count(found);
    const { start } = found.ending;
    this.#edit(start, this.#reader.pos - start, editKind.goAround, this.#loop);
  }

  /** A br that has just been read in the arm of an if of the innermost loop itself goes back to its head. */
  #goAroundTested(): void {
    const test = this.#tests.get(this.#loop) ?? null;
    const at = test === null ? null : this.#mayCount();
    const found = at === null || test === null ? null : this.#finder.findTested(at, test);
    if (found !== null) this.#count(found);
  }

  #count(found: Found): void {
    this.counted.set(this.#loop, { ...found, node: this.placement.nodes - 1 });
    this.placement.payAhead();
  }

  /** An if that has just been read stands in the innermost loop itself. */
  #test(): void {
    const test = this.#finder.test(this.placement.offsets[this.placement.nodes - 1]!);
    if (test === null) this.#tests.delete(this.#loop);
    else this.#tests.set(this.#loop, test);
  }

  /** Only what is left in one place has a certain number of rounds, and whom it calls sees the counter. */
  #mayCount(): LoopOffsets | null {
    const loop = this.#loop;
    const headNode = this.loopHeads[loop]!;
    if (this.loopCalls[loop] === 1 || this.loopExits[loop]! < loop || this.loopBacks[loop]! > 0 || headNode < 0)
      return null;
    const { offsets, nodes } = this.placement;
    return { loop: this.loopStarts[loop]!, entry: offsets[headNode - 1]!, node: offsets[nodes - 1]! };
  }

  #target(from: number, at: number): void {
    if (at < this.#targets[from]!) this.#targets[from] = at;
  }

  /**
   * The heat behind an if at place `at` whose arm does not get there: that of the code around, unless the
   * arm goes on elsewhere in it and is as likely.
   */
  #heatWithout(at: number): number {
    const heat = this.#heats[at]!;
    const target = this.#targets[at]!;
    return target < at && this.#heatAt(target) >= heat ? heatOfBranch(heat) : heat;
  }

  /** How often control can go to a label at most: outside of the label's block for what goes behind it. */
  #heatAt(at: number): number {
    return this.#kinds[at] === frame.loop ? heatOfLoop(this.#heats[at]!) : this.#heats[at]!;
  }

  /** Reads a block type; returns parameters and results packed as params * 65536 + results. */
  #blockType(): number {
    const reader = this.#reader;
    const offset = reader.pos;
    const byte = reader.bytes[offset];
    if (byte === 0x40) {
      reader.pos++;
      return 0;
    }
    if (byte !== undefined && byte >= 0x40 && byte < 0x80) {
      readValType(reader, this.#module);
      return 1;
    }
    const type = reader.s33('block type');
    if (type < 0) reader.fail('invalid block type', offset);
    if (type >= this.#paramCounts.length)
      reader.fail(`type index ${type} out of range (${this.#paramCounts.length} types)`, offset);
    this.#module.features.add('multi-value');
    return this.#paramCounts[type]! * 65_536 + this.#resultCounts[type]!;
  }

  #readInstructions(functionIndex: number, end: number): void {
    const module = this.#module;
    const reader = this.#reader;
    const bytes = module.bytes;
    const placement = this.placement;
    const finder = this.#finder;
    const { recent } = finder;
    let seen = 0;
    const { features } = module;
    const functions = module.functionTypes.length;
    let height = 0;
    let maxHeight = 0;
    let branches = 0;
    let weight = 0;
    let reachable = true;
    let signExtension = false;
    /** Calls in the current node. */
    let calls = 0;
    /** The outermost loop, by its place on the control stack, from whose head a path without a call leads here. */
    let clean = nowhere;
    let heat = firstHeat;

    placement.reset();
    placement.begin(reader.pos, placement.enter(this.entries[functionIndex]!), 0);
    this.#finder.begin(this.locals, reader.pos);
    this.#depth = 0;
    this.#push(frame.function, exact, noClass, heat, 0, 0);

    while (this.#depth > 0) {
      const offset = reader.pos;
      if (offset >= end) reader.fail('function body ends without its end instruction', end);
      const opcode = bytes[offset]!;
      reader.pos = offset + 1;
      recent[seen++ & (recentMax - 1)] = offset;
      height += oneByteDeltas[opcode]!;
      if (reachable) weight++;
      switch (oneByteShapes[opcode]) {
        case shape.plain:
          if (opcode >= firstSignExtension && opcode <= lastSignExtension) signExtension = true;
          break;
        case shape.local: {
          const byte = bytes[offset + 1]!;
          if (byte < 0x80 && byte < this.locals) reader.pos = offset + 2;
          else this.#index('local index', this.locals);
          if (opcode !== op.localGet) {
            finder.seen = seen;
            finder.assign();
          }
          break;
        }
        case shape.i32:
          if (bytes[offset + 1]! < 0x80) reader.pos = offset + 2;
          else reader.skipSigned(32, 'i32.const');
          break;
        case shape.memoryArgument:
          if (bytes[offset + 1]! < 0x40 && bytes[offset + 2]! < 0x80) reader.pos = offset + 3;
          else this.#memoryArgument();
          break;
        case shape.globalGet:
        case shape.globalSet:
          this.#index('global index', module.globals.length);
          break;
        case shape.block: {
          const type = this.#blockType();
          this.#push(frame.block, noClass, noClass, heat, height - (type >>> 16), type);
          break;
        }
        case shape.loop: {
          const type = this.#blockType();
          const into = placement.newClass();
          const loop = this.#newLoop();
          this.#push(frame.loop, into, noClass, heat, height - (type >>> 16), type);
          this.#loopsOf[this.#depth - 1] = loop;
          if (!reachable) break;
          // A loop with parameters cannot be wrapped: a branch to the wrapper would need them.
          if (type >>> 16 === 0) this.#edit(offset, 0, editKind.beginLoop, loop, reader.pos - offset);
          else this.loopHeads[loop] = -1 - placement.nodes;
          placement.join(placement.end(weight, heat), into);
          placement.begin(reader.pos, into, this.#loop);
          heat = heatOfLoop(heat);
          clean = Math.min(clean, this.#depth - 1);
          weight = 0;
          calls = 0;
          break;
        }
        case shape.if: {
          branches++;
          const type = this.#blockType();
          if (reachable && this.#kinds[this.#depth - 1] === frame.loop) {
            finder.seen = seen;
            this.#test();
          }
          const out = reachable ? placement.end(weight, heat) : noClass;
          this.#push(frame.if, noClass, out, heat, height - (type >>> 16), type);
          this.#falseCleans[this.#depth - 1] = clean;
          if (!reachable) break;
          placement.begin(reader.pos, out, this.#loop);
          heat = heatOfBranch(heat);
          weight = 0;
          calls = 0;
          break;
        }
        case shape.else: {
          const at = this.#depth - 1;
          if (this.#kinds[at] !== frame.if) reader.fail('else without an if', offset);
          const falls = reachable || this.#labelClasses[at] !== noClass;
          if (reachable) this.#branch(at, placement.end(weight, heat), clean);
          this.#kinds[at] = frame.else;
          // An if in dead code has no false edge, and its else is dead as well.
          reachable = this.#falseClasses[at] !== noClass;
          if (reachable) placement.begin(reader.pos, this.#falseClasses[at]!, this.#loop);
          heat = falls ? heatOfBranch(this.#heats[at]!) : this.#heatWithout(at);
          clean = this.#falseCleans[at]!;
          weight = 0;
          calls = 0;
          height = this.#bases[at]!;
          break;
        }
        case shape.end: {
          const at = --this.#depth;
          const kind = this.#kinds[at];
          height = this.#bases[at]! + this.#results[at]!;
          if (kind === frame.function) {
            if (reachable) placement.endExact(weight, heat);
            break;
          }
          this.#target(at - 1, this.#targets[at]!);
          if (kind === frame.loop) {
            if (clean >= at) clean = nowhere;
            heat = this.#heats[at]!;
            const loop = this.#loopsOf[at]!;
            const parent = this.loopParents[loop]!;
            this.loopCalls[parent]! |= this.loopCalls[loop]!;
            this.#exit(parent, this.loopExits[loop]!);
            if (this.loopCalls[loop] === 1 && this.loopHeads[loop]! > 0) placement.cool(this.loopHeads[loop]! - 1);
            this.#edit(reader.pos, 0, editKind.endLoop, loop);
            break;
          }
          const falls = kind !== frame.if || reachable || this.#labelClasses[at] !== noClass;
          // Without an else, the false edge goes where the branches go: behind the end.
          if (kind === frame.if && this.#falseClasses[at] !== noClass)
            this.#branch(at, this.#falseClasses[at]!, this.#falseCleans[at]!);
          if (this.#labelClasses[at] !== noClass && reachable) this.#branch(at, placement.end(weight, heat), clean);
          heat = falls ? this.#heats[at]! : this.#heatWithout(at);
          if (this.#labelClasses[at] === noClass) break;
          placement.begin(reader.pos, this.#labelClasses[at]!, this.#loop);
          reachable = true;
          // Loops that ended inside are of no concern any more.
          clean = this.#labelCleans[at]! > at ? nowhere : this.#labelCleans[at]!;
          weight = 0;
          calls = 0;
          break;
        }
        case shape.br: {
          branches++;
          const at = this.#labelOfBranch();
          if (reachable && this.#kinds[at] === frame.loop && at === this.#depth - 2) {
            if (this.#kinds[this.#depth - 1] === frame.if) this.#goAroundTested();
          }
          if (reachable) this.#branch(at, placement.end(weight, Math.min(heat, this.#heatAt(at))), clean);
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        }
        case shape.brIf: {
          branches++;
          const at = this.#labelOfBranch();
          if (!reachable) break;
          if (this.#kinds[at] === frame.loop && at === this.#depth - 1) {
            finder.seen = seen;
            this.#goAround();
          }
          const out = placement.end(weight, heat);
          this.#branch(at, out, clean);
          placement.begin(reader.pos, out, this.#loop);
          if (this.#heatAt(at) >= heat) heat = heatOfBranch(heat);
          weight = 0;
          calls = 0;
          break;
        }
        case shape.brTable: {
          const count = reader.count('branch table entries');
          branches += count + 1;
          const out = reachable ? placement.end(weight, heat) : noClass;
          for (let entry = 0; entry <= count; entry++) {
            const at = this.#labelOfBranch();
            if (reachable) this.#branch(at, out, clean);
          }
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        }
        case shape.return:
          if (reachable) {
            this.#edit(offset, 1, editKind.return, this.#depth - 1, this.#loop);
            this.#exit(this.#loop, 0);
            placement.endExact(weight, firstHeat);
          }
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        case shape.unreachable:
          if (reachable) {
            this.#edit(offset, 0, editKind.unreachable);
            this.#exit(this.#loop, 0);
            placement.endExact(weight, 0);
          }
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        case shape.call:
        case shape.returnCall: {
          const callee = this.#index('function index', functions);
          const type = module.functionTypes[callee]!;
          height += this.#resultCounts[type]! - this.#paramCounts[type]!;
          if (callee >= this.#importedFunctions)
            this.#edit(offset + 1, reader.pos - offset - 1, editKind.index, callee + 1);
          clean = nowhere;
          if (reachable) {
            this.#call();
            weight += this.entries[callee]!;
          }
          if (opcode === 0x10) {
            if (reachable && ++calls === callsPerNodeMax) {
              placement.begin(reader.pos, placement.end(weight, heat), this.#loop);
              weight = 0;
              calls = 0;
            }
            break;
          }
          if (reachable) placement.endExact(weight, firstHeat);
          features.add('tail-call');
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        }
        case shape.callIndirect:
        case shape.returnCallIndirect: {
          const type = this.#index('type index', this.#paramCounts.length);
          const table = this.#index('table index', module.tables.length);
          if (table !== 0) features.add('reference-types');
          height += this.#resultCounts[type]! - this.#paramCounts[type]!;
          clean = nowhere;
          if (reachable) this.#call();
          if (opcode === 0x11) {
            if (reachable && ++calls === callsPerNodeMax) {
              placement.begin(reader.pos, placement.end(weight, heat), this.#loop);
              weight = 0;
              calls = 0;
            }
            break;
          }
          if (reachable) placement.endExact(weight, firstHeat);
          features.add('tail-call');
          reachable = false;
          height = this.#bases[this.#depth - 1]!;
          break;
        }
        case shape.i64:
          if (bytes[offset + 1]! < 0x80) reader.pos = offset + 2;
          else reader.skipSigned(64, 'i64.const');
          break;
        case shape.f32:
          reader.pos = offset + 5;
          break;
        case shape.f64:
          reader.pos = offset + 9;
          break;
        case shape.memorySize:
          this.#memoryIndex('memory.size');
          break;
        case shape.memoryGrow:
          this.#memoryIndex('memory.grow');
          this.#work(offset, reader.pos - offset, editKind.memoryGrow);
          break;
        case shape.tableGet:
        case shape.tableSet:
          features.add('reference-types');
          if (opcode === 0x26) this.mutates.table = true;
          this.#index('table index', module.tables.length);
          break;
        case shape.refNull:
          features.add('reference-types');
          readHeapType(reader, module);
          break;
        case shape.refFunc: {
          features.add('reference-types');
          const target = this.#index('function index', functions);
          if (target >= this.#importedFunctions)
            this.#edit(offset + 1, reader.pos - offset - 1, editKind.index, target + 1);
          break;
        }
        case shape.selectTyped: {
          features.add('reference-types');
          const count = reader.count('types of select');
          for (let entry = 0; entry < count; entry++) readValType(reader, module);
          break;
        }
        case shape.prefixFc:
          height += this.#bulk(offset);
          break;
        case shape.prefixFd:
          features.add('simd');
          height += this.#vector(offset);
          break;
        case shape.refused:
          this.#refused(opcode, offset);
          break;
        default:
          reader.fail(`invalid opcode 0x${opcode.toString(16).padStart(2, '0')} in function ${functionIndex}`, offset);
      }
      if (reader.pos > end) reader.fail('instruction runs past the end of its function', offset);
      if (height > maxHeight) maxHeight = height;
    }
    if (reader.pos !== end) reader.fail('function body goes on behind its end instruction');
    if (signExtension) features.add('sign-extension');
    this.operandDepth = maxHeight;
    this.branches = branches;
  }

  #memoryArgument(): void {
    const reader = this.#reader;
    const offset = reader.pos;
    const flags = reader.u32('alignment');
    if ((flags & 0x40) !== 0 && flags < 0x80)
      this.#refuse({ feature: 'multiple memories', what: 'access with a memory index' }, offset);
    if (flags > 0x3f) reader.fail(`invalid alignment flags 0x${flags.toString(16)}`, offset);
    reader.u32('offset');
  }

  #memoryIndex(what: string): void {
    const offset = this.#reader.pos;
    const index = this.#reader.u32('memory index');
    if (index !== 0) this.#refuse({ feature: 'multiple memories', what: `${what} of memory ${index}` }, offset);
    if (this.#reader.pos !== offset + 1) this.#reader.fail('zero byte expected', offset);
  }

  #refused(opcode: number, offset: number): never {
    const plain = refusedOpcodes[opcode];
    if (plain !== undefined) this.#refuse(plain, offset);
    const sub = this.#reader.u32('opcode');
    const prefixed = refusedPrefixed(opcode, sub);
    if (prefixed !== undefined) this.#refuse(prefixed, offset);
    return this.#reader.fail(`invalid opcode 0x${opcode.toString(16)} ${sub}`, offset);
  }

  /** Saturating conversions and bulk operations; returns the effect on the operand stack. */
  #bulk(offset: number): number {
    const module = this.#module;
    const reader = this.#reader;
    const { features } = module;
    const sub = reader.u32('opcode');
    if (sub < 8) {
      features.add('nontrapping-float-to-int');
      return 0;
    }
    const tables = module.tables.length;
    features.add(sub >= bulk.tableGrow ? 'reference-types' : 'bulk-memory');
    switch (sub) {
      case bulk.memoryInit:
        if (module.dataCount === null) reader.fail('memory.init without a data count section', offset);
        this.#index('data segment', module.dataCount ?? 0);
        this.#memoryIndex('memory.init');
        this.#work(offset, 0, editKind.memoryBytes);
        return -3;
      case bulk.dataDrop:
        if (module.dataCount === null) reader.fail('data.drop without a data count section', offset);
        this.#index('data segment', module.dataCount ?? 0);
        this.mutates.segments = true;
        return 0;
      case bulk.memoryCopy:
        this.#memoryIndex('memory.copy');
        this.#memoryIndex('memory.copy');
        this.#work(offset, 0, editKind.memoryBytes);
        return -3;
      case bulk.memoryFill:
        this.#memoryIndex('memory.fill');
        this.#work(offset, 0, editKind.memoryBytes);
        return -3;
      case bulk.tableInit:
        this.#index('element segment', module.elementSegments);
        this.#index('table index', tables);
        this.mutates.table = true;
        this.#work(offset, 0, editKind.tableEntries);
        return -3;
      case bulk.elemDrop:
        this.#index('element segment', module.elementSegments);
        this.mutates.segments = true;
        return 0;
      case bulk.tableCopy:
        this.#index('table index', tables);
        this.#index('table index', tables);
        this.mutates.table = true;
        this.#work(offset, 0, editKind.tableEntries);
        return -3;
      case bulk.tableGrow:
        this.#index('table index', tables);
        this.mutates.table = true;
        this.#work(offset, 0, editKind.tableEntries);
        return -1;
      case bulk.tableSize:
        this.#index('table index', tables);
        return 1;
      case bulk.tableFill:
        this.#index('table index', tables);
        this.mutates.table = true;
        this.#work(offset, 0, editKind.tableEntries);
        return -3;
      default: {
        const refused = refusedPrefixed(0xfc, sub);
        if (refused !== undefined) this.#refuse(refused, offset);
        return reader.fail(`invalid opcode 0xfc ${sub}`, offset);
      }
    }
  }

  /** Vector instructions; returns the effect on the operand stack. */
  #vector(offset: number): number {
    const reader = this.#reader;
    const sub = reader.u32('opcode');
    switch (sub < 256 ? simdShapes[sub] : shape.undefined) {
      case shape.plain:
        break;
      case shape.memoryArgument:
        this.#memoryArgument();
        break;
      case shape.memoryLane:
        this.#memoryArgument();
        reader.skip(1, 'lane');
        break;
      case shape.lane:
        reader.skip(1, 'lane');
        break;
      case shape.v128:
      case shape.shuffle:
        reader.skip(16, 'vector immediate');
        break;
      default: {
        const refused = refusedPrefixed(0xfd, sub);
        if (refused !== undefined) this.#refuse(refused, offset);
        reader.fail(`invalid opcode 0xfd ${sub}`, offset);
      }
    }
    return simdDeltas[sub]!;
  }
}

/** (locals + operand depth) x branches, the measure of a compile bomb. */
export function compileCost(scanner: Pick<CodeScanner, 'locals' | 'operandDepth' | 'branches'>): number {
  return (scanner.locals + scanner.operandDepth) * scanner.branches;
}

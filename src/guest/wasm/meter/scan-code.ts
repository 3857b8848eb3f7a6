/**
 * One pass over a function body (core specification, 5.4 and 5.5.13). It checks layout, nesting and every index against
 * what the module declares, so that code can never name what rewriting adds; it splits the body into nodes for the
 * placement of charges, and notes what must be edited. It does not check operand types: rewriteModule has the engine
 * validate the original. docs/meter.md explains the words used here.
 */
import type { ValType } from '../../../protocol/module.ts';
import { op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { firstSignExtension, lastSignExtension, oneByteDeltas, oneByteShapes, shape } from '../format/opcodes.ts';
import { ByteReader } from '../format/reader.ts';
import { RefusedHere, readHeapType, readValType } from '../format/types.ts';
import { type Mutations, readBulk } from './bulk.ts';
import { ControlStack, frame, noClass, nowhere } from './control-stack.ts';
import { type Costs, instructionPrices } from './costs.ts';
import { CountedLoopFinder, type Found, type LoopOffsets, recentMax, type Test } from './counted-loops.ts';
import { EditList } from './edits.ts';
import { ImmediateReader } from './immediates.ts';
import { LoopTable } from './loop-table.ts';
import { exact, firstHeat, heatOfBranch, heatOfLoop, Placement } from './placement.ts';

/**
 * Calls in one node. A node checks only at its beginning; the cap bounds what small callees can do between two checks.
 */
const callsPerNodeMax = 8;

/** What the body of the last function is made of. */
export interface BodyFacts {
  /** Number of groups of declared locals. */
  localGroups: number;
  /** Byte offset of the first group, behind their number. */
  localsStart: number;
  /** Byte offset of the first instruction. */
  codeStart: number;
  /** Number of parameters and declared locals. */
  locals: number;
  results: readonly ValType[];
  /** Most operands on the stack at once. */
  operandDepth: number;
  /** Number of ways that branches and ifs can go. */
  branches: number;
}

/** Reads one body after the other. What it has found of the last one stands in its fields, each owned by its class. */
export class CodeScanner {
  readonly placement = new Placement();
  readonly edits = new EditList();
  readonly loops = new LoopTable();
  readonly facts: BodyFacts = {
    localGroups: 0,
    localsStart: 0,
    codeStart: 0,
    locals: 0,
    results: [],
    operandDepth: 0,
    branches: 0,
  };
  /** Of all functions so far. */
  readonly mutates: Mutations = { table: false, segments: false };
  /** By function: the credit on the way in, 0 until it is set (entry-credits.ts). */
  entries: Uint16Array;
  readonly #module: Module;
  readonly #reader: ByteReader;
  readonly #immediates: ImmediateReader;
  readonly #importedFunctions: number;
  /** By an instruction's first byte. */
  readonly #prices: Uint8Array;
  readonly #stack = new ControlStack();
  readonly #finder: CountedLoopFinder;
  /** By loop: the last if in the loop itself, if it compares what may be counted. */
  readonly #tests = new Map<number, Test>();
  // At the current instruction:
  /** Operands on the stack. */
  #height = 0;
  /** Whether control can get here. */
  #reachable = true;
  /** Price of the instructions of the current node so far. */
  #weight = 0;
  /** Calls in the current node so far. */
  #calls = 0;
  #heat = firstHeat;
  /** See control-stack.ts. */
  #clean = nowhere;

  constructor(module: Module, costs: Costs) {
    this.#module = module;
    this.#reader = new ByteReader(module.bytes, module.subject);
    this.#immediates = new ImmediateReader(module, this.#reader);
    this.#finder = new CountedLoopFinder(module.bytes);
    this.#prices = instructionPrices(costs);
    this.entries = new Uint16Array(module.functionTypes.length);
    this.#importedFunctions = module.functionImports.length;
  }

  /**
   * Reads the body of function `index` (imports included) from byte `start` to `end`. Returns true when it can be
   * rewritten, false when it uses a refused feature, which is then noted in module.refused. Throws `module_invalid`.
   */
  scan(index: number, start: number, end: number): boolean {
    const known = this.#module.refused.length;
    this.edits.clear();
    this.loops.clear();
    if (this.#tests.size > 0) this.#tests.clear();
    this.#reader.pos = start;
    this.#reader.end = end;
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
    const { facts } = this;
    const groups = reader.count('groups of locals', 2);
    facts.localsStart = reader.pos;
    const type = this.#module.types[this.#module.functionTypes[index]!]!;
    let locals = type.params.length;
    for (let group = 0; group < groups; group++) {
      const offset = reader.pos;
      locals += reader.u32('number of locals');
      if (locals > 0xffff_ffff) reader.fail('too many locals', offset);
      readValType(reader, this.#module);
    }
    facts.localGroups = groups;
    facts.locals = locals;
    facts.results = type.results;
    facts.codeStart = reader.pos;
  }

  /** Instructions without an effect on control are read here, without a call for most; the others by #readOther. */
  #readInstructions(functionIndex: number, end: number): void {
    const reader = this.#reader;
    const { bytes } = reader;
    const { locals } = this.facts;
    const prices = this.#prices;
    const stack = this.#stack;
    const finder = this.#finder;
    const { recent } = finder;
    const globals = this.#module.globals.length;
    let seen = 0;
    let height = 0;
    let maxHeight = 0;
    let weight = 0;
    let reachable = true;
    let signExtension = false;
    this.#beginFunction(functionIndex);
    while (stack.depth > 0) {
      const offset = reader.pos;
      if (offset >= end) reader.fail('function body ends without its end instruction', end);
      const opcode = bytes[offset]!;
      reader.pos = offset + 1;
      recent[seen++ & (recentMax - 1)] = offset;
      height += oneByteDeltas[opcode]!;
      if (reachable) weight += prices[opcode]!;
      const kind = oneByteShapes[opcode]!;
      switch (kind) {
        case shape.plain:
          if (opcode >= firstSignExtension && opcode <= lastSignExtension) signExtension = true;
          break;
        case shape.local: {
          const byte = bytes[offset + 1]!;
          if (byte < 0x80 && byte < locals) reader.pos = offset + 2;
          else this.#immediates.index('local index', locals);
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
        case shape.memoryArgument:
          if (bytes[offset + 1]! < 0x40 && bytes[offset + 2]! < 0x80) reader.pos = offset + 3;
          else this.#immediates.memoryArgument();
          break;
        case shape.globalGet:
        case shape.globalSet:
          this.#immediates.index('global index', globals);
          break;
        case shape.undefined:
          reader.fail(`invalid opcode 0x${opcode.toString(16).padStart(2, '0')} in function ${functionIndex}`, offset);
          break;
        default:
          finder.seen = seen;
          this.#height = height;
          this.#weight = weight;
          this.#readOther(kind, opcode, offset);
          height = this.#height;
          weight = this.#weight;
          reachable = this.#reachable;
      }
      if (reader.pos > end) reader.fail('instruction runs past the end of its function', offset);
      if (height > maxHeight) maxHeight = height;
    }
    if (reader.pos !== end) reader.fail('function body goes on behind its end instruction');
    if (signExtension) this.#module.features.add('sign-extension');
    this.facts.operandDepth = maxHeight;
  }

  #beginFunction(functionIndex: number): void {
    const { placement } = this;
    const { pos } = this.#reader;
    placement.reset();
    placement.begin(pos, placement.enter(this.entries[functionIndex]!), 0);
    this.#finder.begin(this.facts.locals, pos);
    this.facts.branches = 0;
    this.#reachable = true;
    this.#calls = 0;
    this.#heat = firstHeat;
    this.#clean = nowhere;
    this.#stack.depth = 0;
    this.#stack.push(frame.function, exact, firstHeat, 0, 0);
  }

  /** Reads an instruction of shape `kind` that is about control, or rare. #height and #weight include it already. */
  #readOther(kind: number, opcode: number, offset: number): void {
    const { features } = this.#module;
    const immediates = this.#immediates;
    switch (kind) {
      case shape.block:
        this.#block();
        break;
      case shape.loop:
        this.#loop(offset);
        break;
      case shape.if:
        this.#if();
        break;
      case shape.else:
        this.#else(offset);
        break;
      case shape.end:
        this.#end();
        break;
      case shape.br:
        this.#br();
        break;
      case shape.brIf:
        this.#brIf();
        break;
      case shape.brTable:
        this.#brTable();
        break;
      case shape.return:
        if (this.#reachable) {
          this.edits.return(offset, this.#stack.top, this.#stack.loop);
          this.loops.exit(this.#stack.loop, 0);
          this.placement.endExact(this.#weight, firstHeat);
        }
        this.#beginDeadCode();
        break;
      case shape.unreachable:
        if (this.#reachable) {
          this.edits.unreachable(offset);
          this.loops.exit(this.#stack.loop, 0);
          this.placement.endExact(this.#weight, 0);
        }
        this.#beginDeadCode();
        break;
      case shape.call:
      case shape.returnCall:
        this.#call(offset, opcode === op.returnCall);
        break;
      case shape.callIndirect:
      case shape.returnCallIndirect:
        this.#callIndirect(opcode === op.returnCallIndirect);
        break;
      case shape.memorySize:
        immediates.memoryIndex('memory.size');
        break;
      case shape.memoryGrow:
        immediates.memoryIndex('memory.grow');
        this.edits.memoryGrow(offset, this.#reader.pos - offset);
        this.loops.call(this.#stack.loop);
        break;
      case shape.tableGet:
      case shape.tableSet:
        features.add('reference-types');
        if (opcode === op.tableSet) this.mutates.table = true;
        immediates.tableIndex();
        break;
      case shape.refNull:
        features.add('reference-types');
        readHeapType(this.#reader, this.#module);
        break;
      case shape.refFunc:
        features.add('reference-types');
        this.#functionIndex(offset);
        break;
      case shape.selectTyped: {
        features.add('reference-types');
        const count = this.#reader.count('types of select');
        for (let entry = 0; entry < count; entry++) readValType(this.#reader, this.#module);
        break;
      }
      case shape.prefixFc:
        this.#bulk(offset);
        break;
      case shape.prefixFd:
        features.add('simd');
        this.#height += immediates.vector(offset);
        break;
      default:
        immediates.failRefused(opcode, offset);
    }
  }

  // Nodes.

  /** Begins a node behind the instruction just read, with edges in of `inClass`. */
  #beginNode(inClass: number): void {
    this.placement.begin(this.#reader.pos, inClass, this.#stack.loop);
    this.#weight = 0;
    this.#calls = 0;
  }

  /** Ends the current node; returns the class of its edges out. */
  #endNode(): number {
    return this.placement.end(this.#weight, this.#heat);
  }

  /** What follows up to the end of the block, or its else, cannot be reached. */
  #beginDeadCode(): void {
    this.#reachable = false;
    this.#height = this.#stack.base(this.#stack.top);
  }

  // Blocks.

  #block(): void {
    const { params, results } = this.#immediates.blockType();
    this.#stack.push(frame.block, noClass, this.#heat, this.#height - params, results);
  }

  #loop(offset: number): void {
    const { placement, loops } = this;
    const stack = this.#stack;
    const { params, results } = this.#immediates.blockType();
    const into = placement.newClass();
    const loop = loops.open(stack.loop, placement.nodes, this.#reader.pos);
    stack.push(frame.loop, into, this.#heat, this.#height - params, results);
    stack.enterLoop(loop);
    if (!this.#reachable) return;
    if (params === 0) this.edits.beginLoop(offset, this.#reader.pos - offset, loop);
    else loops.takesParameters(loop);
    placement.join(this.#endNode(), into);
    this.#beginNode(into);
    this.#heat = heatOfLoop(this.#heat);
    this.#clean = Math.min(this.#clean, stack.top);
  }

  #if(): void {
    this.facts.branches++;
    const stack = this.#stack;
    const { params, results } = this.#immediates.blockType();
    if (this.#reachable && stack.isLoop(stack.top)) this.#noteTest();
    const out = this.#reachable ? this.#endNode() : noClass;
    stack.push(frame.if, noClass, this.#heat, this.#height - params, results);
    stack.setFalseEdge(out, this.#clean);
    if (!this.#reachable) return;
    this.#beginNode(out);
    this.#heat = heatOfBranch(this.#heat);
  }

  #else(offset: number): void {
    const stack = this.#stack;
    const at = stack.top;
    if (stack.kind(at) !== frame.if) this.#reader.fail('else without an if', offset);
    const goesBehind = this.#reachable || stack.isTarget(at);
    if (this.#reachable) this.#branch(at, this.#endNode(), this.#clean);
    stack.beginElse();
    // An if in dead code has no false edge, and its else is dead as well.
    const falseClass = stack.falseClass(at);
    this.#reachable = falseClass !== noClass;
    this.#weight = 0;
    this.#calls = 0;
    if (this.#reachable) this.#beginNode(falseClass);
    this.#heat = goesBehind ? heatOfBranch(stack.heat(at)) : stack.heatWithout(at);
    this.#clean = stack.falseClean(at);
    this.#height = stack.base(at);
  }

  #end(): void {
    const stack = this.#stack;
    const at = stack.pop();
    const kind = stack.kind(at);
    this.#height = stack.heightBehind(at);
    if (kind === frame.function) {
      if (this.#reachable) this.placement.endExact(this.#weight, this.#heat);
      return;
    }
    stack.passOnReach(at);
    if (kind === frame.loop) this.#endLoop(at);
    else this.#endBlock(at, kind === frame.if);
  }

  /** Behind the `end` of the loop at `at`: only what falls out of the loop gets here, so the node goes on. */
  #endLoop(at: number): void {
    const { loops, placement } = this;
    const loop = this.#stack.loopAt(at);
    if (this.#clean >= at) this.#clean = nowhere;
    this.#heat = this.#stack.heat(at);
    loops.close(loop);
    if (loops.hasCalls(loop) && !loops.hasParameters(loop) && loops.head(loop) > 0)
      placement.cool(loops.head(loop) - 1);
    this.edits.endLoop(this.#reader.pos, loop);
  }

  /** Behind the `end` of a block, an if without an else where `isIf`, or an else. */
  #endBlock(at: number, isIf: boolean): void {
    const stack = this.#stack;
    const goesBehind = !isIf || this.#reachable || stack.isTarget(at);
    // Without an else, the false edge goes where the branches go: behind the end.
    if (isIf && stack.falseClass(at) !== noClass) this.#branch(at, stack.falseClass(at), stack.falseClean(at));
    if (stack.isTarget(at) && this.#reachable) this.#branch(at, this.#endNode(), this.#clean);
    this.#heat = goesBehind ? stack.heat(at) : stack.heatWithout(at);
    if (!stack.isTarget(at)) return;
    this.#beginNode(stack.labelClass(at));
    this.#reachable = true;
    this.#clean = stack.cleanBehind(at);
  }

  // Branches.

  #br(): void {
    this.facts.branches++;
    const stack = this.#stack;
    const at = this.#label();
    if (this.#reachable && stack.isLoop(at) && at === stack.top - 1 && stack.kind(stack.top) === frame.if)
      this.#goAroundTested();
    if (this.#reachable)
      this.#branch(at, this.placement.end(this.#weight, Math.min(this.#heat, stack.labelHeat(at))), this.#clean);
    this.#beginDeadCode();
  }

  #brIf(): void {
    this.facts.branches++;
    const stack = this.#stack;
    const at = this.#label();
    if (!this.#reachable) return;
    if (stack.isLoop(at) && at === stack.top) this.#goAround();
    const out = this.#endNode();
    this.#branch(at, out, this.#clean);
    this.#beginNode(out);
    if (stack.labelHeat(at) >= this.#heat) this.#heat = heatOfBranch(this.#heat);
  }

  #brTable(): void {
    const count = this.#reader.count('branch table entries');
    this.facts.branches += count + 1;
    const out = this.#reachable ? this.#endNode() : noClass;
    for (let entry = 0; entry <= count; entry++) {
      const at = this.#label();
      if (this.#reachable) this.#branch(at, out, this.#clean);
    }
    this.#beginDeadCode();
  }

  /** Reads a label, which may lead out of loops; returns the place of its frame. */
  #label(): number {
    const stack = this.#stack;
    const offset = this.#reader.pos;
    const label = this.#immediates.index('label', stack.depth);
    const at = stack.top - label;
    const to = stack.loopAt(at);
    if (stack.loop !== to) this.edits.label(offset, this.#reader.pos - offset, label, stack.loop, to);
    return at;
  }

  /**
   * Notes an edge of class `from` to the label of `at`. An edge back to the head of a loop that has made no call since
   * closes a circle in which nothing checks: the head must.
   */
  #branch(at: number, from: number, clean: number): void {
    const stack = this.#stack;
    const to = stack.loopAt(at);
    stack.addEdge(at, from, this.placement);
    this.loops.exit(stack.loop, to);
    stack.reach(stack.top, at);
    if (stack.isLoop(at)) this.loops.back(to, clean > at);
    else stack.addClean(at, clean);
  }

  // Calls.

  #call(offset: number, isTail: boolean): void {
    const callee = this.#functionIndex(offset);
    // What the callers of a short function pay ahead for it is part of the node's price.
    if (this.#reachable) this.#weight += this.entries[callee]!;
    this.#afterCall(this.#module.functionTypes[callee]!, isTail);
  }

  #callIndirect(isTail: boolean): void {
    const type = this.#immediates.typeIndex();
    if (this.#immediates.tableIndex() !== 0) this.#module.features.add('reference-types');
    this.#afterCall(type, isTail);
  }

  /** A call of a function of type index `type` has been read. */
  #afterCall(type: number, isTail: boolean): void {
    const { params, results } = this.#immediates.type(type);
    this.#height += results - params;
    this.#clean = nowhere;
    if (this.#reachable) {
      this.placement.call();
      this.loops.call(this.#stack.loop);
    }
    if (isTail) {
      if (this.#reachable) this.placement.endExact(this.#weight, firstHeat);
      this.#module.features.add('tail-call');
      this.#beginDeadCode();
    } else if (this.#reachable && ++this.#calls === callsPerNodeMax) this.#beginNode(this.#endNode());
  }

  /** Reads the function index behind the opcode at `offset`, which shifts: one import is added before the functions. */
  #functionIndex(offset: number): number {
    const index = this.#immediates.functionIndex();
    if (index >= this.#importedFunctions) this.edits.index(offset + 1, this.#reader.pos - offset - 1, index + 1);
    return index;
  }

  #bulk(offset: number): void {
    const sub = this.#reader.u32('opcode');
    const { delta, work } = readBulk(sub, offset, {
      module: this.#module,
      immediates: this.#immediates,
      mutates: this.mutates,
    });
    this.#height += delta;
    if (work === null) return;
    this.edits.work(offset, work);
    this.loops.call(this.#stack.loop);
  }

  // Counted loops.

  /** A br_if that has just been read in the innermost loop itself goes back to its head. */
  #goAround(): void {
    const at = this.#mayCount();
    const found = at === null ? null : this.#finder.find(at);
    if (found === null || found.ending === null) return;
    this.#count(found);
    const { start } = found.ending;
    this.edits.goAround(start, this.#reader.pos - start, this.#stack.loop);
  }

  /** A br that has just been read in the arm of an if of the innermost loop itself goes back to its head. */
  #goAroundTested(): void {
    const test = this.#tests.get(this.#stack.loop) ?? null;
    const at = test === null ? null : this.#mayCount();
    const found = at === null || test === null ? null : this.#finder.findTested(at, test);
    if (found !== null) this.#count(found);
  }

  #count(found: Found): void {
    this.loops.count(this.#stack.loop, { ...found, node: this.placement.nodes - 1 });
    this.placement.payAhead();
  }

  /** An if that has just been read stands in the innermost loop itself. */
  #noteTest(): void {
    const test = this.#finder.test(this.placement.offset(this.placement.nodes - 1));
    if (test === null) this.#tests.delete(this.#stack.loop);
    else this.#tests.set(this.#stack.loop, test);
  }

  /**
   * Returns where the innermost loop stands, if it may be a counted loop; null otherwise. A loop that is left in two
   * places has no certain number of rounds, and a function that it calls sees the counter.
   */
  #mayCount(): LoopOffsets | null {
    const { loops, placement } = this;
    const { loop } = this.#stack;
    if (loops.hasCalls(loop) || loops.isLeft(loop) || loops.backs(loop) > 0 || loops.hasParameters(loop)) return null;
    return {
      loop: loops.start(loop),
      entry: placement.offset(loops.head(loop) - 1),
      node: placement.offset(placement.nodes - 1),
    };
  }
}

/** Returns (locals + operand depth) x branches, the measure of a compile bomb. */
export function compileCost({ locals, operandDepth, branches }: BodyFacts): number {
  return (locals + operandDepth) * branches;
}

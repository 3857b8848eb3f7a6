/**
 * Reads a function body in one pass (core specification, 5.4 and 5.5.13). Checks layout, nesting and every index
 * against the module's declarations, so that code cannot name items that rewriting adds. control-flow.ts splits the
 * body into nodes and notes edits. Operand types are not checked: rewriteModule lets the engine validate the original.
 * docs/meter.md explains the words used here.
 */
import type { ValType } from '../../../protocol/module.ts';
import { op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { firstSignExtension, lastSignExtension, oneByteDeltas, oneByteShapes, shape } from '../format/opcodes.ts';
import { ByteReader } from '../format/reader.ts';
import { RefusedHere, readHeapType, readValType } from '../format/types.ts';
import { type Mutations, readBulk } from './bulk.ts';
import { ControlFlow } from './control-flow.ts';
import { type Costs, instructionPrices } from './costs.ts';
import { recentMax } from './counted-loops.ts';
import { ImmediateReader } from './immediates.ts';

/** Facts about the body that was read last. */
export interface BodyFacts {
  /** Number of groups of declared locals. */
  localGroups: number;
  /** Byte offset of the first group of locals, after the number of groups. */
  localsStart: number;
  /** Byte offset of the first instruction. */
  codeStart: number;
  /** Number of parameters and declared locals. */
  locals: number;
  results: readonly ValType[];
  /** Greatest number of operands on the stack. */
  operandDepth: number;
  /** Number of targets of all branches and ifs. */
  branches: number;
}

/** Reads one body after the other. `flow` and `facts` describe the body that was read last. */
export class CodeScanner {
  readonly flow: ControlFlow;
  readonly facts: BodyFacts = {
    localGroups: 0,
    localsStart: 0,
    codeStart: 0,
    locals: 0,
    results: [],
    operandDepth: 0,
    branches: 0,
  };
  /** State that the functions read so far change. */
  readonly mutates: Mutations = { table: false, segments: false };
  /** Whether a function read so far has a memory.grow. */
  grows = false;
  readonly #module: Module;
  readonly #reader: ByteReader;
  readonly #immediates: ImmediateReader;
  /** Price of each instruction, by its first byte. */
  readonly #prices: Uint8Array;

  constructor(module: Module, costs: Costs) {
    this.#module = module;
    this.#reader = new ByteReader(module.bytes, module.subject);
    this.#immediates = new ImmediateReader(module, this.#reader);
    this.#prices = instructionPrices(costs);
    this.flow = new ControlFlow({ module, reader: this.#reader, immediates: this.#immediates });
  }

  /**
   * Reads the body of function `index` (imports counted) from byte `start` to `end`. Returns true if it can be
   * rewritten, false if it uses a refused feature, which is noted in module.refused. Throws `module_invalid`.
   */
  scan(index: number, start: number, end: number): boolean {
    const known = this.#module.refused.length;
    this.flow.clear();
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

  /**
   * Reads the instructions of a body. Those without an effect on control are handled here, mostly without a call;
   * #readOther handles the rest.
   */
  #readInstructions(functionIndex: number, end: number): void {
    const reader = this.#reader;
    const { bytes } = reader;
    const { locals } = this.facts;
    const prices = this.#prices;
    const { flow } = this;
    const { stack, finder } = flow;
    const { recent } = finder;
    const globals = this.#module.globals.length;
    let seen = 0;
    let height = 0;
    let maxHeight = 0;
    let weight = 0;
    let reachable = true;
    let signExtension = false;
    flow.begin(functionIndex, locals);
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
          flow.height = height;
          flow.weight = weight;
          this.#readOther(kind, opcode, offset);
          height = flow.height;
          weight = flow.weight;
          reachable = flow.reachable;
      }
      if (reader.pos > end) reader.fail('instruction runs past the end of its function', offset);
      if (height > maxHeight) maxHeight = height;
    }
    if (reader.pos !== end) reader.fail('function body goes on behind its end instruction');
    if (signExtension) this.#module.features.add('sign-extension');
    this.facts.operandDepth = maxHeight;
    this.facts.branches = flow.branches;
  }

  /**
   * Reads an instruction of shape `kind` that concerns control, or is rare. flow.height and flow.weight already include
   * it.
   */
  #readOther(kind: number, opcode: number, offset: number): void {
    const { flow } = this;
    const { features } = this.#module;
    const immediates = this.#immediates;
    switch (kind) {
      case shape.block:
        flow.block();
        break;
      case shape.loop:
        flow.loop(offset);
        break;
      case shape.if:
        flow.if();
        break;
      case shape.else:
        flow.else(offset);
        break;
      case shape.end:
        flow.end();
        break;
      case shape.try:
        flow.try();
        break;
      case shape.catch:
        flow.catch(offset);
        break;
      case shape.catchAll:
        flow.catchAll(offset);
        break;
      case shape.delegate:
        flow.delegate(offset);
        break;
      case shape.tryTable:
        flow.tryTable();
        break;
      case shape.throw:
        flow.throw(offset);
        break;
      case shape.rethrow:
        flow.rethrow(offset);
        break;
      case shape.throwRef:
        features.add('exceptions');
        flow.throwRef(offset);
        break;
      case shape.br:
        flow.br();
        break;
      case shape.brIf:
        flow.brIf();
        break;
      case shape.brTable:
        flow.brTable();
        break;
      case shape.return:
        flow.return(offset);
        break;
      case shape.unreachable:
        flow.unreachable(offset);
        break;
      case shape.call:
      case shape.returnCall:
        flow.call(offset, opcode === op.returnCall);
        break;
      case shape.callIndirect:
      case shape.returnCallIndirect:
        flow.callIndirect(opcode === op.returnCallIndirect);
        break;
      case shape.memorySize:
        immediates.memoryIndex('memory.size');
        flow.edits.memorySize(this.#reader.pos);
        break;
      case shape.memoryGrow:
        immediates.memoryIndex('memory.grow');
        this.grows = true;
        flow.edits.memoryGrow(offset, this.#reader.pos - offset);
        flow.callHelper();
        break;
      case shape.tableGet:
      case shape.tableSet:
        features.add('reference-types');
        if (opcode === op.tableSet) this.mutates.table = true;
        immediates.tableIndex();
        break;
      case shape.refNull:
        readHeapType(this.#reader, this.#module);
        break;
      case shape.refFunc:
        features.add('reference-types');
        flow.functionIndex(offset);
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
        flow.height += immediates.vector(offset);
        break;
      default:
        immediates.failRefused(opcode, offset);
    }
  }

  #bulk(offset: number): void {
    const sub = this.#reader.u32('opcode');
    const { delta, work } = readBulk(sub, offset, {
      module: this.#module,
      immediates: this.#immediates,
      mutates: this.mutates,
    });
    this.flow.height += delta;
    if (work === null) return;
    this.flow.edits.work(offset, work);
    this.flow.callHelper();
  }
}

/** Returns (locals + operand depth) x branches, the measure of a compile bomb. */
export function compileCost({ locals, operandDepth, branches }: BodyFacts): number {
  return (locals + operandDepth) * branches;
}

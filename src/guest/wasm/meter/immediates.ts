/**
 * Reads the immediates of instructions and checks every index in them against the module's declarations (core
 * specification, 5.4), so that code cannot name items that rewriting adds. Errors: `module_invalid`; for an instruction
 * of a refused feature it notes the use in the module and throws RefusedHere.
 */
import { type RefusedName, refusedOpcodes, refusedPrefixed } from '../format/features.ts';
import { emptyBlock, op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { shape, simdDeltas, simdShapes } from '../format/opcodes.ts';
import type { ByteReader } from '../format/reader.ts';
import { RefusedHere, readValType } from '../format/types.ts';

export interface BlockType {
  readonly params: number;
  readonly results: number;
}

const noValues: BlockType = { params: 0, results: 0 };
const oneResult: BlockType = { params: 0, results: 1 };

export class ImmediateReader {
  readonly #module: Module;
  readonly #reader: ByteReader;
  /** Numbers of parameters and results of each type, by type index. */
  readonly #types: readonly BlockType[];

  constructor(module: Module, reader: ByteReader) {
    this.#module = module;
    this.#reader = reader;
    this.#types = module.types.map(({ params, results }) => ({ params: params.length, results: results.length }));
  }

  /** Returns the numbers of parameters and results of type `type`. */
  type(type: number): BlockType {
    return this.#types[type]!;
  }

  /** Reads an index and fails unless it is below `limit`. */
  index(what: string, limit: number): number {
    const reader = this.#reader;
    const offset = reader.pos;
    const value = reader.u32(what);
    if (value >= limit) reader.fail(`${what} ${value} out of range (${limit} exist)`, offset);
    return value;
  }

  typeIndex(): number {
    return this.index('type index', this.#types.length);
  }

  functionIndex(): number {
    return this.index('function index', this.#module.functionTypes.length);
  }

  /** Reads a tag index. Returns the index of the tag's type. */
  tagType(): number {
    const { tags } = this.#module;
    return tags[this.index('tag index', tags.length)]!;
  }

  /** Reads the kind of a catch clause of try_table and, if it has one, its tag. */
  catchKind(): void {
    const reader = this.#reader;
    const offset = reader.pos;
    const kind = reader.u8('catch clause');
    if (kind > 3) reader.fail(`invalid catch clause 0x${kind.toString(16)}`, offset);
    if (kind < 2) this.tagType();
  }

  tableIndex(): number {
    return this.index('table index', this.#module.tables.length);
  }

  /** Reads the index of an element segment. */
  elementSegment(): number {
    return this.index('element segment', this.#module.elementSegments);
  }

  /** Reads the data segment index of `what`, an instruction at `offset`. Fails without a data count section. */
  dataSegment(what: string, offset: number): number {
    const { dataCount } = this.#module;
    if (dataCount === null) this.#reader.fail(`${what} without a data count section`, offset);
    return this.index('data segment', dataCount ?? 0);
  }

  /** Reads a block type (5.4.1). */
  blockType(): BlockType {
    const reader = this.#reader;
    const offset = reader.pos;
    const byte = reader.bytes[offset];
    if (byte === emptyBlock) {
      reader.pos++;
      return noValues;
    }
    if (byte !== undefined && byte >= 0x40 && byte < 0x80) {
      readValType(reader, this.#module);
      return oneResult;
    }
    const type = reader.s33('block type');
    if (type < 0) reader.fail('invalid block type', offset);
    if (type >= this.#types.length)
      reader.fail(`type index ${type} out of range (${this.#types.length} types)`, offset);
    this.#module.features.add('multi-value');
    return this.#types[type]!;
  }

  /** Reads the alignment and the offset of a load or store (5.4.7). */
  memoryArgument(): void {
    const reader = this.#reader;
    const offset = reader.pos;
    const flags = reader.u32('alignment');
    if ((flags & 0x40) !== 0 && flags < 0x80)
      this.#refuse({ feature: 'multiple memories', what: 'access with a memory index' }, offset);
    if (flags > 0x3f) reader.fail(`invalid alignment flags 0x${flags.toString(16)}`, offset);
    reader.u32('offset');
  }

  /** Reads the memory index of `what`: 0, possibly padded to several bytes. */
  memoryIndex(what: string): void {
    const offset = this.#reader.pos;
    const index = this.#reader.u32('memory index');
    if (index !== 0) this.#refuse({ feature: 'multiple memories', what: `${what} of memory ${index}` }, offset);
  }

  /**
   * Reads the vector instruction after the prefix at `offset`. Returns its change of the height of the operand stack.
   */
  vector(offset: number): number {
    const reader = this.#reader;
    const sub = reader.u32('opcode');
    switch (sub < 256 ? simdShapes[sub] : shape.undefined) {
      case shape.plain:
        break;
      case shape.memoryArgument:
        this.memoryArgument();
        break;
      case shape.memoryLane:
        this.memoryArgument();
        reader.skip(1, 'lane');
        break;
      case shape.lane:
        reader.skip(1, 'lane');
        break;
      case shape.v128:
      case shape.shuffle:
        reader.skip(16, 'vector immediate');
        break;
      default:
        this.failPrefixed(op.prefixVector, sub, offset);
    }
    return simdDeltas[sub]!;
  }

  /** Refuses `opcode` at `offset`, which belongs to a refused feature. Always throws. */
  failRefused(opcode: number, offset: number): never {
    const plain = refusedOpcodes[opcode];
    if (plain !== undefined) this.#refuse(plain, offset);
    return this.failPrefixed(opcode, this.#reader.u32('opcode'), offset);
  }

  /** Refuses the instruction `prefix sub` at `offset`, which is not accepted. Always throws. */
  failPrefixed(prefix: number, sub: number, offset: number): never {
    const refused = refusedPrefixed(prefix, sub);
    if (refused !== undefined) this.#refuse(refused, offset);
    return this.#reader.fail(`invalid opcode 0x${prefix.toString(16)} ${sub}`, offset);
  }

  #refuse(use: RefusedName, offset: number): never {
    this.#module.refused.push({ ...use, offset, functionIndex: null });
    throw new RefusedHere();
  }
}

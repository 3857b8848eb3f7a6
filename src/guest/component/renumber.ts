/**
 * Copies code of a module into the fused module and replaces the indices of functions, types, tables, globals and
 * segments. Checks only values on which the length of an instruction depends: the engine has validated the code.
 */
import { refusedOpcodes, refusedPrefixed } from '../wasm/format/features.ts';
import { op } from '../wasm/format/instructions.ts';
import { bulk, oneByteShapes, shape, simdShapes } from '../wasm/format/opcodes.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import type { MoveSink } from '../wasm/lines/line-marks.ts';
import { unsupportedComponent } from './refusals.ts';
import { type MemoryAccess, type RelocatedMemory, Relocation } from './relocate.ts';

/** New indices by old index, for each index space. */
export interface Numbering {
  readonly types: readonly number[];
  readonly functions: readonly number[];
  readonly tables: readonly number[];
  readonly globals: readonly number[];
  readonly tags: readonly number[];
  /** Numbers added to the index of an element segment and to that of a data segment. */
  readonly elements: number;
  readonly data: number;
  /** The module's memories, if they are parts of a larger one; null: addresses stay as they are. */
  readonly memories: readonly RelocatedMemory[] | null;
}

const firstTypeIndexByteMax = 0x3f;
/** Bit of the alignment after which the number of a memory follows (5.4.6). */
const hasMemory = 0x40;

/**
 * The two forms of WebAssembly's exceptions, which the engine takes in different modules only: `try` and `try_table`.
 */
export type ExceptionForm = 'legacy' | 'present';

export class CodeCopier {
  readonly #bytes: Uint8Array;
  readonly #numbering: Numbering;
  readonly #writer: ByteWriter;
  readonly #subject: string;
  readonly #relocation: Relocation | null;
  /** Forms in which the code that was copied catches exceptions. */
  readonly #forms: Set<ExceptionForm>;
  /** Offset of the next byte to read. */
  pos = 0;
  /** Offset up to which bytes have been copied. */
  #copied = 0;
  /** Hears what is copied of a body; null outside of one. */
  #moves: MoveSink | null = null;
  /** Where the body begins in the writer. */
  #bodyStart = 0;

  /** `forms` gets the forms of exceptions. */
  constructor(
    bytes: Uint8Array,
    numbering: Numbering,
    writer: ByteWriter,
    { subject, forms }: { readonly subject: string; readonly forms: Set<ExceptionForm> },
  ) {
    this.#bytes = bytes;
    this.#numbering = numbering;
    this.#writer = writer;
    this.#subject = subject;
    this.#forms = forms;
    this.#relocation = numbering.memories === null ? null : new Relocation(numbering.memories, writer);
  }

  /** Copies the expression that begins at `start`, its `end` included. */
  expression(start: number): void {
    this.pos = start;
    this.#copied = start;
    this.#instructions();
    this.#flush();
  }

  /**
   * Copies a function body. `start` is the offset of the declarations of its locals, `params` the number of parameters;
   * `moves` hears what is copied, null: nobody does.
   */
  body(start: number, params: number, moves: MoveSink | null): void {
    this.pos = start;
    this.#copied = start;
    this.#moves = moves;
    this.#bodyStart = this.#writer.length;
    const groups = this.u32();
    let locals = params;
    this.#replace(start, groups, groups + (this.#relocation === null ? 0 : Relocation.groups));
    for (let left = groups; left > 0; left -= 1) {
      locals += this.u32();
      this.pos += 1;
    }
    if (this.#relocation !== null) {
      this.#flush();
      this.#relocation.writeLocals(locals);
    }
    this.#instructions();
    this.#flush();
    this.#moves = null;
  }

  /** Reads a LEB128 of 32 bits. */
  u32(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.pos++] as number;
    if (byte < 0x80) return byte;
    let result = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[this.pos++] as number;
      result |= (byte & 0x7f) << shift;
    }
    return result >>> 0;
  }

  /** Reads a signed LEB128 of 32 bits. */
  s32(): number {
    const bytes = this.#bytes;
    let result = 0;
    for (let shift = 0; ; ) {
      const byte = bytes[this.pos++] as number;
      if (shift < 32) result |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      return shift < 32 && (byte & 0x40) !== 0 ? result | (-1 << shift) : result;
    }
  }

  #skip(): void {
    while ((this.#bytes[this.pos++] as number) >= 0x80);
  }

  #flush(): void {
    this.#copyTo(this.pos);
    this.#copied = this.pos;
  }

  /** Copies what has not been copied before `end`. */
  #copyTo(end: number): void {
    this.#moves?.copied(this.#copied, end, this.#writer.length - this.#bodyStart);
    this.#writer.raw(this.#bytes, this.#copied, end);
  }

  /** Reads an index and writes the new index from `numbers`. */
  #index(numbers: readonly number[]): void {
    const start = this.pos;
    const index = this.u32();
    this.#replace(start, index, numbers[index] as number);
  }

  #segment(added: number): void {
    const start = this.pos;
    const index = this.u32();
    this.#replace(start, index, index + added);
  }

  #replace(start: number, before: number, after: number): void {
    if (before === after) return;
    this.#copyTo(start);
    this.#writer.u32(after);
    this.#copied = this.pos;
  }

  /** Reads a block type: 0x40 and value types are one byte with bit 6 set; a type index is a positive signed LEB128. */
  #blockType(): void {
    const start = this.pos;
    const first = this.#bytes[start] as number;
    if (first < 0x80 && first > firstTypeIndexByteMax) {
      this.pos += 1;
      return;
    }
    const index = this.u32();
    const type = this.#numbering.types[index] as number;
    if (type === index) return;
    this.#copyTo(start);
    this.#writer.s32(type);
    this.#copied = this.pos;
  }

  #instructions(): void {
    const bytes = this.#bytes;
    const numbers = this.#numbering;
    for (let depth = 1; ; ) {
      const start = this.pos;
      const opcode = bytes[this.pos++] as number;
      switch (oneByteShapes[opcode]) {
        case shape.plain:
        case shape.unreachable:
        case shape.return:
        case shape.else:
        case shape.catchAll:
        case shape.throwRef:
          break;
        case shape.local:
        case shape.i32:
        case shape.i64:
        case shape.br:
        case shape.brIf:
        case shape.refNull:
        case shape.rethrow:
          this.#skip();
          break;
        case shape.throw:
        case shape.catch:
          this.#index(numbers.tags);
          break;
        case shape.memorySize:
        case shape.memoryGrow: {
          const memory = this.u32();
          this.#instead(start, (relocation) =>
            opcode === op.memorySize ? relocation.size(memory) : relocation.grow(memory),
          );
          break;
        }
        case shape.memoryArgument:
          this.#memoryArgument(start, (relocation, access) => relocation.scalar(opcode, access));
          break;
        case shape.f32:
          this.pos += 4;
          break;
        case shape.f64:
          this.pos += 8;
          break;
        case shape.globalGet:
        case shape.globalSet:
          this.#index(numbers.globals);
          break;
        case shape.call:
        case shape.returnCall:
        case shape.refFunc:
          this.#index(numbers.functions);
          break;
        case shape.callIndirect:
        case shape.returnCallIndirect:
          this.#index(numbers.types);
          this.#index(numbers.tables);
          break;
        case shape.tableGet:
        case shape.tableSet:
          this.#index(numbers.tables);
          break;
        case shape.try:
          this.#forms.add('legacy');
          this.#blockType();
          depth += 1;
          break;
        case shape.block:
        case shape.loop:
        case shape.if:
          this.#blockType();
          depth += 1;
          break;
        case shape.tryTable:
          this.#forms.add('present');
          this.#blockType();
          for (let left = this.u32(); left > 0; left -= 1) this.#catchClause();
          depth += 1;
          break;
        case shape.delegate:
          this.#skip();
          depth -= 1;
          break;
        case shape.end:
          depth -= 1;
          if (depth === 0) return;
          break;
        case shape.brTable:
          for (let left = this.u32() + 1; left > 0; left -= 1) this.#skip();
          break;
        case shape.selectTyped:
          this.pos += this.u32();
          break;
        case shape.prefixFc:
          this.#bulk(this.u32(), start);
          break;
        case shape.prefixFd:
          this.#vector(this.u32(), start);
          break;
        default:
          this.#refuse(refusedOpcodes[opcode]?.what ?? `instruction 0x${opcode.toString(16)}`);
      }
    }
  }

  /** Reads a clause of try_table: kinds 0 and 1 have a tag. */
  #catchClause(): void {
    const kind = this.#bytes[this.pos++] as number;
    if (kind < 2) this.#index(this.#numbering.tags);
    this.#skip();
  }

  /** Writes instructions before the one at `start`, if the memory is relocated. */
  #before(start: number, write: (relocation: Relocation) => void): void {
    if (this.#relocation === null) return;
    this.#copyTo(start);
    this.#copied = start;
    this.#moves?.reached(start, this.#writer.length - this.#bodyStart);
    write(this.#relocation);
  }

  /** Writes instructions instead of the one that begins at `start` and was just read, if the memory is relocated. */
  #instead(start: number, write: (relocation: Relocation) => void): void {
    this.#before(start, write);
    if (this.#relocation !== null) this.#copied = this.pos;
  }

  #bulk(sub: number, start: number): void {
    const numbers = this.#numbering;
    if (sub < bulk.memoryInit) return;
    switch (sub) {
      case bulk.memoryInit: {
        const segment = this.u32() + numbers.data;
        const memory = this.u32();
        if (this.#relocation === null) this.#replaceAll(start, [sub, segment, memory]);
        else
          this.#instead(start, (relocation) => {
            relocation.fill(memory);
            this.#writeBulk([sub, segment, 0]);
          });
        return;
      }
      case bulk.dataDrop:
        this.#segment(numbers.data);
        return;
      case bulk.memoryCopy: {
        const into = this.u32();
        const from = this.u32();
        this.#instead(start, (relocation) => {
          relocation.copy(into, from);
          this.#writeBulk([sub, 0, 0]);
        });
        return;
      }
      case bulk.memoryFill: {
        const memory = this.u32();
        this.#instead(start, (relocation) => {
          relocation.fill(memory);
          this.#writeBulk([sub, 0]);
        });
        return;
      }
      case bulk.tableInit:
        this.#segment(numbers.elements);
        this.#index(numbers.tables);
        return;
      case bulk.elemDrop:
        this.#segment(numbers.elements);
        return;
      case bulk.tableCopy:
        this.#index(numbers.tables);
        this.#index(numbers.tables);
        return;
      case bulk.tableGrow:
      case bulk.tableSize:
      case bulk.tableFill:
        this.#index(numbers.tables);
        return;
      default:
        this.#refuse(refusedPrefixed(0xfc, sub)?.what ?? `instruction 0xfc ${sub}`);
    }
  }

  #vector(sub: number, start: number): void {
    const kind = sub < simdShapes.length ? simdShapes[sub] : shape.undefined;
    switch (kind) {
      case shape.plain:
        return;
      case shape.memoryArgument:
        this.#memoryArgument(start, (relocation, access) => relocation.vector(sub, access));
        return;
      case shape.v128:
      case shape.shuffle:
        this.pos += 16;
        return;
      case shape.lane:
        this.pos += 1;
        return;
      case shape.memoryLane:
        this.#memoryArgument(start, (relocation, access) => relocation.vector(sub, access));
        this.pos += 1;
        return;
      default:
        this.#refuse(refusedPrefixed(0xfd, sub)?.what ?? `instruction 0xfd ${sub}`);
    }
  }

  /** Reads a memory argument (5.4.6) of the instruction at `start`, which is written without the number of a memory. */
  #memoryArgument(start: number, write: (relocation: Relocation, access: MemoryAccess) => void): void {
    const argument = this.pos;
    const align = this.u32();
    const memory = (align & hasMemory) === 0 ? 0 : this.u32();
    const offset = this.u32();
    this.#before(start, (relocation) => write(relocation, { memory, offset }));
    if ((align & hasMemory) === 0) return;
    this.#copyTo(argument);
    this.#writer.u32(align & ~hasMemory);
    this.#writer.u32(offset);
    this.#copied = this.pos;
  }

  /** Writes a bulk instruction: its number after the prefix, and its immediates. */
  #writeBulk(numbers: readonly number[]): void {
    this.#writer.u8(op.prefixBulk);
    for (const one of numbers) this.#writer.u32(one);
  }

  /** Writes a bulk instruction instead of the one that begins at `start` and was just read. */
  #replaceAll(start: number, numbers: readonly number[]): void {
    this.#copyTo(start);
    this.#writeBulk(numbers);
    this.#copied = this.pos;
  }

  #refuse(what: string): never {
    throw unsupportedComponent(this.#subject, `the instruction ${what}`);
  }
}

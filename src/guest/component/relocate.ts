/**
 * Writes accesses of a component's memory that is part of a larger memory (memories.ts). An access at `a` with the
 * static offset `o` of `w` bytes becomes one at
 *
 *     select(base + a, -1, a <= bytes - (o + w)) + o
 *
 * Address -1 lies outside of every memory, so the engine traps. There is no branch, so the code has no more blocks for
 * the meter to count. The operands of stores wait in locals that are added to the function.
 */
import type { ValType } from '../../protocol/module.ts';
import { constant, op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';

/** Indices in the fused module of what memories.ts exports for one memory. */
export interface RelocatedMemory {
  readonly base: number;
  readonly bytes: number;
  readonly range: number;
  readonly grow: number;
  /** Size that the memory has at least, in bytes. */
  readonly bytesMin: number;
}

/** Bytes that loads and stores access, from opcode 0x28 on. */
const scalarWidths = [4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4, 4, 8, 4, 8, 1, 2, 1, 2, 4];
const firstLoad = 0x28;
const firstStore = 0x36;
/** Types of the values that stores write, from opcode 0x36 on. */
const storedTypes: readonly ValType[] = ['i32', 'i64', 'f32', 'f64', 'i32', 'i32', 'i64', 'i64', 'i64'];

/** Bytes that vector instructions access, by number after the prefix. */
const vectorWidths: Readonly<Record<number, number>> = {
  0: 16,
  1: 8,
  2: 8,
  3: 8,
  4: 8,
  5: 8,
  6: 8,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 16,
  84: 1,
  85: 2,
  86: 4,
  87: 8,
  88: 1,
  89: 2,
  90: 4,
  91: 8,
  92: 4,
  93: 8,
};
const vectorStore = 11;
const firstLane = 84;
const lastLane = 91;

const i64LeU = 0x58;

/** Locals added to every function, in this order: an address and two sizes, and one value of each type. */
const added: readonly ValType[] = ['i32', 'i32', 'i32', 'i32', 'i64', 'f32', 'f64', 'v128'];

/** What a load or store accesses: the number of a memory, as its module has it, and the static offset in bytes. */
export interface MemoryAccess {
  readonly memory: number;
  readonly offset: number;
}

export class Relocation {
  readonly #memories: readonly RelocatedMemory[];
  readonly #writer: ByteWriter;
  /** Index of the first added local in the current function. */
  #first = 0;

  /** `memories` are those of the module, in its order. */
  constructor(memories: readonly RelocatedMemory[], writer: ByteWriter) {
    this.#memories = memories;
    this.#writer = writer;
  }

  /** Number of groups of locals that writeLocals writes. */
  static readonly groups = 5;

  /** Writes declarations of the added locals, of which the first gets the index `first`. */
  writeLocals(first: number): void {
    this.#first = first;
    this.#writer.raw(
      Uint8Array.of(
        4,
        valTypeBytes.i32,
        1,
        valTypeBytes.i64,
        1,
        valTypeBytes.f32,
        1,
        valTypeBytes.f64,
        1,
        valTypeBytes.v128,
      ),
    );
  }

  /** Writes what comes before a load or store. The operands are on the stack. */
  scalar(opcode: number, access: MemoryAccess): void {
    const stored = opcode < firstStore ? null : (storedTypes[opcode - firstStore] as ValType);
    this.#access(stored, access, scalarWidths[opcode - firstLoad] as number);
  }

  /** Writes what comes before vector instruction `sub`, which accesses memory, as scalar() does. */
  vector(sub: number, access: MemoryAccess): void {
    const hasVector = sub === vectorStore || (sub >= firstLane && sub <= lastLane);
    this.#access(hasVector ? 'v128' : null, access, vectorWidths[sub] as number);
  }

  /** Writes `memory.size` of the module's memory of the number `memory`. */
  size(memory: number): void {
    this.#writer.instruction(op.globalGet, this.#memory(memory).bytes);
    constant(this.#writer, 16);
    this.#writer.u8(op.i32ShrU);
  }

  /** Writes `memory.grow` of the module's memory of the number `memory`. */
  grow(memory: number): void {
    this.#writer.instruction(op.call, this.#memory(memory).grow);
  }

  /** Writes what comes before `memory.copy` from one memory into another, or the same. */
  copy(into: number, from: number): void {
    this.#save(2, 1);
    this.#range(into);
    this.#get(1);
    this.#range(from);
    this.#get(2);
  }

  /** Writes what comes before `memory.fill` and `memory.init`: the second operand is no address in the memory. */
  fill(memory: number): void {
    this.#save(2, 1);
    this.#range(memory);
    this.#get(1);
    this.#get(2);
  }

  /** Validation has compared the numbers in the code with the memories that the module has. */
  #memory(number: number): RelocatedMemory {
    return this.#memories[number] as RelocatedMemory;
  }

  #local(index: number): number {
    return this.#first + index;
  }

  #get(index: number): void {
    this.#writer.instruction(op.localGet, this.#local(index));
  }

  #save(...indices: readonly number[]): void {
    for (const index of indices) this.#writer.instruction(op.localSet, this.#local(index));
  }

  /** Writes the change of a pointer on the stack to the address of a range whose length is local 2. */
  #range(memory: number): void {
    this.#get(2);
    this.#writer.instruction(op.call, this.#memory(memory).range);
  }

  /** Writes the change of the pointer on the stack, below a value of type `stored` if not null, to an address. */
  #access(stored: ValType | null, { memory, offset }: MemoryAccess, width: number): void {
    const writer = this.#writer;
    const { base, bytes, bytesMin } = this.#memory(memory);
    const end = offset + width;
    const value = stored === null ? null : added.indexOf(stored, 3);
    if (value !== null) this.#save(value);
    writer.instruction(op.localTee, this.#local(0));
    writer.instruction(op.globalGet, base);
    writer.u8(op.i32Add);
    constant(writer, -1);
    this.#get(0);
    if (end <= bytesMin) {
      writer.instruction(op.globalGet, bytes);
      constant(writer, end | 0);
      writer.raw(Uint8Array.of(op.i32Sub, op.i32LeU));
    } else {
      // The difference could be negative.
      writer.u8(op.i64ExtendI32U);
      writer.u8(op.i64Const);
      writePositive(writer, end);
      writer.u8(op.i64Add);
      writer.instruction(op.globalGet, bytes);
      writer.raw(Uint8Array.of(op.i64ExtendI32U, i64LeU));
    }
    writer.u8(op.select);
    if (value !== null) this.#get(value);
  }
}

/** Writes a signed LEB128 of a value from 0 to 2^53. */
function writePositive(writer: ByteWriter, value: number): void {
  for (let left = value; ; ) {
    const low = left % 128;
    left = Math.floor(left / 128);
    if (left === 0 && low < 64) {
      writer.u8(low);
      return;
    }
    writer.u8(low | 0x80);
  }
}

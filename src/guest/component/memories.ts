/**
 * Lays the memories of a composed component out in one memory, one after the other, so that meter, limits and recycling
 * see an ordinary module. Two globals for each memory hold where it begins and how many bytes it has. The code of its
 * modules adds the first to every address and traps beyond the second (renumber.ts), so no component reaches the memory
 * of another one.
 *
 * A memory that grows moves the memories after it. The largest memory comes first: the smaller ones are moved.
 *
 * Sizes are below 4 GiB altogether, so that every address and size fits into an unsigned i32.
 */

import { PAGE_BYTES } from '../../protocol/limits.ts';
import type { ValType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { Limits32 } from '../wasm/format/model.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { componentCaps } from './caps.ts';
import type { CoreModules } from './core-modules.ts';
import type { CoreExport, CoreInstance, CoreInstanceItem, CoreItem, Graph } from './graph.ts';
import { tooLargeComponent } from './refusals.ts';

/** A memory as its component has it, and where it begins at first, in bytes. */
export interface PlacedMemory extends Limits32 {
  readonly base: number;
}

/** Names of the exports of the module that laidOut writes. */
export const memoryExports = {
  memory: 'memory',
  base: (memory: number) => `base${memory}`,
  bytes: (memory: number) => `bytes${memory}`,
  /** (pointer, length) -> address. Traps for a range outside of the memory. */
  range: (memory: number) => `range${memory}`,
  /** (pages) -> former pages; -1: the memory cannot grow. */
  grow: (memory: number) => `grow${memory}`,
} as const;

const pagesMax = 65_535;

/** What a core instance exports under a name. */
type NamedExport = Pick<CoreExport, 'instance' | 'name'>;

/** Returns what an argument of a core instance has under a name; null: nothing, or a function of the canonical ABI. */
function exportOf(given: CoreInstanceItem | undefined, name: string): NamedExport | null {
  if (given?.kind === 'instance') return { instance: given.instance, name };
  const item = given?.exports.get(name);
  return item?.kind === 'export' ? item : null;
}

export class Memories {
  /** Memories in the order in which they lie, from address 0 on. */
  readonly placed: readonly PlacedMemory[];
  readonly #graph: Graph;
  readonly #isOneMerged: boolean;
  readonly #modules: CoreModules;
  /** Indices in `placed` by the instance that defines the memories, in its order. */
  readonly #numbers = new Map<CoreInstance, number[]>();

  /**
   * `isOneMerged`: a single memory is laid out like several, for code of the linker that reaches it. Throws as
   * CoreModules.read does, and `module_too_large` beyond componentCaps.memories or 4 GiB of initial size.
   */
  constructor(graph: Graph, modules: CoreModules, subject: string, isOneMerged = false) {
    // Code that names one memory by several numbers has none of them in the fused module.
    this.#isOneMerged = isOneMerged || graph.instances.some(({ module }) => modules.read(module).memories.length > 1);
    this.#graph = graph;
    this.#modules = modules;
    const owners = graph.instances.flatMap((instance) => {
      const own = modules.read(instance.module).memories.filter((memory) => !memory.imported);
      this.#numbers.set(instance, new Array<number>(own.length));
      return own.map((memory, index) => ({ instance, own: memory, index }));
    });
    if (owners.length > componentCaps.memories)
      throw tooLargeComponent(subject, 'memories of a composed component', componentCaps.memories);
    owners.sort((left, right) => right.own.initial - left.own.initial);
    let pages = 0;
    this.placed = owners.map(({ own: { initial, maximum } }) => {
      const base = pages * PAGE_BYTES;
      pages += initial;
      return { initial, maximum, base };
    });
    if (owners.length > 1 && pages > pagesMax)
      throw tooLargeComponent(subject, 'initial pages of all memories', pagesMax);
    owners.forEach(({ instance, index }, number) => {
      (this.#numbers.get(instance) as number[])[index] = number; // set above
    });
  }

  /** Whether the memories lie in one: there are several. */
  get areMerged(): boolean {
    return this.placed.length > (this.#isOneMerged ? 0 : 1);
  }

  /**
   * Returns the numbers of the memories that the code of core instance `index` uses, in its order; null: there is none.
   */
  ofInstance(index: number): readonly (number | null)[] {
    const instance = this.#graph.instances[index];
    if (instance === undefined) return [];
    return this.#modules.read(instance.module).memories.map((_, memory) => this.#ofMemory(instance, memory));
  }

  /** Returns the number of the memory that `item` names; null if it names none. */
  ofItem(item: CoreItem): number | null {
    if (item.kind === 'canon') return null;
    const found = this.#exported(item);
    return found === null ? null : this.#ofMemory(item.instance, found);
  }

  /** Returns the index of the memory that a core instance exports under a name; null: there is none. */
  #exported({ instance, name }: NamedExport): number | null {
    const found = this.#modules.read(instance.module).exports.find((one) => one.name === name);
    return found?.kind === 'memory' ? found.index : null;
  }

  /** Returns whether two items name one memory. A component with one memory at most has no other. */
  areSame(one: CoreItem, other: CoreItem): boolean {
    return !this.areMerged || this.ofItem(one) === this.ofItem(other);
  }

  /** Follows the import of memory `index` of an instance. Every step leads to an earlier instance, so the steps end. */
  #ofMemory(from: CoreInstance, index: number): number | null {
    for (let [instance, memory] = [from, index]; ; ) {
      const imported = this.#modules.read(instance.module).otherImports.filter((one) => one.kind === 'memory');
      const wanted = imported[memory];
      if (wanted === undefined) return this.#numbers.get(instance)?.[memory - imported.length] ?? null;
      const given = exportOf(instance.args.get(wanted.module), wanted.name);
      const found = given === null ? null : this.#exported(given);
      if (given === null || found === null) return null;
      [instance, memory] = [given.instance, found];
    }
  }

  /** Returns a core module with the memory that holds all memories, and the functions and globals of memoryExports. */
  laidOut(): Uint8Array {
    const { placed } = this;
    const count = placed.length;
    const writer = new ByteWriter(1024);
    writer.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    writer.section(1, () => {
      writer.u32(2);
      writeType(writer, ['i32', 'i32']);
      writeType(writer, ['i32']);
    });
    writer.section(3, () => {
      writer.u32(2 * count);
      for (let index = 0; index < count; index += 1) writer.raw(Uint8Array.of(0, 1));
    });
    writer.section(5, () => {
      writer.raw(Uint8Array.of(1, 1));
      writer.u32(placed.reduce((sum, { initial }) => sum + initial, 0));
      writer.u32(pagesMax);
    });
    writer.section(6, () => {
      writer.u32(2 * count);
      for (const { base, initial } of placed)
        for (const value of [base, initial * PAGE_BYTES]) {
          writer.raw(Uint8Array.of(valTypeBytes.i32, 1));
          constant(writer, value | 0);
          writer.u8(op.end);
        }
    });
    writer.section(7, () => {
      writer.u32(4 * count + 1);
      const item = (name: string, kind: number, index: number): void => {
        writer.name(name);
        writer.u8(kind);
        writer.u32(index);
      };
      item(memoryExports.memory, 2, 0);
      placed.forEach((_, index) => {
        item(memoryExports.base(index), 3, 2 * index);
        item(memoryExports.bytes(index), 3, 2 * index + 1);
        item(memoryExports.range(index), 0, 2 * index);
        item(memoryExports.grow(index), 0, 2 * index + 1);
      });
    });
    writer.section(10, () => {
      writer.u32(2 * count);
      placed.forEach((_, index) => {
        writer.sized(() => writeRange(writer, index));
        writer.sized(() => this.#writeGrow(writer, index));
      });
    });
    return writer.view();
  }

  /**
   * Writes `memory.grow` of one memory: grows the whole memory, moves the memories behind this one up and fills the gap
   * with zeros. Parameter and local 0: pages, then bytes; local 1: former pages; local 2: address of the gap.
   */
  #writeGrow(code: ByteWriter, memory: number): void {
    const last = this.placed.length - 1;
    const most = Math.min(this.placed[memory]?.maximum ?? pagesMax, pagesMax);
    code.raw(Uint8Array.of(1, 2, valTypeBytes.i32));
    code.instruction(op.globalGet, bytesOf(memory));
    constant(code, 16);
    code.u8(op.i32ShrU);
    code.instruction(op.localSet, 1);
    // Nothing to move for no pages.
    code.instruction(op.localGet, 0);
    code.u8(op.i32Eqz);
    code.raw(Uint8Array.of(op.if, emptyBlock));
    code.instruction(op.localGet, 1);
    code.raw(Uint8Array.of(op.return, op.end));
    // pages > most - former pages; a memory never has more than `most`.
    code.instruction(op.localGet, 0);
    constant(code, most);
    code.instruction(op.localGet, 1);
    code.raw(Uint8Array.of(op.i32Sub, op.i32GtU, op.if, emptyBlock));
    constant(code, -1);
    code.raw(Uint8Array.of(op.return, op.end));
    code.instruction(op.localGet, 0);
    code.raw(Uint8Array.of(op.memoryGrow, 0));
    constant(code, -1);
    code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
    constant(code, -1);
    code.raw(Uint8Array.of(op.return, op.end));
    code.instruction(op.localGet, 0);
    constant(code, 16);
    code.u8(i32Shl);
    code.instruction(op.localSet, 0);
    if (memory < last) {
      code.instruction(op.globalGet, baseOf(memory + 1));
      code.instruction(op.localTee, 2);
      code.instruction(op.localGet, 0);
      code.u8(op.i32Add);
      code.instruction(op.localGet, 2);
      code.instruction(op.globalGet, baseOf(last));
      code.instruction(op.globalGet, bytesOf(last));
      code.u8(op.i32Add);
      code.instruction(op.localGet, 2);
      code.u8(op.i32Sub);
      code.raw(Uint8Array.of(op.prefixBulk, 10, 0, 0));
      code.instruction(op.localGet, 2);
      constant(code, 0);
      code.instruction(op.localGet, 0);
      code.raw(Uint8Array.of(op.prefixBulk, 11, 0));
    }
    for (let behind = memory + 1; behind <= last; behind += 1) addTo(code, baseOf(behind));
    addTo(code, bytesOf(memory));
    code.instruction(op.localGet, 1);
    code.u8(op.end);
  }
}

const i32Shl = 0x74;
const i64GtU = 0x56;
const baseOf = (memory: number): number => 2 * memory;
const bytesOf = (memory: number): number => 2 * memory + 1;

function addTo(code: ByteWriter, global: number): void {
  code.instruction(op.globalGet, global);
  code.instruction(op.localGet, 0);
  code.u8(op.i32Add);
  code.instruction(op.globalSet, global);
}

function writeRange(code: ByteWriter, memory: number): void {
  code.u8(0);
  code.instruction(op.localGet, 0);
  code.u8(op.i64ExtendI32U);
  code.instruction(op.localGet, 1);
  code.raw(Uint8Array.of(op.i64ExtendI32U, op.i64Add));
  code.instruction(op.globalGet, bytesOf(memory));
  code.raw(Uint8Array.of(op.i64ExtendI32U, i64GtU, op.if, emptyBlock, op.unreachable, op.end));
  code.instruction(op.globalGet, baseOf(memory));
  code.instruction(op.localGet, 0);
  code.raw(Uint8Array.of(op.i32Add, op.end));
}

/** Writes a function type with one i32 result. */
function writeType(writer: ByteWriter, params: readonly ValType[]): void {
  writer.u8(0x60);
  writer.u32(params.length);
  for (const type of params) writer.u8(valTypeBytes[type]);
  writer.raw(Uint8Array.of(1, valTypeBytes.i32));
}

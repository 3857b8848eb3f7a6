/**
 * Writes the state that a start-up has left as an ordinary module: instantiation gives its memory, globals and tables.
 * All indices stay the same, and so does the code; the module is metered, instantiated and recycled like any other.
 */
import { PAGE_BYTES } from '../../../protocol/limits.ts';
import { op } from '../format/instructions.ts';
import { exportKinds, type Module } from '../format/model.ts';
import { writeLimits } from '../format/sections/import.ts';
import { valTypeBytes } from '../format/types.ts';
import type { ByteWriter } from '../format/writer.ts';
import { imageParts } from './image.ts';
import {
  type DataEntry,
  dataEntries,
  type ElementEntry,
  elementEntries,
  globalEntries,
  replaceSections,
  type SectionWriter,
} from './sections.ts';
import { resumeName, startUpNames, takesNothing } from './start-up.ts';

/**
 * Value of a mutable global. Floats as their bits, a v128 as its two halves, the lower first; funcref: function index.
 */
export type GlobalValue =
  | { readonly type: 'i32' | 'f32'; readonly bits: number }
  | { readonly type: 'i64' | 'f64'; readonly bits: bigint }
  | { readonly type: 'v128'; readonly halves: readonly [bigint, bigint] }
  | { readonly type: 'funcref'; readonly index: number | null };

/** State of an instance after its start-up. */
export interface Frozen {
  /** All bytes of the memory up to memory.size; null for a module without a memory. */
  readonly memory: Uint8Array | null;
  /** New values of globals by index; other globals keep their initialisers. */
  readonly globals: ReadonlyMap<number, GlobalValue>;
  /** Function index of every entry of each table of functions, by table index. Null if no code can change tables. */
  readonly tables: ReadonlyMap<number, readonly (number | null)[]> | null;
  /** Indices of the passive data segments that have been dropped. */
  readonly droppedData: ReadonlySet<number>;
  readonly droppedElements: ReadonlySet<number>;
}

/** Returns the snapshot of `module`, which has been read completely and is valid, in the state `frozen`. */
export function freeze(module: Module, frozen: Frozen): Uint8Array {
  const { memory, tables } = frozen;
  const undeclared = replacedFunctions(module, frozen);
  const data = dataEntries(module);
  const parts = memory === null ? [] : imageParts(memory);
  // Without a data count section, code cannot name data segments, so the module's own are left out.
  const kept = module.dataCount === null ? [] : data;
  const segments = kept.length + parts.length;
  return replaceSections(module, {
    4: tables === null ? copied(module, 4) : (writer, own) => own && writeTables(writer, module, tables),
    5: (writer, own) => own && memory !== null && writeMemory(writer, module, memory),
    6: (writer, own) => own && writeGlobals(writer, module, frozen.globals),
    7: (writer, own) => own && writeExports(writer, module),
    8: () => undefined,
    9: (writer) => writeElements(writer, module, frozen, undeclared),
    11: (writer) => {
      if (segments === 0) return;
      writer.section(11, () => {
        writer.u32(segments);
        for (const [index, entry] of kept.entries()) writeData(writer, module, entry, frozen.droppedData.has(index));
        for (const { start, end } of parts) {
          writer.u8(0);
          offset(writer, start);
          writer.u32(end - start);
          writer.raw(memory as Uint8Array, start, end); // parts lie in the memory
        }
      });
    },
    12: (writer, own) => own && writer.section(12, () => writer.u32(segments)),
  });
}

function copied(module: Module, id: number): SectionWriter {
  return (writer, own) => own && writer.section(id, () => writer.raw(module.bytes, own.start, own.end));
}

function writeMemory(writer: ByteWriter, module: Module, memory: Uint8Array): void {
  writer.section(5, () => {
    writer.u32(1);
    writeLimits(writer, { initial: memory.length / PAGE_BYTES, maximum: module.memories[0]?.maximum ?? null });
  });
}

function writeTables(
  writer: ByteWriter,
  module: Module,
  tables: ReadonlyMap<number, readonly (number | null)[]>,
): void {
  writer.section(4, () => {
    writer.u32(module.tables.length);
    for (const [index, { element, initial, maximum }] of module.tables.entries()) {
      writer.u8(valTypeBytes[element]);
      writeLimits(writer, { initial: tables.get(index)?.length ?? initial, maximum });
    }
  });
}

function writeGlobals(writer: ByteWriter, module: Module, values: ReadonlyMap<number, GlobalValue>): void {
  const entries = globalEntries(module);
  const imported = module.globals.length - entries.length;
  writer.section(6, () => {
    writer.u32(entries.length);
    for (const [place, { start, initialiser, end }] of entries.entries()) {
      const value = values.get(place + imported);
      if (value === undefined) {
        writer.raw(module.bytes, start, end);
        continue;
      }
      writer.raw(module.bytes, start, initialiser);
      writeValue(writer, value);
      writer.u8(op.end);
    }
  });
}

function writeValue(writer: ByteWriter, value: GlobalValue): void {
  switch (value.type) {
    case 'i32':
      writer.u8(op.i32Const);
      writer.s32(value.bits);
      return;
    case 'i64':
      writer.u8(op.i64Const);
      s64(writer, value.bits);
      return;
    case 'f32':
      writer.u8(op.f32Const);
      littleEndian(writer, BigInt(value.bits), 4);
      return;
    case 'f64':
      writer.u8(op.f64Const);
      littleEndian(writer, value.bits, 8);
      return;
    case 'v128':
      writer.instruction(op.prefixVector, 12);
      for (const half of value.halves) littleEndian(writer, half, 8);
      return;
    case 'funcref':
      reference(writer, value.index);
  }
}

/** Writes the start-up's exports under names that nothing calls, so that `ref.func` of their functions stays valid. */
function writeExports(writer: ByteWriter, module: Module): void {
  const names = new Set(module.exports.map(({ name }) => name));
  const aside = (name: string): string => (names.has(`started.${name}`) ? aside(`started.${name}`) : `started.${name}`);
  const resumes =
    names.has('_start') &&
    module.exports.some(
      ({ name, kind, index }) => name === resumeName && kind === 'function' && takesNothing(module, index),
    );
  const renamed = (name: string): string => {
    if (startUpNames.includes(name)) return aside(name);
    if (!resumes) return name;
    return name === resumeName ? '_start' : name === '_start' ? aside(name) : name;
  };
  writer.section(7, () => {
    writer.u32(module.exports.length);
    for (const { name, kind, index } of module.exports) {
      writer.name(renamed(name));
      writer.u8(exportKinds.indexOf(kind));
      writer.u32(index);
    }
  });
}

/**
 * Writes the element segments. If code can change tables, active segments, which instantiation has used up, become
 * declarative: those have length 0 too and still declare their functions for `ref.func`. The tables' entries become
 * segments of their own after them.
 */
function writeElements(writer: ByteWriter, module: Module, frozen: Frozen, undeclared: readonly number[]): void {
  const own = elementEntries(module);
  const tables = [...(frozen.tables ?? [])].filter(([, entries]) => entries.some((entry) => entry !== null));
  const count = own.length + tables.length + (undeclared.length > 0 ? 1 : 0);
  if (count === 0) return;
  writer.section(9, () => {
    writer.u32(count);
    for (const [index, entry] of own.entries()) {
      const isUsedUp = frozen.droppedElements.has(index) || (entry.kind === 'active' && frozen.tables !== null);
      if (isUsedUp) writeDeclarative(writer, module, entry);
      else writer.raw(module.bytes, entry.start, entry.end);
    }
    for (const [index, entries] of tables) writeTableEntries(writer, index, entries);
    if (undeclared.length > 0) {
      writer.u8(3);
      writer.u8(0);
      writer.u32(undeclared.length);
      for (const index of undeclared) writer.u32(index);
    }
  });
}

function writeDeclarative(writer: ByteWriter, module: Module, entry: ElementEntry): void {
  writer.u8(entry.hasExpressions ? 7 : 3);
  writer.u8(entry.hasExpressions ? valTypeBytes[entry.type] : 0);
  writer.raw(module.bytes, entry.list, entry.end);
}

function writeTableEntries(writer: ByteWriter, table: number, entries: readonly (number | null)[]): void {
  const first = entries.findIndex((entry) => entry !== null);
  const used = entries.slice(first, entries.findLastIndex((entry) => entry !== null) + 1);
  const hasHoles = used.includes(null);
  writer.u8(hasHoles ? 6 : 2);
  writer.u32(table);
  offset(writer, first);
  writer.u8(hasHoles ? valTypeBytes.funcref : 0);
  writer.u32(used.length);
  for (const index of used) {
    if (!hasHoles)
      writer.u32(index as number); // no holes
    else {
      reference(writer, index);
      writer.u8(op.end);
    }
  }
}

/** Writes a data segment of the module's own. A dropped one gets no bytes, as after data.drop. */
function writeData(writer: ByteWriter, module: Module, entry: DataEntry, isDropped: boolean): void {
  if (entry.isPassive && !isDropped) writer.raw(module.bytes, entry.start, entry.end);
  else writer.raw(Uint8Array.of(1, 0));
}

/** Returns the functions that the initialisers of replaced globals declare for `ref.func`, each once. */
function replacedFunctions(module: Module, { globals }: Frozen): readonly number[] {
  const entries = globalEntries(module);
  const imported = module.globals.length - entries.length;
  const replaced = entries.filter((_, place) => globals.get(place + imported)?.type === 'funcref');
  const uses = module.functionIndexUses;
  const found = new Set<number>();
  for (let at = 0; at < uses.length; at += 3)
    for (const { initialiser, end } of replaced)
      if ((uses[at] as number) >= initialiser && (uses[at] as number) < end) found.add(uses[at + 2] as number);
  return [...found];
}

/** Writes an offset expression: an i32.const of the unsigned number `value`, and `end`. */
function offset(writer: ByteWriter, value: number): void {
  writer.u8(op.i32Const);
  writer.s32(value | 0);
  writer.u8(op.end);
}

function reference(writer: ByteWriter, index: number | null): void {
  if (index === null) {
    writer.u8(op.refNull);
    writer.u8(valTypeBytes.funcref);
  } else writer.instruction(op.refFunc, index);
}

function s64(writer: ByteWriter, value: bigint): void {
  let rest = BigInt.asIntN(64, value);
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
    writer.u8(isLast ? byte : byte | 0x80);
    if (isLast) return;
  }
}

function littleEndian(writer: ByteWriter, value: bigint, bytes: number): void {
  let rest = BigInt.asUintN(bytes * 8, value);
  for (let at = 0; at < bytes; at += 1) {
    writer.u8(Number(rest & 0xffn));
    rest >>= 8n;
  }
}

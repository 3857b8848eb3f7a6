/**
 * Puts the rewritten module together and confines it. The guest's memory becomes the import trisiel.memory, its start
 * function the hidden export trisiel.start. Hidden exports let an instance be restored: a function that resets the
 * mutable globals, the size of the reserve (helpers.ts) and the table. A vetted module keeps only those of its own
 * exports that the kernel calls, since the engine makes an object for each export of each instance. All added items
 * have higher indices than the guest's, and the guest's indices were checked before, so the guest cannot name an added
 * item.
 */

import { type Export, findSection, type Module, type Section, sectionOrder } from '../format/model.ts';
import { writeCustom } from '../format/sections/custom.ts';
import { writeElements } from '../format/sections/element.ts';
import { hiddenPrefix, writeExports } from '../format/sections/export.ts';
import { writeFunctions } from '../format/sections/function.ts';
import { writeGlobals } from '../format/sections/global.ts';
import { writeImports } from '../format/sections/import.ts';
import { writeTables } from '../format/sections/table.ts';
import { writeTypes } from '../format/sections/type.ts';
import { shiftedFunction } from '../format/shift.ts';
import { ByteWriter } from '../format/writer.ts';
import type { LineMarks } from '../lines/line-marks.ts';
import { writeLineTable } from '../lines/line-table.ts';
import type { BranchHints } from './branch-hints.ts';
import { gasType, type HelperIndices, helperTypes, restoreType, slowType, workType } from './helpers.ts';

export const hidden = {
  gas: 'gas',
  memory: 'memory',
  gasLeft: `${hiddenPrefix}gas_left`,
  reserve: `${hiddenPrefix}reserve`,
  restore: `${hiddenPrefix}restore`,
  start: `${hiddenPrefix}start`,
  table: `${hiddenPrefix}table`,
  global: (index: number) => `${hiddenPrefix}global.${index}`,
  profile: (functionIndex: number) => `${hiddenPrefix}profile.${functionIndex}`,
} as const;

/**
 * Indices of what rewriting adds. `types` has those of function types: of the import gas, of `$slow`, of helpers for
 * work, of `$restore`.
 */
export interface Layout {
  readonly indices: HelperIndices;
  readonly types: { readonly gas: number; readonly slow: number; readonly work: number; readonly restore: number };
  readonly hasMemory: boolean;
  /** Index of the first i64 global of a profile build; null in other builds. */
  readonly profileGlobals: number | null;
}

/** Returns the indices of all items that rewriting adds. */
export function layOut(module: Module, profile: boolean): Layout {
  const functions = module.functionTypes.length + 1;
  const types = module.types.length;
  const left = module.globals.length;
  const hasMemory = module.memories.length > 0;
  return {
    indices: {
      gas: module.functionImports.length,
      left,
      reserve: left + 1,
      slow: functions,
      settle: functions + 1,
      tableEntries: functions + 2,
      restore: functions + 3,
      memoryBytes: functions + 4,
      memoryGrow: functions + 5,
    },
    types: { gas: types, slow: types + 1, work: types + 2, restore: types + 3 },
    hasMemory,
    profileGlobals: profile ? left + addedGlobals(hasMemory) : null,
  };
}

/** Returns the number of added i32 globals: the counter and, with a memory, the reserve. */
function addedGlobals(hasMemory: boolean): number {
  return hasMemory ? 2 : 1;
}

export interface AssembleOptions {
  readonly layout: Layout;
  readonly code: ByteWriter;
  readonly hints: BranchHints;
  /** Source lines of `code`; null: none. */
  readonly marks: LineMarks | null;
  /** Upper bound on the maximum of every table; infinity leaves tables unchanged. */
  readonly tableEntriesMax: number;
  /** Names of the module's own exports to keep; null keeps all and exports every mutable global too. */
  readonly exportsKept: readonly string[] | null;
}

/**
 * Returns the binary of the rewritten module: the sections of `module` with all additions, and its custom sections at
 * their places.
 */
export function assemble(module: Module, options: AssembleOptions): Uint8Array {
  const writer = new ByteWriter(module.bytes.length + options.code.length + 4096);
  writer.raw(module.bytes, 0, 8);
  const customs = module.sections.filter((section) => section.id === 0);
  let custom = 0;
  const customsUpTo = (rank: number) => {
    for (; custom < customs.length && customs[custom]!.rank <= rank; custom++)
      writeCustom(writer, module, customs[custom]!);
  };
  customsUpTo(-1);
  let codeStart = 0;
  for (const [rank, id] of sectionOrder.entries()) {
    if (id === 10) options.hints.write(writer);
    writeSection(writer, module, id, findSection(module, id), options);
    if (id === 10) codeStart = writer.length - options.code.length;
    customsUpTo(rank);
  }
  if (options.marks !== null) writeLineTable(writer, options.marks, codeStart);
  return writer.view();
}

function writeSection(
  writer: ByteWriter,
  module: Module,
  id: (typeof sectionOrder)[number],
  own: Section | undefined,
  options: AssembleOptions,
): void {
  const { layout } = options;
  if (id === 1) writeTypes(writer, module, own, [gasType, slowType, workType, restoreType]);
  else if (id === 2)
    writeImports(writer, module, own, {
      gas: { name: hidden.gas, type: layout.types.gas },
      memory: ownMemory(module),
    });
  else if (id === 3) writeFunctions(writer, module, own, helperTypes(layout.types, layout.hasMemory));
  else if (id === 6)
    writeGlobals(writer, module, own, {
      i32: addedGlobals(layout.hasMemory),
      i64: layout.profileGlobals === null ? 0 : module.functionTypes.length - module.functionImports.length,
    });
  else if (id === 7) writeExports(writer, module, { kept: options.exportsKept, added: hiddenExports(module, options) });
  else if (id === 10) writer.section(id, () => writer.raw(options.code.view()));
  else if (id === 9) writeElements(writer, module, own, undeclared(module, options.exportsKept));
  else if (own === undefined || movedOut.includes(id)) return;
  else if (id === 4) writeTables(writer, module, options.tableEntriesMax);
  else writer.section(id, () => writer.raw(module.bytes, own.start, own.end));
}

/**
 * Returns functions that lose their export. `ref.func` may name them because they were exported, so an element segment
 * must declare them.
 */
function undeclared(module: Module, kept: readonly string[] | null): readonly number[] {
  if (kept === null) return [];
  const dropped = module.exports.filter(({ name, kind }) => kind === 'function' && !kept.includes(name));
  return [...new Set(dropped.map(({ index }) => shiftedFunction(module, index)))];
}

/** Ids of sections that are dropped: memory (now an import) and start (now an export). */
const movedOut: readonly number[] = [5, 8];

/** Returns the memory that the module itself defines, if any. */
export function ownMemory(module: Module) {
  const memory = module.memories.find((entry) => !entry.imported);
  return memory === undefined ? null : { ...memory, name: hidden.memory };
}

/** Returns the table that an instance is restored from: the first one, if the module itself defines it. */
export function ownTable(module: Module) {
  const table = module.tables[0];
  return table === undefined || table.imported ? null : table;
}

/** Returns whether `module` has a mutable global of its own. */
export function hasState(module: Module): boolean {
  return module.globals.some(({ mutable, imported }) => mutable && !imported);
}

function hiddenExports(module: Module, { layout, exportsKept }: AssembleOptions): Export[] {
  const added: Export[] = [{ name: hidden.gasLeft, kind: 'global', index: layout.indices.left }];
  if (layout.hasMemory) added.push({ name: hidden.reserve, kind: 'global', index: layout.indices.reserve });
  if (module.start !== null)
    added.push({ name: hidden.start, kind: 'function', index: shiftedFunction(module, module.start) });
  if (hasState(module)) added.push({ name: hidden.restore, kind: 'function', index: layout.indices.restore });
  for (const [index, global] of exportsKept === null ? module.globals.entries() : [])
    if (global.mutable && !global.imported) added.push({ name: hidden.global(index), kind: 'global', index });
  if (ownTable(module) !== null) added.push({ name: hidden.table, kind: 'table', index: 0 });
  if (layout.profileGlobals !== null)
    for (let index = module.functionImports.length; index < module.functionTypes.length; index++)
      added.push({
        name: hidden.profile(index),
        kind: 'global',
        index: layout.profileGlobals + index - module.functionImports.length,
      });
  return added;
}

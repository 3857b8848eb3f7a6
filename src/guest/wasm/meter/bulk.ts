/**
 * Reads bulk memory and table instructions, which have the prefix 0xfc (core specification, 5.4.6, 5.4.7): their
 * immediates, the state that they change in an instance, and the helper that charges for their work.
 */
import { op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { bulk } from '../format/opcodes.ts';
import { editKind, type WorkKind } from './edits.ts';
import type { ImmediateReader } from './immediates.ts';

/** Kinds of state, besides memory and globals, that code changes (protocol/module.ts, InstancePlan). */
export interface Mutations {
  table: boolean;
  segments: boolean;
}

type Immediate = 'data' | 'element' | 'memory' | 'table';

interface BulkRow {
  readonly name: string;
  readonly immediates: readonly Immediate[];
  /** Change of the height of the operand stack. */
  readonly delta: number;
  readonly mutates?: keyof Mutations;
  readonly work?: WorkKind;
}

const { memoryBytes, tableEntries } = editKind;

/** Instructions by their number after the prefix. Numbers 0 to 7 are conversions, which have no immediates. */
const rows: Readonly<Record<number, BulkRow>> = {
  [bulk.memoryInit]: { name: 'memory.init', immediates: ['data', 'memory'], delta: -3, work: memoryBytes },
  [bulk.dataDrop]: { name: 'data.drop', immediates: ['data'], delta: 0, mutates: 'segments' },
  [bulk.memoryCopy]: { name: 'memory.copy', immediates: ['memory', 'memory'], delta: -3, work: memoryBytes },
  [bulk.memoryFill]: { name: 'memory.fill', immediates: ['memory'], delta: -3, work: memoryBytes },
  [bulk.tableInit]: {
    name: 'table.init',
    immediates: ['element', 'table'],
    delta: -3,
    mutates: 'table',
    work: tableEntries,
  },
  [bulk.elemDrop]: { name: 'elem.drop', immediates: ['element'], delta: 0, mutates: 'segments' },
  [bulk.tableCopy]: {
    name: 'table.copy',
    immediates: ['table', 'table'],
    delta: -3,
    mutates: 'table',
    work: tableEntries,
  },
  [bulk.tableGrow]: { name: 'table.grow', immediates: ['table'], delta: -1, mutates: 'table', work: tableEntries },
  [bulk.tableSize]: { name: 'table.size', immediates: ['table'], delta: 1 },
  [bulk.tableFill]: { name: 'table.fill', immediates: ['table'], delta: -3, mutates: 'table', work: tableEntries },
};

export interface BulkInstruction {
  /** Change of the height of the operand stack. */
  readonly delta: number;
  /** Helper that charges for the work of the instruction; null: it does no work. */
  readonly work: WorkKind | null;
}

const conversion: BulkInstruction = { delta: 0, work: null };

/**
 * Reads the number `sub` and the immediates of the instruction whose prefix is at `offset`, and notes in `mutates` the
 * state that it changes. Throws as ImmediateReader does.
 */
export function readBulk(
  sub: number,
  offset: number,
  { module, immediates, mutates }: { module: Module; immediates: ImmediateReader; mutates: Mutations },
): BulkInstruction {
  if (sub < bulk.memoryInit) {
    module.features.add('nontrapping-float-to-int');
    return conversion;
  }
  module.features.add(sub >= bulk.tableGrow ? 'reference-types' : 'bulk-memory');
  const row = rows[sub];
  if (row === undefined) return immediates.failPrefixed(op.prefixBulk, sub, offset);
  for (const immediate of row.immediates) {
    if (immediate === 'data') immediates.dataSegment(row.name, offset);
    else if (immediate === 'element') immediates.elementSegment();
    else if (immediate === 'memory') immediates.memoryIndex(row.name);
    else immediates.tableIndex();
  }
  if (row.mutates !== undefined) mutates[row.mutates] = true;
  return { delta: row.delta, work: row.work ?? null };
}

/**
 * Makes the probe of a module: the module with added functions that run its start-up and return the state that it has
 * left, if JavaScript cannot read that state, or not exactly. Added items take no index and no name that the module
 * knows, so the start-up does the same in the probe as in the module.
 */
import type { FuncType, ValType } from '../../../protocol/module.ts';
import { constant, op } from '../format/instructions.ts';
import type { Module } from '../format/model.ts';
import { exportKinds } from '../format/model.ts';
import { valTypeBytes } from '../format/types.ts';
import type { ByteWriter } from '../format/writer.ts';
import { appended, dataEntries, elementEntries, replaceSections } from './sections.ts';
import type { StartUp } from './start-up.ts';

/** Names of a probe's exports. `index` and `segment` are indices in the module. */
export interface StartUpProbe {
  readonly bytes: Uint8Array;
  /** Name of the function () -> () that runs the start-up. */
  readonly run: string;
  /** Name of the i32 global that is 1 once the start-up has returned. */
  readonly done: string;
  /**
   * Mutable globals, each with a function that returns its value: i32 for an i32 and for the bits of an f32, i64 for an
   * i64 and for the bits of an f64, two i64 for a v128, the reference for a funcref.
   */
  readonly globals: readonly { readonly index: number; readonly type: ValType; readonly read: string }[];
  /** Tables of functions, with the name of each export. */
  readonly tables: readonly { readonly index: number; readonly table: string }[];
  /** Passive segments, each with a function () -> () that traps where the segment has been dropped. */
  readonly data: readonly { readonly segment: number; readonly holds: string }[];
  /** Element segments, as `data`. */
  readonly elements: readonly { readonly segment: number; readonly holds: string }[];
}

interface Added {
  readonly name: string;
  readonly type: FuncType;
  readonly body: (writer: ByteWriter) => void;
}

const nothing: FuncType = { params: [], results: [] };

/** Returns the probe of `module`, which has been read completely and is valid. */
export function makeProbe(module: Module, startUp: StartUp): StartUpProbe {
  const prefix = unusedPrefix(module);
  const functions: Added[] = [];
  const add = (what: string, type: FuncType, body: Added['body']): string => {
    const name = `${prefix}${what}`;
    functions.push({ name, type, body });
    return name;
  };
  const done = module.globals.length;
  const run = add('run', nothing, (writer) => {
    for (const index of startUp.functions) writer.instruction(op.call, index);
    constant(writer, 1);
    writer.instruction(op.globalSet, done);
  });
  const globals = module.globals.flatMap(({ type, mutable }, index) =>
    mutable && type !== 'externref'
      ? [{ index, type, read: add(`global.${index}`, { params: [], results: readAs[type] }, readGlobal(type, index)) }]
      : [],
  );
  const data = dataEntries(module).flatMap(({ isPassive, size }, segment) =>
    isPassive && size > 0 && module.dataCount !== null && module.memories.length > 0
      ? [{ segment, holds: add(`data.${segment}`, nothing, initialise(8, [segment, 0], size)) }]
      : [],
  );
  const elements = elementEntries(module).flatMap(({ kind, size, type }, segment) => {
    // Without a table of its type nothing can tell whether a segment has been dropped.
    const table = module.tables.findIndex(({ element }) => element === type);
    return kind === 'passive' && size > 0 && table >= 0
      ? [{ segment, holds: add(`elements.${segment}`, nothing, initialise(12, [segment, table], size)) }]
      : [];
  });
  const tables = module.tables.flatMap(({ element }, index) =>
    element === 'funcref' ? [{ index, table: `${prefix}table.${index}` }] : [],
  );
  return {
    bytes: write(module, { functions, tables, done: { name: `${prefix}done`, index: done } }),
    run,
    done: `${prefix}done`,
    globals,
    tables,
    data,
    elements,
  };
}

/** Returns a prefix with which no export name of the module begins. */
function unusedPrefix(module: Module): string {
  let prefix = 'probe.';
  while (module.exports.some(({ name }) => name.startsWith(prefix))) prefix = `_${prefix}`;
  return prefix;
}

const readAs: Readonly<Record<ValType, readonly ValType[]>> = {
  i32: ['i32'],
  f32: ['i32'],
  i64: ['i64'],
  f64: ['i64'],
  v128: ['i64', 'i64'],
  funcref: ['funcref'],
  externref: ['externref'],
  exnref: ['exnref'],
};

const op2 = { i32ReinterpretF32: 0xbc, i64ReinterpretF64: 0xbd, i64x2ExtractLane: 29 } as const;

function readGlobal(type: ValType, index: number): Added['body'] {
  return (writer) => {
    writer.instruction(op.globalGet, index);
    if (type === 'f32') writer.u8(op2.i32ReinterpretF32);
    if (type === 'f64') writer.u8(op2.i64ReinterpretF64);
    if (type !== 'v128') return;
    lane(writer, 0);
    writer.instruction(op.globalGet, index);
    lane(writer, 1);
  };
}

function lane(writer: ByteWriter, index: number): void {
  writer.instruction(op.prefixVector, op2.i64x2ExtractLane);
  writer.u8(index);
}

/**
 * Returns code for memory.init or table.init (`sub`) of no entry at the end of the segment. A dropped segment has
 * length 0, so its end lies outside of it and the instruction traps; nothing is copied either way (core specification,
 * 4.6 memory.init).
 */
function initialise(sub: number, immediates: readonly number[], size: number): Added['body'] {
  return (writer) => {
    constant(writer, 0);
    constant(writer, size);
    constant(writer, 0);
    writer.instruction(op.prefixBulk, sub);
    for (const value of immediates) writer.u32(value);
  };
}

function write(
  module: Module,
  {
    functions,
    tables,
    done,
  }: {
    readonly functions: readonly Added[];
    readonly tables: StartUpProbe['tables'];
    readonly done: { readonly name: string; readonly index: number };
  },
): Uint8Array {
  const exported = (name: string, kind: (typeof exportKinds)[number], index: number) => (writer: ByteWriter) => {
    writer.name(name);
    writer.u8(exportKinds.indexOf(kind));
    writer.u32(index);
  };
  const firstType = module.types.length;
  const firstFunction = module.functionTypes.length;
  return replaceSections(module, {
    1: appended(
      module,
      1,
      functions.map(({ type }) => (writer) => {
        writer.u8(0x60);
        for (const list of [type.params, type.results]) {
          writer.u32(list.length);
          for (const one of list) writer.u8(valTypeBytes[one]);
        }
      }),
    ),
    3: appended(
      module,
      3,
      functions.map((_, index) => (writer) => writer.u32(firstType + index)),
    ),
    6: appended(module, 6, [(writer) => writer.raw(Uint8Array.of(valTypeBytes.i32, 1, op.i32Const, 0, op.end))]),
    7: appended(module, 7, [
      ...functions.map(({ name }, index) => exported(name, 'function', firstFunction + index)),
      ...tables.map(({ table, index }) => exported(table, 'table', index)),
      exported(done.name, 'global', done.index),
    ]),
    10: appended(
      module,
      10,
      functions.map(({ body }) => (writer) => {
        writer.sized(() => {
          writer.u32(0);
          body(writer);
          writer.u8(op.end);
        });
      }),
    ),
  });
}

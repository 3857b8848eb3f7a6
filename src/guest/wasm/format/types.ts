/** Reads value types, reference types, limits and block types, for every section (5.3). */
import type { ValType } from '../../../protocol/module.ts';
import { type CapName, caps } from './caps.ts';
import { refusedTypes } from './features.ts';
import { op } from './instructions.ts';
import type { Limits32, Module } from './model.ts';
import type { ByteReader } from './reader.ts';

const valTypes: Readonly<Record<number, ValType>> = {
  127: 'i32',
  126: 'i64',
  125: 'f32',
  124: 'f64',
  123: 'v128',
  112: 'funcref',
  111: 'externref',
  105: 'exnref',
};
export const valTypeBytes: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
  exnref: 0x69,
};

/** Thrown to stop the reading: at a refused feature whose layout is unknown, or at a count far beyond its cap. */
export class RefusedHere extends Error {}

/**
 * Multiple of its cap at which a count ends the reading. To keep a million names only to list what else is wrong with
 * the module took 8 s of the time that a push may take.
 */
const hopelessTimes = 10;

/** Returns `count`, the number of items that `cap` limits. Throws RefusedHere beyond `hopelessTimes` the cap. */
export function countCapped(module: Module, cap: CapName, count: number): number {
  if (count > hopelessTimes * caps[cap].limit) {
    module.hopeless = { cap, value: count, functionIndex: null };
    throw new RefusedHere();
  }
  return count;
}

/** Records a refused use and throws RefusedHere. */
export function refuse(module: Module, use: Omit<Module['refused'][number], 'functionIndex'>): never {
  module.refused.push({ ...use, functionIndex: null });
  throw new RefusedHere();
}

/** Returns the value type of `byte`, which was read at `offset`. */
export function toValType(reader: ByteReader, module: Module, byte: number, offset: number): ValType {
  const type = valTypes[byte];
  if (type !== undefined) {
    if (type === 'v128') module.features.add('simd');
    else if (type === 'funcref' || type === 'externref') module.features.add('reference-types');
    else if (type === 'exnref') module.features.add('exceptions');
    return type;
  }
  const refused = refusedTypes[byte];
  if (refused !== undefined) refuse(module, { ...refused, offset });
  return reader.fail(`invalid value type 0x${byte.toString(16)}`, offset);
}

/**
 * Reads a value type, and notes the features that it needs in `module`. Throws `module_invalid` for a byte that is
 * none, RefusedHere for a type that is not supported.
 */
export function readValType(reader: ByteReader, module: Module): ValType {
  const offset = reader.pos;
  return toValType(reader, module, reader.u8('value type'), offset);
}

/** Reads the type of a table or element segment (5.3.4). Throws as readValType does. */
export function readRefType(reader: ByteReader, module: Module): 'funcref' | 'externref' {
  const offset = reader.pos;
  // Segments and tables of funcref belong to the MVP, not to the reference types proposal.
  if (reader.bytes[offset] === valTypeBytes.funcref) {
    reader.u8('reference type');
    return 'funcref';
  }
  const type = readValType(reader, module);
  if (type === 'externref') return type;
  if (type === 'exnref') refuse(module, { feature: 'exceptions in tables or globals', what: 'exnref', offset });
  return reader.fail(`invalid reference type ${type}`, offset);
}

/** Reads the limits of a table or memory. Flags other than "has a maximum" belong to refused features. */
export function readLimits(reader: ByteReader, module: Module, what: 'table' | 'memory'): Limits32 {
  const offset = reader.pos;
  const flags = reader.u8(`${what} limits flags`);
  if (flags > 1) {
    if ((flags & 4) !== 0 && flags < 16) refuse(module, { feature: 'memory64', what: `64-bit ${what}`, offset });
    if ((flags & 2) !== 0 && flags < 16) refuse(module, { feature: 'threads', what: `shared ${what}`, offset });
    if ((flags & 8) !== 0 && flags < 16)
      refuse(module, { feature: 'custom page sizes', what: `${what} with a page size`, offset });
    reader.fail(`invalid ${what} limits flags 0x${flags.toString(16)}`, offset);
  }
  const initial = reader.u32(`initial ${what} size`);
  const maximum = flags === 1 ? reader.u32(`maximum ${what} size`) : null;
  if (maximum !== null && maximum < initial)
    reader.fail(`${what} maximum ${maximum} is below its initial size ${initial}`, offset);
  return { initial, maximum };
}

/**
 * Reads a constant expression (3.4.9 Constant) of the accepted set, including its `end`. Returns the value, a signed
 * number, of a single i32.const; null for any other expression.
 */
export function readConstantExpression(reader: ByteReader, module: Module): number | null {
  let value: number | null = null;
  for (let instructions = 1; ; instructions++) {
    const offset = reader.pos;
    const opcode = reader.u8('constant expression');
    module.constantInstructions++;
    switch (opcode) {
      case op.end:
        countCapped(module, 'constantInstructions', module.constantInstructions);
        return instructions === 2 ? value : null;
      case op.i32Const:
        value = reader.s32('i32.const');
        break;
      case op.i64Const:
        reader.skipSigned(64, 'i64.const');
        break;
      case op.f32Const:
        reader.skip(4, 'f32.const');
        break;
      case op.f64Const:
        reader.skip(8, 'f64.const');
        break;
      case op.globalGet: {
        const index = reader.u32('global index');
        if (index >= module.globals.length)
          reader.fail(`global index ${index} out of range (${module.globals.length} globals)`, offset);
        break;
      }
      case op.refNull:
        readHeapType(reader, module);
        break;
      case op.refFunc:
        module.features.add('reference-types');
        readFunctionIndex(reader, module);
        break;
      case op.i32Add:
      case op.i32Sub:
      case op.i32Mul:
      case op.i64Add:
      case op.i64Sub:
      case op.i64Mul:
        module.features.add('extended-const');
        break;
      case op.prefixVector: {
        const sub = reader.u32('vector opcode');
        if (sub !== 12) reader.fail(`opcode 0xfd ${sub} in a constant expression`, offset);
        module.features.add('simd');
        reader.skip(16, 'v128.const');
        break;
      }
      case op.prefixGc:
        refuse(module, { feature: 'garbage collection', what: 'instruction in a constant expression', offset });
        break;
      default:
        reader.fail(`opcode 0x${opcode.toString(16)} in a constant expression`, offset);
    }
  }
}

/** Reads the heap type of ref.null: func, extern or exn. */
export function readHeapType(reader: ByteReader, module: Module): void {
  const offset = reader.pos;
  const type = reader.s33('heap type');
  if (type === -0x10 || type === -0x11 || type === -0x17) {
    module.features.add(type === -0x17 ? 'exceptions' : 'reference-types');
    return;
  }
  if (type >= 0) refuse(module, { feature: 'function references', what: `ref.null ${type}`, offset });
  const refused = type >= -0x40 ? refusedTypes[type + 0x80] : undefined;
  if (refused !== undefined) refuse(module, { ...refused, what: `ref.null ${refused.what}`, offset });
  reader.fail('invalid heap type', offset);
}

/** Reads a function index outside of the code section and notes its position, so that rewriting can shift it. */
export function readFunctionIndex(reader: ByteReader, module: Module): number {
  const offset = reader.pos;
  const index = reader.u32('function index');
  if (index >= module.functionTypes.length)
    reader.fail(`function index ${index} out of range (${module.functionTypes.length} functions)`, offset);
  module.functionIndexUses.push(offset, reader.pos - offset, index);
  return index;
}

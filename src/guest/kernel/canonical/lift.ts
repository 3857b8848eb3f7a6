/**
 * Reads values of interface types from core values and from guest memory. `lifter` makes the reader of a type once,
 * when the table of host functions is built; calls then run closures and do not look at types.
 *
 * Spec: component-model, CanonicalABI.md "Loading", "Flat Lifting".
 *
 * Casts: core values have the flattened type of what is read.
 */

import { MIB } from '../../../protocol/limits.ts';
import {
  alignment,
  alignTo,
  casesOf,
  discriminantBytes,
  elementBytes,
  type FlatType,
  flagsBytes,
  flattenType,
  payloadOffset,
  recordLayout,
  type VariantLike,
} from '../../component/flatten.ts';
import type { Labelled, WitType } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';
import type { Process } from '../process.ts';
import { elementFor } from './async/elements.ts';
import { liftEnd } from './async/end-handles.ts';
import { errorContextResource } from './async/error-context.ts';
import { decodeText, textBytes } from './text.ts';

export type CoreValue = number | bigint;

export interface Lifter {
  /** Number of core values of the flat form. */
  readonly count: number;
  /** Reads the flat form, which begins at `args[at]`. Throws GuestFault if the specification traps. */
  flat(guest: Process, args: readonly CoreValue[], at: number): unknown;
  /** Reads the value at `pointer`, which must be aligned and inside the memory. */
  load(guest: Process, pointer: number): unknown;
}

/**
 * Most bytes that the values of one call may take in the host. A list may name the same string 100,000 times, so the
 * size of the guest's memory is no bound. Byte lists are views of guest memory and count as their 16 bytes only.
 */
const liftedBytesMax = 16 * MIB;
const elementOverheadBytes = 16;
let lifted = 0;

/** Resets the count of bytes at the start of a call. */
export function beginLifting(): void {
  lifted = 0;
}

/** Returns the bytes that strings and lists of any length take since beginLifting. */
export function liftedBytes(): number {
  return lifted;
}

function charge(guest: Process, bytes: number): void {
  lifted += bytes;
  if (lifted > liftedBytesMax) throw new GuestFault(`the arguments of a call take more than ${liftedBytesMax} bytes`);
  guest.work(bytes);
}

/** Returns the reader of `type`. */
export function lifter(type: WitType): Lifter {
  if (typeof type === 'string') return primitive(type);
  switch (type.kind) {
    case 'list':
      return type.length === null ? listLifter(type.of) : fixedListLifter(type.of, type.length);
    case 'record':
      return recordLifter(type.fields);
    case 'tuple':
      return tupleLifter(type.of);
    case 'flags':
      return flagsLifter(type.labels);
    case 'own':
      return word((guest, value) => guest.component.handles.take(type.resource, value));
    case 'borrow':
      return word((guest, value) => guest.component.handles.borrow(type.resource, value));
    case 'stream':
    case 'future': {
      const { kind } = type;
      const element = elementFor(type.of);
      return word((guest, value) => liftEnd(guest, kind, element, value));
    }
    default:
      return variantLifter(type);
  }
}

/** Returns a reader of one i32, which is stored in memory as it is. */
function word(read: (guest: Process, value: number) => unknown): Lifter {
  return {
    count: 1,
    flat: (guest, args, at) => read(guest, args[at] as number),
    load: (guest, pointer) => read(guest, guest.memory.u32(pointer)),
  };
}

function primitive(type: Extract<WitType, string>): Lifter {
  const small = (convert: (value: number) => unknown, bytes: 1 | 2 | 4): Lifter => ({
    count: 1,
    flat: (_guest, args, at) => convert(args[at] as number),
    load: (guest, pointer) =>
      convert(
        bytes === 1 ? guest.memory.u8(pointer) : bytes === 2 ? guest.memory.u16(pointer) : guest.memory.u32(pointer),
      ),
  });
  switch (type) {
    case 'bool':
      return small((value) => value !== 0, 1);
    case 's8':
      return small((value) => (value << 24) >> 24, 1);
    case 'u8':
      return small((value) => value & 0xff, 1);
    case 's16':
      return small((value) => (value << 16) >> 16, 2);
    case 'u16':
      return small((value) => value & 0xffff, 2);
    case 's32':
      return small((value) => value | 0, 4);
    case 'u32':
      return small((value) => value >>> 0, 4);
    case 'char':
      return small(toChar, 4);
    case 's64':
      return wide((value) => BigInt.asIntN(64, value));
    case 'u64':
      return wide((value) => BigInt.asUintN(64, value));
    case 'f32':
      return {
        count: 1,
        flat: (_guest, args, at) => args[at],
        load: (guest, pointer) => guest.memory.view.getFloat32(guest.memory.check(pointer, 4), true),
      };
    case 'f64':
      return {
        count: 1,
        flat: (_guest, args, at) => args[at],
        load: (guest, pointer) => guest.memory.view.getFloat64(guest.memory.check(pointer, 8), true),
      };
    case 'string':
      return {
        count: 2,
        flat: (guest, args, at) => toText(guest, args[at] as number, args[at + 1] as number),
        load: (guest, pointer) => toText(guest, guest.memory.u32(pointer), guest.memory.u32(pointer + 4)),
      };
    case 'error-context':
      return word((guest, value) => guest.component.handles.get(errorContextResource, value));
  }
}

function wide(convert: (value: bigint) => bigint): Lifter {
  return {
    count: 1,
    flat: (_guest, args, at) => convert(args[at] as bigint),
    load: (guest, pointer) => convert(guest.memory.u64(pointer)),
  };
}

function toChar(value: number): string {
  const code = value >>> 0;
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new GuestFault(`0x${code.toString(16)} is no char`);
  return String.fromCodePoint(code);
}

function toText(guest: Process, pointer: number, length: number): string {
  const { encoding } = guest.component;
  if (encoding === 'utf8') {
    charge(guest, length >>> 0);
    const text = guest.memory.strictText(pointer, length);
    if (text === null) throw new GuestFault('a string that is not UTF-8');
    return text;
  }
  const bytes = textBytes(length, encoding);
  charge(guest, bytes);
  const start = guest.memory.check(pointer, bytes);
  if (start % 2 !== 0) throw new GuestFault(`a string at 0x${start.toString(16)}, not aligned to 2`);
  return decodeText(guest.memory.bytes(pointer, bytes), length, encoding);
}

function listLifter(of: WitType): Lifter {
  const read = of === 'u8' ? readBytes : listReader(of);
  return {
    count: 2,
    flat: (guest, args, at) => read(guest, args[at] as number, args[at + 1] as number),
    load: (guest, pointer) => read(guest, guest.memory.u32(pointer), guest.memory.u32(pointer + 4)),
  };
}

function readBytes(guest: Process, pointer: number, length: number): Uint8Array {
  return guest.memory.bytes(pointer, length);
}

function listReader(of: WitType): (guest: Process, pointer: number, length: number) => unknown[] {
  const element = lifter(of);
  const bytes = elementBytes(of);
  const align = alignment(of);
  return (guest, pointer, length) => {
    const count = length >>> 0;
    if (count * bytes > 0xffff_ffff) throw new GuestFault(`a list of ${count} elements of ${bytes} bytes`);
    charge(guest, count * (bytes + elementOverheadBytes));
    const start = guest.memory.check(pointer, count * bytes);
    if (start % align !== 0) throw new GuestFault(`a list at 0x${start.toString(16)}, not aligned to ${align}`);
    const values: unknown[] = [];
    for (let index = 0; index < count; index += 1) values.push(element.load(guest, start + index * bytes));
    return values;
  };
}

function fixedListLifter(of: WitType, length: number): Lifter {
  const one = lifter(of);
  const bytes = elementBytes(of);
  const all = (at: (index: number) => unknown): unknown[] => {
    const values: unknown[] = [];
    for (let index = 0; index < length; index += 1) values.push(at(index));
    return values;
  };
  return {
    count: length * one.count,
    flat: (guest, args, at) => all((index) => one.flat(guest, args, at + index * one.count)),
    load: (guest, pointer) => all((index) => one.load(guest, pointer + index * bytes)),
  };
}

function tupleLifter(of: readonly WitType[]): Lifter {
  const parts = of.map(lifter);
  const { offsets } = recordLayout(of);
  return {
    count: parts.reduce((sum, part) => sum + part.count, 0),
    flat: (guest, args, at) => {
      let next = at;
      return parts.map((part) => {
        const value = part.flat(guest, args, next);
        next += part.count;
        return value;
      });
    },
    load: (guest, pointer) => parts.map((part, index) => part.load(guest, pointer + (offsets[index] as number))),
  };
}

function recordLifter(fields: readonly Labelled[]): Lifter {
  const tuple = tupleLifter(fields.map((field) => field.type));
  const keys = fields.map((field) => toKey(field.name));
  const named = (values: unknown): unknown => {
    const list = values as readonly unknown[];
    return Object.fromEntries(keys.map((key, index) => [key, list[index]]));
  };
  return {
    count: tuple.count,
    flat: (guest, args, at) => named(tuple.flat(guest, args, at)),
    load: (guest, pointer) => named(tuple.load(guest, pointer)),
  };
}

/** Returns the key of a record's field in JavaScript: `last-update` -> `lastUpdate`. */
export function toKey(label: string): string {
  return label.replace(/-([a-z])/gi, (_, letter: string) => letter.toUpperCase());
}

function flagsLifter(labels: readonly string[]): Lifter {
  const bytes = flagsBytes(labels.length);
  const toSet = (bits: number): ReadonlySet<string> =>
    new Set(labels.filter((_, index) => ((bits >>> index) & 1) === 1));
  return {
    count: 1,
    flat: (_guest, args, at) => toSet(args[at] as number),
    load: (guest, pointer) =>
      toSet(
        bytes === 1 ? guest.memory.u8(pointer) : bytes === 2 ? guest.memory.u16(pointer) : guest.memory.u32(pointer),
      ),
  };
}

type Make = (payload: unknown) => unknown;

/** Returns whether null is a value of `of`, the type in an option: other values of that option are objects then. */
export function isNested(of: WitType): boolean {
  return typeof of !== 'string' && of.kind === 'option';
}

/** Returns a function for each case that makes its JavaScript value from the value of the payload. */
function makers(type: VariantLike): readonly Make[] {
  switch (type.kind) {
    case 'enum':
      return type.labels.map((label) => () => label);
    case 'option':
      return [() => null, isNested(type.of) ? (payload) => ({ some: payload }) : (payload) => payload];
    case 'result':
      return [(value) => ({ tag: 'ok', value }), (value) => ({ tag: 'err', value })];
    case 'variant':
      return type.cases.map(({ name, type: of }) =>
        of === null ? () => ({ tag: name }) : (value) => ({ tag: name, value }),
      );
  }
}

function variantLifter(type: VariantLike): Lifter {
  const cases = casesOf(type);
  const make = makers(type);
  const payloads = cases.map((one) => (one.type === null ? null : lifter(one.type)));
  const joined = flattenType(type).slice(1);
  const wanted = cases.map((one) => (one.type === null ? [] : flattenType(one.type)));
  const coerced = wanted.map((flat) => flat.some((core, index) => core !== joined[index]));
  const bytes = discriminantBytes(cases.length);
  const offset = payloadOffset(cases);
  const build = (index: number, read: (payload: Lifter) => unknown): unknown => {
    const maker = make[index];
    if (maker === undefined) throw new GuestFault(`case ${index} of a variant that has ${cases.length}`);
    const payload = payloads[index] as Lifter | null;
    return maker(payload === null ? undefined : read(payload));
  };
  return {
    count: 1 + joined.length,
    flat: (guest, args, at) => {
      const index = (args[at] as number) >>> 0;
      return build(index, (payload) =>
        coerced[index] === true
          ? payload.flat(guest, coerce(args, at + 1, joined, wanted[index] as readonly FlatType[]), 0)
          : payload.flat(guest, args, at + 1),
      );
    },
    load: (guest, pointer) => {
      const { memory } = guest;
      const index = bytes === 1 ? memory.u8(pointer) : bytes === 2 ? memory.u16(pointer) : memory.u32(pointer);
      return build(index, (payload) => payload.load(guest, pointer + offset));
    },
  };
}

const bits = new DataView(new ArrayBuffer(8));

/** Returns the core values of one case, taken from the types that all cases of the variant share. */
function coerce(
  args: readonly CoreValue[],
  at: number,
  from: readonly FlatType[],
  to: readonly FlatType[],
): CoreValue[] {
  return to.map((type, index) => {
    const value = args[at + index] as CoreValue;
    if (type === from[index]) return value;
    // The shared type is i32 for an f32, else i64.
    if (typeof value === 'bigint') bits.setBigInt64(0, value, true);
    else bits.setInt32(0, value, true);
    return type === 'i32'
      ? bits.getInt32(0, true)
      : type === 'f32'
        ? bits.getFloat32(0, true)
        : bits.getFloat64(0, true);
  });
}

/** Returns the reader of all parameters of a function that gets them in memory, behind one pointer. */
export function spilledLifter(types: readonly WitType[]): (guest: Process, pointer: number) => unknown[] {
  const tuple = tupleLifter(types);
  const { bytes } = recordLayout(types);
  const align = Math.max(1, ...types.map(alignment));
  return (guest, pointer) => {
    const start = guest.memory.check(pointer, bytes);
    if (alignTo(start, align) !== start) throw new GuestFault(`arguments at 0x${start.toString(16)}, not aligned`);
    return tuple.load(guest, start) as unknown[];
  };
}

/**
 * Translates the types of interfaces into what core WebAssembly sees: sizes and alignments in memory, and the
 * parameters and results of core functions.
 *
 * Spec: component-model, CanonicalABI.md "Alignment", "Element Size", "Flattening".
 */
import type { FuncType } from '../../protocol/module.ts';
import type { Case, FunctionType, WitType } from './wit.ts';

/** Most bytes of a list or string; a longer one traps (CanonicalABI.md, MAX_LIST_BYTE_LENGTH). */
export const listBytesMax = 2 ** 28 - 1;

/** A function with more flat parameters than this gets them in memory, behind one pointer. */
export const flatParamsMax = 16;
/**
 * Most flat parameters of a function that is lowered `async`; with more, the core function takes one pointer to them.
 * The host may keep the arguments, so it takes few.
 */
export const flatAsyncParamsMax = 4;
export const flatResultsMax = 1;

/** A core value type of the canonical ABI. */
export type FlatType = 'i32' | 'i64' | 'f32' | 'f64';

/** Returns the alignment of a value in memory: 1, 2, 4 or 8 bytes. */
export function alignment(type: WitType): number {
  if (typeof type === 'string') return primitiveLayout[type].align;
  switch (type.kind) {
    case 'list':
      return type.length === null ? 4 : alignment(type.of);
    case 'record':
      return Math.max(1, ...type.fields.map((field) => alignment(field.type)));
    case 'tuple':
      return Math.max(1, ...type.of.map(alignment));
    case 'flags':
      return flagsBytes(type.labels.length);
    case 'own':
    case 'borrow':
    case 'stream':
    case 'future':
      return 4;
    default: {
      const cases = casesOf(type);
      return Math.max(discriminantBytes(cases.length), payloadAlignment(cases));
    }
  }
}

/** Returns the bytes that a value takes in memory, a multiple of its alignment. */
export function elementBytes(type: WitType): number {
  if (typeof type === 'string') return primitiveLayout[type].bytes;
  switch (type.kind) {
    case 'list':
      return type.length === null ? 8 : type.length * elementBytes(type.of);
    case 'record':
      return recordLayout(type.fields.map((field) => field.type)).bytes;
    case 'tuple':
      return recordLayout(type.of).bytes;
    case 'flags':
      return flagsBytes(type.labels.length);
    case 'own':
    case 'borrow':
    case 'stream':
    case 'future':
      return 4;
    default: {
      const cases = casesOf(type);
      const payload = Math.max(0, ...cases.map((one) => (one.type === null ? 0 : elementBytes(one.type))));
      return alignTo(payloadOffset(cases) + payload, alignment(type));
    }
  }
}

/** Returns the offset of every field and the size of the whole record, both in bytes. */
export function recordLayout(types: readonly WitType[]): {
  readonly offsets: readonly number[];
  readonly bytes: number;
} {
  const offsets: number[] = [];
  let at = 0;
  for (const type of types) {
    at = alignTo(at, alignment(type));
    offsets.push(at);
    at += elementBytes(type);
  }
  return { offsets, bytes: alignTo(at, Math.max(1, ...types.map(alignment))) };
}

/** The types that memory holds as a variant: variant, enum, option, result. */
export type VariantLike = Extract<WitType, { readonly kind: 'variant' | 'enum' | 'option' | 'result' }>;

/** Returns the cases of `type` in the order of their discriminants. */
export function casesOf(type: VariantLike): readonly Case[] {
  switch (type.kind) {
    case 'variant':
      return type.cases;
    case 'enum':
      return type.labels.map((name) => ({ name, type: null }));
    case 'option':
      return [
        { name: 'none', type: null },
        { name: 'some', type: type.of },
      ];
    case 'result':
      return [
        { name: 'ok', type: type.ok },
        { name: 'error', type: type.err },
      ];
  }
}

/** Returns the size of a discriminant that tells `count` cases apart: 1, 2 or 4 bytes. */
export function discriminantBytes(count: number): 1 | 2 | 4 {
  return count <= 0x100 ? 1 : count <= 0x1_0000 ? 2 : 4;
}

/** Returns the offset of a variant's payload from the variant's start, in bytes. */
export function payloadOffset(cases: readonly Case[]): number {
  return alignTo(discriminantBytes(cases.length), payloadAlignment(cases));
}

/** Returns the size of a set of `count` flags: 1, 2 or 4 bytes. */
export function flagsBytes(count: number): 1 | 2 | 4 {
  return count <= 8 ? 1 : count <= 16 ? 2 : 4;
}

/** Returns the first multiple of `align` bytes that is not below `offset`. */
export function alignTo(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}

/**
 * Most core values of one type that are listed. A value with more lies in memory wherever it goes, so nothing looks at
 * the others: what a type declares costs no more than this.
 */
export const flatTypesMax = flatParamsMax + 1;

/** Returns the core values that stand for one value of `type`, the first `flatTypesMax` of them. */
export function flattenType(type: WitType): readonly FlatType[] {
  if (typeof type === 'string') return primitiveLayout[type].flat;
  switch (type.kind) {
    case 'list':
      return type.length === null ? pointerAndLength : flattenList(type.of, type.length);
    case 'record':
      return flattenAll(type.fields.map((field) => field.type));
    case 'tuple':
      return flattenAll(type.of);
    case 'flags':
    case 'own':
    case 'borrow':
    case 'stream':
    case 'future':
      return oneI32;
    default: {
      const flat: FlatType[] = ['i32'];
      for (const one of casesOf(type)) {
        if (one.type === null) continue;
        flattenType(one.type).forEach((next, index) => {
          const before = flat[index + 1];
          flat[index + 1] = before === undefined ? next : join(before, next);
        });
      }
      return flat.slice(0, flatTypesMax);
    }
  }
}

/** Returns the core values of `types` one after the other, the first `flatTypesMax` of them. */
export function flattenAll(types: readonly WitType[]): readonly FlatType[] {
  const flat: FlatType[] = [];
  for (const type of types) {
    if (flat.length >= flatTypesMax) break;
    flat.push(...flattenType(type));
  }
  return flat.slice(0, flatTypesMax);
}

function flattenList(of: WitType, length: number): readonly FlatType[] {
  const one = flattenType(of);
  const flat: FlatType[] = [];
  // Each element has a core value at least.
  for (let index = 0; index < length && flat.length < flatTypesMax; index += 1) flat.push(...one);
  return flat.slice(0, flatTypesMax);
}

/** Direction of the translation. `lift`: a core module exports the core function; `lower`: it imports the function. */
export type Direction = 'lift' | 'lower';
/** Form of the core function. `async`, without a callback, is the stackful form of the specification. */
export type CallStyle = 'sync' | 'async' | 'callback';

/**
 * Returns the type of the core function that is lifted to, or lowered from, a function of `type`. If the flat result
 * has more than one value, a lowered function takes a pointer to memory for it, and a lifted one returns such a
 * pointer.
 */
export function flattenFunction(type: FunctionType, direction: Direction, style: CallStyle = 'sync'): FuncType {
  const flatParams = flattenAll(type.params.map((param) => param.type));
  const flatResults = type.result === null ? [] : flattenType(type.result);
  if (style === 'sync') {
    const params = flatParams.length > flatParamsMax ? oneI32 : flatParams;
    if (flatResults.length <= flatResultsMax) return { params, results: flatResults };
    if (direction === 'lift') return { params, results: oneI32 };
    return { params: [...params, 'i32'], results: [] };
  }
  if (direction === 'lift') {
    const params = flatParams.length > flatParamsMax ? oneI32 : flatParams;
    return { params, results: style === 'callback' ? oneI32 : [] };
  }
  const params = flatParams.length > flatAsyncParamsMax ? oneI32 : flatParams;
  return { params: flatResults.length > 0 ? [...params, 'i32'] : params, results: oneI32 };
}

/** Returns whether a value of `type` contains a list or a string, whose elements lie in memory of their own. */
export function hasLists(type: WitType): boolean {
  if (typeof type === 'string') return type === 'string';
  switch (type.kind) {
    case 'list':
      return type.length === null || hasLists(type.of);
    case 'record':
      return type.fields.some((field) => hasLists(field.type));
    case 'tuple':
      return type.of.some(hasLists);
    case 'variant':
    case 'option':
    case 'result':
      return casesOf(type).some((one) => one.type !== null && hasLists(one.type));
    default:
      return false;
  }
}

/** Returns the number of parts of a type written out as a tree; each element of a list of fixed length counts. */
export function partsOf(type: WitType | null): number {
  if (type === null || typeof type === 'string') return 1;
  switch (type.kind) {
    case 'list':
      return 1 + (type.length ?? 1) * partsOf(type.of);
    case 'option':
    case 'stream':
    case 'future':
      return 1 + partsOf(type.of);
    case 'tuple':
      return type.of.reduce((sum, one) => sum + partsOf(one), 1);
    case 'record':
      return type.fields.reduce((sum, one) => sum + partsOf(one.type), 1);
    case 'variant':
      return type.cases.reduce((sum, one) => sum + partsOf(one.type), 1);
    case 'result':
      return 1 + partsOf(type.ok) + partsOf(type.err);
    default:
      return 1;
  }
}

const oneI32: readonly FlatType[] = ['i32'];
const pointerAndLength: readonly FlatType[] = ['i32', 'i32'];

/**
 * Bytes of a value in memory, its alignment in bytes, and its flat types (CanonicalABI.md "Alignment", "Element Size",
 * "Flattening").
 */
interface Layout {
  readonly bytes: number;
  readonly align: number;
  readonly flat: readonly FlatType[];
}

const i32Layout = (bytes: number): Layout => ({ bytes, align: bytes, flat: oneI32 });
const primitiveLayout: Readonly<Record<Extract<WitType, string>, Layout>> = {
  bool: i32Layout(1),
  s8: i32Layout(1),
  u8: i32Layout(1),
  s16: i32Layout(2),
  u16: i32Layout(2),
  s32: i32Layout(4),
  u32: i32Layout(4),
  s64: { bytes: 8, align: 8, flat: ['i64'] },
  u64: { bytes: 8, align: 8, flat: ['i64'] },
  f32: { bytes: 4, align: 4, flat: ['f32'] },
  f64: { bytes: 8, align: 8, flat: ['f64'] },
  char: i32Layout(4),
  string: { bytes: 8, align: 4, flat: pointerAndLength },
  'error-context': i32Layout(4),
};

function payloadAlignment(cases: readonly Case[]): number {
  return Math.max(1, ...cases.map((one) => (one.type === null ? 1 : alignment(one.type))));
}

/** Returns the smallest core type that holds values of both types: the cases of a variant share their flat values. */
function join(left: FlatType, right: FlatType): FlatType {
  if (left === right) return left;
  const word = (type: FlatType) => type === 'i32' || type === 'f32';
  return word(left) && word(right) ? 'i32' : 'i64';
}

/** Type of the core function that the option realloc names. */
export const reallocType: FuncType = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };
/** Type of the core function that the option callback names. */
export const callbackType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };

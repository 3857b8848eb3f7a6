/**
 * Calls an exported function with exact bits. JavaScript cannot pass vectors and may change the bits of a NaN; so for
 * each signature there is a small module that takes integers, makes the real arguments, calls, and returns the results
 * as integers.
 */
import type { FuncType, ValType } from '../../../src/protocol/module.ts';
import { body, bytes, leb, section, text, vector } from '../module-builder.ts';
import type { Bits } from './values.ts';

const codes: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
  exnref: 0x69,
};
/** Types in which a value of each type passes through JavaScript. */
const passedAs: Readonly<Record<ValType, readonly ValType[]>> = {
  i32: ['i32'],
  i64: ['i64'],
  f32: ['i32'],
  f64: ['i64'],
  v128: ['i64', 'i64'],
  funcref: ['funcref'],
  externref: ['externref'],
  exnref: ['exnref'],
};

const wrappers = new Map<string, WebAssembly.Module>();

function localGet(index: number): number[] {
  return [0x20, ...leb(index)];
}

function typeBytes({ params, results }: FuncType): number[] {
  const list = (types: readonly ValType[]) => vector(types.map((type) => [codes[type]]));
  return [0x60, ...list(params), ...list(results)];
}

/** Returns instructions that make a value of `type` from the locals from `local` on. */
function make(type: ValType, local: number): number[] {
  if (type === 'f32') return [...localGet(local), 0xbe];
  if (type === 'f64') return [...localGet(local), 0xbf];
  if (type !== 'v128') return localGet(local);
  // i64x2.splat, i64x2.replace_lane 1
  return [...localGet(local), 0xfd, 18, ...localGet(local + 1), 0xfd, 30, 1];
}

/** Returns instructions that return the value in local `local` in pieces. */
function split(type: ValType, local: number): number[] {
  if (type === 'f32') return [...localGet(local), 0xbc];
  if (type === 'f64') return [...localGet(local), 0xbd];
  if (type !== 'v128') return localGet(local);
  // i64x2.extract_lane 0 and 1
  return [...localGet(local), 0xfd, 29, 0, ...localGet(local), 0xfd, 29, 1];
}

function wrapperOf(type: FuncType): WebAssembly.Module {
  const key = JSON.stringify(type);
  const known = wrappers.get(key);
  if (known !== undefined) return known;
  const params = type.params.flatMap((param) => passedAs[param]);
  const results = type.results.flatMap((result) => passedAs[result]);
  let next = 0;
  const code = type.params.flatMap((param) => {
    const made = make(param, next);
    next += passedAs[param].length;
    return made;
  });
  code.push(0x10, 0);
  for (let index = type.results.length - 1; index >= 0; index--) code.push(0x21, ...leb(next + index));
  type.results.forEach((result, index) => void code.push(...split(result, next + index)));
  const locals = vector(type.results.map((result) => [1, codes[result]]));
  const made = new WebAssembly.Module(
    bytes(
      section(1, ...vector([typeBytes(type), typeBytes({ params, results })])),
      section(2, ...vector([[...text('f'), ...text('f'), 0, 0]])),
      section(3, 1, 1),
      section(7, ...vector([[...text('call'), 0, 1]])),
      section(10, ...vector([body([...code, 0x0b], locals)])),
    ),
  );
  wrappers.set(key, made);
  return made;
}

/** Callers by function: an exported function of an instance is one object. */
const calls = new WeakMap<object, (...values: unknown[]) => unknown>();

/** Calls `run`, a function of `type`; throws what it throws. */
export function typedCall(run: WebAssembly.ExportValue, type: FuncType, args: readonly Bits[]): Bits[] {
  const made =
    calls.get(run) ??
    (new WebAssembly.Instance(wrapperOf(type), { f: { f: run } }).exports.call as (...values: unknown[]) => unknown);
  calls.set(run, made);
  const passed = args.flatMap((arg, index) => toJs(type.params[index] ?? 'i32', arg));
  const returned = made(...passed);
  const pieces = Array.isArray(returned) ? returned : [returned];
  let next = 0;
  return type.results.map((result) => {
    const from = next;
    next += passedAs[result].length;
    return fromJs(result, pieces.slice(from, next));
  });
}

function toJs(type: ValType, arg: Bits): unknown[] {
  if (typeof arg !== 'bigint') return [arg.reference];
  if (type === 'v128') return [BigInt.asIntN(64, arg), BigInt.asIntN(64, arg >> 64n)];
  return [passedAs[type][0] === 'i32' ? Number(BigInt.asIntN(32, arg)) : BigInt.asIntN(64, arg)];
}

function fromJs(type: ValType, pieces: readonly unknown[]): Bits {
  const [low, high] = pieces;
  if (typeof low === 'number' && type !== 'externref') return BigInt.asUintN(32, BigInt(low));
  if (typeof low !== 'bigint' || type === 'externref') return { reference: low };
  return BigInt.asUintN(64, low) | (typeof high === 'bigint' ? BigInt.asUintN(64, high) << 64n : 0n);
}

/** Where the values of an adapter lie, and the code that reads and writes them there. */
import { constant, op } from '../wasm/format/instructions.ts';
import type { AdapterMemory, AdapterSide } from './adapter-calls.ts';
import { type AdapterCode, conversion, type TypedLocal } from './adapter-code.ts';
import { alignment, elementBytes, type FlatType } from './flatten.ts';
import type { WitType } from './wit.ts';

/** Where a value lies. `pointer` is the index of the local with an address, `offset` the bytes from there on. */
export type ValuePlace =
  /** Core values in locals. Their types may be wider than those of the value: cases of a variant share them. */
  | { readonly kind: 'flat'; readonly slots: readonly TypedLocal[] }
  | { readonly kind: 'memory'; readonly memory: AdapterMemory; readonly pointer: number; readonly offset: number };

/** The side that values go to, and the index of the global that is 1 while its `realloc` runs. */
export interface Receiving {
  readonly to: AdapterSide;
  readonly confined: number;
}

/** Opcodes of a load and a store, and the exponent of their alignment. */
export interface ValueAccess {
  readonly load: number;
  readonly store: number;
  readonly align: number;
}

/** Returns a part of a place: `offset` bytes further in memory, or `count` core values from `at` on. */
export function part(place: ValuePlace, offset: number, at: number, count: number): ValuePlace {
  return place.kind === 'memory'
    ? { ...place, offset: place.offset + offset }
    : { kind: 'flat', slots: place.slots.slice(at, at + count) };
}

/** Returns the memory of a side that uses one: checks before have refused a component without it. */
export function memoryOf(side: AdapterSide): AdapterMemory {
  if (side.memory === null) throw new Error('a side without memory');
  return side.memory;
}

/**
 * Writes a check that the pointer in local `pointer` is aligned and that the memory holds a value of `type` there.
 * Returns the place of the value.
 */
export function region(code: AdapterCode, side: AdapterSide, pointer: number, type: WitType): ValuePlace {
  checkAligned(code, pointer, alignment(type));
  code.get(pointer);
  constant(code, elementBytes(type));
  code.instruction(op.call, memoryOf(side).range);
  code.ops(op.drop);
  return inMemory(side, pointer);
}

/** Returns the place of a value whose pointer is in local `pointer` and was checked. */
export function inMemory(side: AdapterSide, pointer: number): ValuePlace {
  return { kind: 'memory', memory: memoryOf(side), pointer, offset: 0 };
}

/** Writes a trap for a pointer that is not aligned. */
export function checkAligned(code: AdapterCode, pointer: number, align: number): void {
  if (align === 1) return;
  code.get(pointer);
  constant(code, align - 1);
  code.ops(op.i32And);
  code.trapIf();
}

/** Writes code that allocates memory of the receiving side. Returns the local with the pointer. */
export function allocate(
  code: AdapterCode,
  { to, confined }: Receiving,
  bytes: number | TypedLocal,
  align: number,
): number {
  const { realloc } = to;
  if (realloc === null) throw new Error('a side without realloc');
  const pointer = code.local('i32');
  const size = (): void => {
    if (typeof bytes === 'number') constant(code, bytes);
    else code.get(bytes.local);
  };
  code.setGlobal(confined, 1);
  constant(code, 0);
  constant(code, 0);
  constant(code, align);
  size();
  code.instruction(op.call, realloc);
  code.set(pointer);
  code.setGlobal(confined, 0);
  checkAligned(code, pointer, align);
  code.get(pointer);
  size();
  code.instruction(op.call, memoryOf(to).range);
  code.ops(op.drop);
  return pointer;
}

/**
 * Writes code that puts the address of the `size` bytes at `pointer` on the stack. It traps for a range outside of the
 * memory.
 */
export function range(code: AdapterCode, side: AdapterSide, pointer: number, size: number): void {
  code.get(pointer);
  code.get(size);
  code.instruction(op.call, memoryOf(side).range);
}

/** Writes the transfer of a value that is one i32, of `bytes` bytes in memory. `change` works on the stack. */
export function word(code: AdapterCode, from: ValuePlace, to: ValuePlace, bytes: number, change: () => void): void {
  const access =
    bytes === 1
      ? { load: 0x2d, store: 0x3a, align: 0 }
      : bytes === 2
        ? { load: 0x2f, store: 0x3b, align: 1 }
        : { load: 0x28, store: 0x36, align: 2 };
  leaf(code, from, to, 'i32', access, change);
}

/** Writes the transfer of a value that is one core value of `type`. `change` works on the stack. */
export function leaf(
  code: AdapterCode,
  from: ValuePlace,
  to: ValuePlace,
  type: FlatType,
  access: ValueAccess,
  change: () => void,
): void {
  readPlace(code, from, type, access);
  change();
  const value = code.local(type);
  code.set(value);
  writePlace(code, to, type, access, () => code.get(value));
  code.release(type, value);
}

/** Writes code that puts the core value at `from` on the stack. */
export function readPlace(code: AdapterCode, from: ValuePlace, type: FlatType, { load, align }: ValueAccess): void {
  if (from.kind === 'memory') {
    address(code, from.memory, from.pointer);
    code.u8(load);
    code.u32(align);
    code.u32(from.offset);
    return;
  }
  const slot = from.slots[0] as TypedLocal;
  code.get(slot.local);
  if (slot.type === type) return;
  if (slot.type === 'i64' && type !== 'f64') code.ops(conversion.i32WrapI64);
  if (type === 'f32') code.ops(conversion.f32ReinterpretI32);
  if (type === 'f64') code.ops(conversion.f64ReinterpretI64);
}

/** Writes code that stores the core value that `value` puts on the stack at `to`. */
export function writePlace(
  code: AdapterCode,
  to: ValuePlace,
  type: FlatType,
  { store, align }: ValueAccess,
  value: () => void,
): void {
  if (to.kind === 'memory') {
    address(code, to.memory, to.pointer);
    value();
    code.u8(store);
    code.u32(align);
    code.u32(to.offset);
    return;
  }
  const slot = to.slots[0] as TypedLocal;
  value();
  if (slot.type !== type) {
    if (type === 'f32') code.ops(conversion.i32ReinterpretF32);
    if (type === 'f64') code.ops(conversion.i64ReinterpretF64);
    else if (slot.type === 'i64') code.ops(op.i64ExtendI32U);
  }
  code.set(slot.local);
}

/** Writes the address of a pointer. Memories move when one before them grows, so no address is kept. */
export function address(code: AdapterCode, { base }: AdapterMemory, pointer: number): void {
  code.get(base, op.globalGet);
  code.get(pointer);
  code.ops(op.i32Add);
}

/** Writes the code that copies lists and strings from one part of a composed component to another. */
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { AdapterMemory, AdapterSide, CopyCalls } from './adapter-calls.ts';
import type { AdapterCode } from './adapter-code.ts';
import { alignment, elementBytes, listBytesMax } from './flatten.ts';
import {
  address,
  allocate,
  checkAligned,
  memoryOf,
  part,
  range,
  readPlace,
  type ValuePlace,
  writePlace,
} from './value-places.ts';
import { textEncodings, type WitType } from './wit.ts';

/** What lists are copied with: the code that is written, the two sides, and the copier of their elements. */
export interface Copying {
  readonly code: AdapterCode;
  readonly calls: CopyCalls;
  readonly from: AdapterSide;
  readonly to: AdapterSide;
  /** Writes the transfer of one value. */
  readonly copy: (type: WitType, from: ValuePlace, to: ValuePlace) => void;
}

/** Writes the transfer of a list, or of a string (`isText`) that is UTF-8 on both sides. */
export function copyList(copying: Copying, of: WitType, isText: boolean, from: ValuePlace, to: ValuePlace): void {
  const { code, calls } = copying;
  const bytes = elementBytes(of);
  const align = alignment(of);
  const [pointer, count, size] = [code.local('i32'), code.local('i32'), code.local('i32')];
  const plain = { load: 0x28, store: 0x36, align: 2 };
  readPlace(code, part(from, 0, 0, 1), 'i32', plain);
  code.set(pointer);
  readPlace(code, part(from, 4, 1, 1), 'i32', plain);
  code.set(count);
  code.get(count);
  constant(code, Math.floor(listBytesMax / Math.max(1, bytes)));
  code.u8(op.i32GtU);
  code.trapIf();
  code.get(count);
  constant(code, bytes);
  code.u8(op.i32Mul);
  code.set(size);
  const source = memoryOf(copying.from);
  const target = memoryOf(copying.to);
  checkAligned(code, pointer, align);
  code.get(pointer);
  code.get(size);
  code.instruction(op.call, source.range);
  if (isText) {
    code.get(size);
    code.instruction(op.call, calls.text);
  } else code.u8(op.drop);
  // As the specification says, an empty list is allocated too.
  const made = allocate(code, { to: copying.to, confined: calls.confined }, { local: size, type: 'i32' }, align);
  code.get(size);
  code.raw(Uint8Array.of(op.if, emptyBlock));
  if (isCopied(of)) {
    address(code, target, made);
    address(code, source, pointer);
    code.get(size);
    code.raw(Uint8Array.of(op.prefixBulk, 10, 0, 0));
  } else copyElements(copying, of, bytes, { source, target, pointer, made, size });
  code.u8(op.end);
  writePlace(code, part(to, 0, 0, 1), 'i32', plain, () => code.get(made));
  writePlace(code, part(to, 4, 1, 1), 'i32', plain, () => code.get(count));
  for (const local of [pointer, count, size, made]) code.release('i32', local);
}

/** Writes the transfer of a string of which one side has another encoding than UTF-8. */
export function copyTranscoded(copying: Copying, from: ValuePlace, to: ValuePlace): void {
  const { code, calls } = copying;
  const source = copying.from.encoding;
  const align = copying.to.encoding === 'utf8' ? 1 : 2;
  const locals = Array.from({ length: 4 }, () => code.local('i32'));
  const [pointer, units, size, length] = locals as [number, number, number, number]; // four were made
  const plain = { load: 0x28, store: 0x36, align: 2 };
  readPlace(code, part(from, 0, 0, 1), 'i32', plain);
  code.set(pointer);
  readPlace(code, part(from, 4, 1, 1), 'i32', plain);
  code.set(units);
  // The size in bytes: of units that fit into a list, two bytes each if they are those of UTF-16.
  code.get(units);
  if (source === 'latin1+utf16') {
    constant(code, 0x7fff_ffff);
    code.u8(op.i32And);
  }
  code.instruction(op.localTee, size);
  constant(code, listBytesMax);
  code.u8(op.i32GtU);
  code.trapIf();
  code.get(size);
  if (source === 'utf16') constant(code, 1);
  else if (source === 'latin1+utf16') {
    code.get(units);
    constant(code, 31);
    code.u8(op.i32ShrU);
  } else constant(code, 0);
  code.u8(i32Shl);
  code.set(size);
  checkAligned(code, pointer, source === 'utf8' ? 1 : 2);
  range(code, copying.from, pointer, size);
  code.get(units);
  constant(code, textEncodings.indexOf(source));
  constant(code, textEncodings.indexOf(copying.to.encoding));
  code.instruction(op.call, calls.transcode);
  code.set(size);
  const made = allocate(code, { to: copying.to, confined: calls.confined }, { local: size, type: 'i32' }, align);
  constant(code, 0);
  code.set(length);
  code.get(size);
  code.raw(Uint8Array.of(op.if, emptyBlock));
  range(code, copying.to, made, size);
  code.instruction(op.call, calls.transcoded);
  code.set(length);
  code.u8(op.end);
  writePlace(code, part(to, 0, 0, 1), 'i32', plain, () => code.get(made));
  writePlace(code, part(to, 4, 1, 1), 'i32', plain, () => code.get(length));
  for (const local of [...locals, made]) code.release('i32', local);
}

/** Writes the transfer of all elements of a list that is not empty. */
function copyElements(
  copying: Copying,
  of: WitType,
  bytes: number,
  list: {
    readonly source: AdapterMemory;
    readonly target: AdapterMemory;
    readonly pointer: number;
    readonly made: number;
    readonly size: number;
  },
): void {
  const { code } = copying;
  const [read, written, end] = [code.local('i32'), code.local('i32'), code.local('i32')];
  code.get(list.made);
  code.set(written);
  code.get(list.pointer);
  code.set(read);
  code.get(read);
  code.get(list.size);
  code.u8(op.i32Add);
  code.set(end);
  code.raw(Uint8Array.of(op.loop, emptyBlock));
  copying.copy(
    of,
    { kind: 'memory', memory: list.source, pointer: read, offset: 0 },
    { kind: 'memory', memory: list.target, pointer: written, offset: 0 },
  );
  code.get(written);
  constant(code, bytes);
  code.u8(op.i32Add);
  code.set(written);
  code.get(read);
  constant(code, bytes);
  code.u8(op.i32Add);
  code.instruction(op.localTee, read);
  code.get(end);
  code.u8(op.i32Ne);
  code.instruction(op.brIf, 0);
  code.u8(op.end);
  for (const local of [read, written, end]) code.release('i32', local);
}

const i32Shl = 0x74;

const copied: ReadonlySet<WitType> = new Set<WitType>([
  'u8',
  's8',
  'u16',
  's16',
  'u32',
  's32',
  'u64',
  's64',
  'f32',
  'f64',
]);

/** Returns whether the bytes of a value are valid whatever they are, so that a list is copied at once. */
function isCopied(type: WitType): boolean {
  return copied.has(type);
}

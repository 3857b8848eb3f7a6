/** Writes the code that copies values of every type from one part of a composed component to another. */
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { AdapterSide, CopyCalls } from './adapter-calls.ts';
import type { AdapterCode } from './adapter-code.ts';
import { type Copying, copyList, copyTranscoded } from './copy-lists.ts';
import {
  casesOf,
  discriminantBytes,
  elementBytes,
  type FlatType,
  flattenType,
  payloadOffset,
  recordLayout,
  type VariantLike,
} from './flatten.ts';
import { endName } from './type-contents.ts';
import { leaf, part, type ValuePlace, word } from './value-places.ts';
import type { WitType } from './wit.ts';

/** Number that stands for all resources of the host. */
const hostResource = -1;

/** Copies values in one direction: arguments to the callee, or a result to the caller. */
export class ValueCopier implements Copying {
  readonly code: AdapterCode;
  readonly calls: CopyCalls;
  readonly from: AdapterSide;
  readonly to: AdapterSide;

  constructor(code: AdapterCode, calls: CopyCalls, { from, to }: Pick<Copying, 'from' | 'to'>) {
    this.code = code;
    this.calls = calls;
    this.from = from;
    this.to = to;
  }

  /** Writes the transfer of a value of `type`. Both places are aligned and inside their memories. */
  copy(type: WitType, from: ValuePlace, to: ValuePlace): void {
    const { code } = this;
    if (typeof type === 'string' && type !== 'string') {
      this.#primitive(type, from, to);
      return;
    }
    if (type === 'string') {
      if (this.from.encoding === 'utf8' && this.to.encoding === 'utf8') copyList(this, 'u8', true, from, to);
      else copyTranscoded(this, from, to);
      return;
    }
    switch (type.kind) {
      case 'list':
        if (type.length === null) copyList(this, type.of, false, from, to);
        else this.#elements(type.of, type.length, from, to);
        return;
      case 'record':
        this.#tuple(
          type.fields.map((field) => field.type),
          from,
          to,
        );
        return;
      case 'tuple':
        this.#tuple(type.of, from, to);
        return;
      case 'flags': {
        const bytes = elementBytes(type);
        const { length } = type.labels;
        word(code, from, to, bytes, () => {
          if (length >= 32) return;
          constant(code, 2 ** length - 1);
          code.ops(op.i32And);
        });
        return;
      }
      case 'own':
      case 'borrow':
        word(code, from, to, 4, () => this.#handle(type.kind, type.resource.id));
        return;
      case 'stream':
      case 'future':
        this.#passed(from, to, endName(type));
        return;
      default:
        this.#variant(type, from, to);
    }
  }

  /** Copies a handle that the host function `name` of passEnd passes on. */
  #passed(from: ValuePlace, to: ValuePlace, name: string): void {
    const { code } = this;
    word(code, from, to, 4, () => {
      constant(code, this.from.component);
      constant(code, this.to.component);
      // AdapterCalls has every name that its types need.
      code.instruction(op.call, this.calls.passEnd.get(name) as number);
    });
  }

  #tuple(types: readonly WitType[], from: ValuePlace, to: ValuePlace): void {
    const { offsets } = recordLayout(types);
    let at = 0;
    types.forEach((type, index) => {
      const count = flattenType(type).length;
      const offset = offsets[index] as number;
      this.copy(type, part(from, offset, at, count), part(to, offset, at, count));
      at += count;
    });
  }

  /** Writes the transfer of a list of fixed length: glueBytes bounds the code that many elements make. */
  #elements(of: WitType, length: number, from: ValuePlace, to: ValuePlace): void {
    const bytes = elementBytes(of);
    const count = flattenType(of).length;
    for (let index = 0; index < length; index += 1)
      this.copy(of, part(from, index * bytes, index * count, count), part(to, index * bytes, index * count, count));
  }

  #primitive(type: Exclude<Extract<WitType, string>, 'string'>, from: ValuePlace, to: ValuePlace): void {
    const { code } = this;
    switch (type) {
      case 'bool':
        word(code, from, to, 1, () => {
          constant(code, 0);
          code.u8(op.i32Ne);
        });
        return;
      case 'u8':
      case 'u16':
        word(code, from, to, type === 'u8' ? 1 : 2, () => {
          constant(code, type === 'u8' ? 0xff : 0xffff);
          code.u8(op.i32And);
        });
        return;
      case 's8':
        word(code, from, to, 1, () => code.u8(i32Extend8S));
        return;
      case 's16':
        word(code, from, to, 2, () => code.u8(i32Extend16S));
        return;
      case 'u32':
      case 's32':
        word(code, from, to, 4, () => undefined);
        return;
      case 'char':
        word(code, from, to, 4, () => this.#checkChar());
        return;
      case 'u64':
      case 's64':
        leaf(code, from, to, 'i64', { load: 0x29, store: 0x37, align: 3 }, () => undefined);
        return;
      case 'f32':
        leaf(code, from, to, 'f32', { load: 0x2a, store: 0x38, align: 2 }, () => undefined);
        return;
      case 'f64':
        leaf(code, from, to, 'f64', { load: 0x2b, store: 0x39, align: 3 }, () => undefined);
        return;
      case 'error-context':
        this.#passed(from, to, 'error-context');
        return;
    }
  }

  /** Traps for a surrogate and beyond U+10FFFF; the value stays on the stack. */
  #checkChar(): void {
    const { code } = this;
    const value = code.local('i32');
    code.set(value);
    code.get(value);
    constant(code, 0x10ffff);
    code.u8(op.i32GtU);
    code.get(value);
    constant(code, ~0x7ff);
    code.u8(op.i32And);
    constant(code, 0xd800);
    code.raw(Uint8Array.of(op.i32Eq, op.i32Or));
    code.trapIf();
    code.get(value);
    code.release('i32', value);
  }

  /** Replaces the handle on the stack by one of the receiving side. */
  #handle(kind: 'own' | 'borrow', id: string): void {
    const { code } = this;
    const { pass, lend, lendRep, definers } = this.calls;
    const definer = definers.get(id);
    const number = definer === undefined ? hostResource : Number(id.slice(1));
    const handle = code.local('i32');
    code.set(handle);
    constant(code, number);
    code.get(handle);
    constant(code, this.from.component);
    constant(code, this.to.component);
    if (kind === 'own') code.instruction(op.call, pass);
    else code.instruction(op.call, definer === this.to.component ? lendRep : lend);
    code.release('i32', handle);
  }

  #variant(type: VariantLike, from: ValuePlace, to: ValuePlace): void {
    const { code } = this;
    const cases = casesOf(type);
    const bytes = discriminantBytes(cases.length);
    const which = code.local('i32');
    word(code, part(from, 0, 0, 1), part(to, 0, 0, 1), bytes, () => {
      code.set(which);
      code.get(which);
      constant(code, cases.length);
      code.u8(op.i32GeU);
      code.trapIf();
      code.get(which);
    });
    const offset = payloadOffset(cases);
    if (to.kind === 'flat')
      for (const slot of to.slots.slice(1)) {
        code.u8(zeros[slot.type as FlatType].opcode); // slots have flattened types
        code.raw(new Uint8Array(zeros[slot.type as FlatType].bytes)); // slots have flattened types
        code.set(slot.local);
      }
    cases.forEach(({ type: payload }, index) => {
      if (payload === null) return;
      const count = flattenType(payload).length;
      code.get(which);
      constant(code, index);
      code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
      this.copy(payload, part(from, offset, 1, count), part(to, offset, 1, count));
      code.u8(op.end);
    });
    code.release('i32', which);
  }
}

const i32Extend8S = 0xc0;
const i32Extend16S = 0xc1;

const zeros: Readonly<Record<FlatType, { readonly opcode: number; readonly bytes: number }>> = {
  i32: { opcode: op.i32Const, bytes: 1 },
  i64: { opcode: op.i64Const, bytes: 1 },
  f32: { opcode: op.f32Const, bytes: 4 },
  f64: { opcode: op.f64Const, bytes: 8 },
};

/**
 * Writes the function through which one part of a composed component calls another: it lifts the arguments from the
 * caller's core values and memory and lowers them to those of the callee, calls, and brings the result back. It is
 * ordinary code of the linked module, so it costs gas and its calls of `realloc` may suspend.
 *
 * Spec: component-model, CanonicalABI.md "canon lift", "canon lower", "canon task.return".
 */
import type { FuncType, ValType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { elementName } from './element-name.ts';
import {
  alignment,
  type CallStyle,
  casesOf,
  discriminantBytes,
  elementBytes,
  type FlatType,
  flatAsyncParamsMax,
  flatParamsMax,
  flatResultsMax,
  flattenFunction,
  flattenType,
  listBytesMax,
  payloadOffset,
  recordLayout,
  type VariantLike,
} from './flatten.ts';
import { type FunctionType, type TextEncoding, textEncodings, type WitType } from './wit.ts';

/** What one side of a call gives the adapter. Functions and globals are indices in the glue module. */
export interface AdapterSide {
  /** Number of the component instance. */
  readonly component: number;
  readonly memory: AdapterMemory | null;
  /** Function of type reallocType; null: the side has none. */
  readonly realloc: number | null;
  readonly encoding: TextEncoding;
}

export interface AdapterMemory {
  /** Global with the address at which the memory begins. */
  readonly base: number;
  /** (pointer, length) -> address. Traps for a range outside. */
  readonly range: number;
}

export interface AdapterCalls {
  readonly type: FunctionType;
  readonly caller: AdapterSide;
  readonly callee: AdapterSide;
  readonly target: number;
  readonly postReturn: number | null;
  /** Host functions: (pointer, length) and the functions of resources. */
  readonly text: number;
  readonly transcode: number;
  readonly transcoded: number;
  readonly pass: number;
  readonly lend: number;
  readonly returned: number;
  readonly lendRep: number;
  /** Host functions that pass ends of streams and futures on, by endName. */
  readonly passEnd: ReadonlyMap<string, number>;
  /** Numbers of the component instances that define resources, by resource id. Absent: a resource of the host. */
  readonly definers: ReadonlyMap<string, number>;
  /** Global that is 1 while code of the callee's component runs. */
  readonly entered: number;
  /** Global that is 1 while `realloc` or `post-return` runs: neither may call another component. */
  readonly confined: number;
  /** Globals of the callee's context, which is 0 when a call begins. */
  readonly context: readonly number[];
}

/** What an asynchronous call gives the adapter besides. Functions are indices of host functions in the glue module. */
export interface TaskCalls {
  readonly lowering: 'sync' | 'async';
  readonly lifting: CallStyle;
  readonly enter: number;
  readonly arg: number;
  readonly result: number;
  readonly returned: number;
  readonly keep: number;
  readonly leave: number;
  /** Writes code that tells the host that the callee makes the next call. */
  readonly select: (code: ByteWriter) => void;
}

/** Number that stands for all resources of the host. */
const hostResource = -1;

/** Where a value lies. */
type Place =
  /** Core values in locals. Their types may be wider than those of the value: cases of a variant share them. */
  | { readonly kind: 'flat'; readonly slots: readonly Slot[] }
  | { readonly kind: 'memory'; readonly memory: AdapterMemory; readonly pointer: number; readonly offset: number };

interface Slot {
  readonly local: number;
  readonly type: ValType;
}

/** Returns the body of the adapter: its locals and its code. */
export function writeAdapter(calls: AdapterCalls): Uint8Array {
  return new Adapter(calls).write();
}

/**
 * Returns the body of the function that begins a task, whose number is its parameter: it brings the arguments over and calls
 * the callee. The result of a callee that is lifted without `async` is brought back at once.
 */
export function writeTask(calls: AdapterCalls, tasks: TaskCalls): Uint8Array {
  return new Adapter(calls, { params: ['i32'], results: [] }).writeTask(tasks);
}

/**
 * Returns the body of the function that brings the result of a task back, which the callee gives to `task.return`. `callee`
 * is the side that the options of `task.return` name. Its parameters are those of `task.return`, and the task's number.
 */
export function writeReturn(calls: AdapterCalls, tasks: TaskCalls, callee: AdapterSide): Uint8Array {
  const { params } = taskReturnType(calls.type.result);
  return new Adapter({ ...calls, callee }, { params: [...params, 'i32'], results: [] }).writeReturn(tasks);
}

/** Returns the type of the core function `task.return` for a result. */
export function taskReturnType(result: WitType | null): FuncType {
  const params = result === null ? [] : [{ name: 'result', type: result }];
  return flattenFunction({ params, result: null, async: true }, 'lower');
}

/** Returns the types of streams and futures in a value of `type`. */
export function endsIn(type: WitType): readonly EndType[] {
  if (typeof type === 'string') return [];
  switch (type.kind) {
    case 'stream':
    case 'future':
      return [type];
    case 'list':
    case 'option':
      return endsIn(type.of);
    case 'tuple':
      return type.of.flatMap(endsIn);
    case 'record':
      return type.fields.flatMap((field) => endsIn(field.type));
    case 'variant':
    case 'result':
      return casesOf(type).flatMap((one) => (one.type === null ? [] : endsIn(one.type)));
    default:
      return [];
  }
}

export type EndType = Extract<WitType, { readonly kind: 'stream' | 'future' }>;

/** Returns whether a value of `type` holds a borrowed handle. */
export function hasBorrows(type: WitType): boolean {
  return contains(type, 'borrow');
}

/** Returns whether a value of `type` holds an error context, which no adapter passes on. */
export function hasErrorContexts(type: WitType): boolean {
  return contains(type, 'error-context');
}

function contains(type: WitType, kind: string): boolean {
  if (typeof type === 'string') return type === kind;
  if (type.kind === kind) return true;
  switch (type.kind) {
    case 'list':
      return contains(type.of, kind);
    case 'record':
      return type.fields.some((field) => contains(field.type, kind));
    case 'tuple':
      return type.of.some((one) => contains(one, kind));
    case 'variant':
    case 'option':
    case 'result':
      return casesOf(type).some((one) => one.type !== null && contains(one.type, kind));
    default:
      return false;
  }
}

class Adapter {
  readonly #calls: AdapterCalls;
  readonly #code = new ByteWriter(256);
  readonly #core: FuncType;
  /** Types of the locals after the parameters. */
  readonly #locals: ValType[] = [];
  readonly #free: Record<FlatType, number[]> = { i32: [], i64: [], f32: [], f64: [] };
  /** The sides that values come from and go to. */
  #from: AdapterSide;
  #to: AdapterSide;

  constructor(calls: AdapterCalls, core: FuncType = flattenFunction(calls.type, 'lower')) {
    this.#calls = calls;
    this.#core = core;
    this.#from = calls.caller;
    this.#to = calls.callee;
  }

  write(): Uint8Array {
    const { type, target, postReturn, entered, confined, context } = this.#calls;
    this.#get(confined, op.globalGet);
    this.#get(entered, op.globalGet);
    this.#ops(op.i32Or);
    this.#trapIf();
    this.#setGlobal(entered, 1);
    for (const slot of context) this.#setGlobal(slot, 0);
    const flat = this.#calls.type.params.flatMap((param) => flattenType(param.type));
    const given = flat.length > flatParamsMax ? [0] : flat.keys();
    const params = this.#params(
      [...given].map((local) => ({ local, type: flat.length > flatParamsMax ? 'i32' : (flat[local] as FlatType) })),
      flatParamsMax,
    );
    for (const { local } of params) this.#get(local);
    this.#code.instruction(op.call, target);
    const lifted = flattenFunction(type, 'lift').results[0];
    const result = lifted === undefined ? null : { local: this.#local(lifted as FlatType), type: lifted };
    if (result !== null) this.#set(result.local);
    if (type.params.some((param) => hasBorrows(param.type))) {
      constant(this.#code, this.#calls.callee.component);
      this.#code.instruction(op.call, this.#calls.returned);
    }
    const returned =
      result === null
        ? null
        : this.#result(type.result as WitType, result, flatResultsMax, this.#core.params.length - 1);
    if (postReturn !== null) {
      this.#setGlobal(confined, 1);
      if (result !== null) this.#get(result.local);
      this.#code.instruction(op.call, postReturn);
      this.#setGlobal(confined, 0);
    }
    this.#setGlobal(entered, 0);
    if (returned !== null) this.#get(returned);
    this.#ops(op.end);
    return this.#body();
  }

  #body(): Uint8Array {
    const body = new ByteWriter(this.#code.length + 4 * this.#locals.length);
    body.u32(this.#locals.length);
    for (const type of this.#locals) {
      body.u32(1);
      body.u8(valTypeBytes[type]);
    }
    body.raw(this.#code.view());
    return body.view();
  }

  writeTask({ lowering, lifting, enter, arg, result, returned, keep, leave, select }: TaskCalls): Uint8Array {
    const { type, target, postReturn, entered, confined, context } = this.#calls;
    const code = this.#code;
    const lowered = flattenFunction(type, 'lower', lowering);
    const resultCount = type.result === null ? 0 : flattenType(type.result).length;
    const isStored = resultCount > (lowering === 'async' ? 0 : flatResultsMax);
    const args = lowered.params.map((one, index): Slot => {
      const local = this.#local(one as FlatType);
      this.#get(0);
      constant(code, index);
      code.instruction(op.call, arg);
      this.#fromWord(one as FlatType);
      this.#set(local);
      return { local, type: one };
    });
    this.#setGlobal(entered, 1);
    for (const slot of context) this.#setGlobal(slot, 0);
    this.#get(0);
    code.instruction(op.call, enter);
    const params = this.#params(
      isStored ? args.slice(0, -1) : args,
      lowering === 'async' ? flatAsyncParamsMax : flatParamsMax,
    );
    select(code);
    for (const { local } of params) this.#get(local);
    code.instruction(op.call, target);
    const how = this.#local('i32');
    if (lifting === 'callback') this.#set(how);
    if (lifting === 'sync') {
      const lifted = flattenFunction(type, 'lift').results[0];
      const value = lifted === undefined ? null : { local: this.#local(lifted as FlatType), type: lifted };
      if (value !== null) {
        this.#set(value.local);
        const pointer = isStored ? (args[args.length - 1] as Slot).local : 0;
        this.#giveBack(value, pointer, isStored, () => this.#get(0), result);
      }
      this.#get(0);
      code.instruction(op.call, returned);
      if (postReturn !== null) {
        this.#setGlobal(confined, 1);
        if (value !== null) this.#get(value.local);
        code.instruction(op.call, postReturn);
        this.#setGlobal(confined, 0);
      }
    }
    this.#get(0);
    for (const slot of context) this.#get(slot, op.globalGet);
    code.instruction(op.call, keep);
    select(code);
    this.#get(0);
    if (lifting === 'callback') this.#get(how);
    else constant(code, 0);
    code.instruction(op.call, leave);
    this.#setGlobal(entered, 0);
    this.#ops(op.end);
    return this.#body();
  }

  writeReturn({ lowering, arg, result }: TaskCalls): Uint8Array {
    const { type } = this.#calls;
    const returned = type.result;
    if (returned !== null) {
      const flat = flattenType(returned);
      const task = this.#core.params.length - 1;
      const isStored = flat.length > (lowering === 'async' ? 0 : flatResultsMax);
      const pointer = this.#local('i32');
      if (isStored) {
        this.#get(task);
        constant(this.#code, flattenFunction(type, 'lower', lowering).params.length - 1);
        this.#code.instruction(op.call, arg);
        this.#ops(i32WrapI64);
        this.#set(pointer);
      }
      this.#from = this.#calls.callee;
      this.#to = this.#calls.caller;
      const from: Place =
        flat.length > flatParamsMax
          ? this.#region(this.#from, 0, returned)
          : { kind: 'flat', slots: flat.map((one, local) => ({ local, type: one })) };
      this.#store(returned, from, { pointer, isStored, task: () => this.#get(task), result });
    }
    this.#ops(op.end);
    return this.#body();
  }

  /** Brings the core result of a callee that is lifted without `async` back. */
  #giveBack(lifted: Slot, pointer: number, isStored: boolean, task: () => void, result: number): void {
    const type = this.#calls.type.result as WitType;
    this.#from = this.#calls.callee;
    this.#to = this.#calls.caller;
    const from: Place =
      flattenType(type).length > flatResultsMax
        ? this.#region(this.#from, lifted.local, type)
        : { kind: 'flat', slots: [lifted] };
    this.#store(type, from, { pointer, isStored, task, result });
  }

  /** Stores a result for the caller: in its memory, or with the host as one core value. */
  #store(
    type: WitType,
    from: Place,
    to: { readonly pointer: number; readonly isStored: boolean; readonly task: () => void; readonly result: number },
  ): void {
    if (to.isStored) {
      this.#transfer(type, from, this.#region(this.#to, to.pointer, type));
      return;
    }
    const slots = this.#slots(flattenType(type));
    this.#transfer(type, from, { kind: 'flat', slots });
    for (const slot of slots) {
      to.task();
      this.#get(slot.local);
      this.#toWord(slot.type as FlatType);
      this.#code.instruction(op.call, to.result);
    }
  }

  /** Turns the i64 on the stack, in which the host keeps a core value, into a value of `type`. */
  #fromWord(type: FlatType): void {
    if (type === 'i32' || type === 'f32') this.#ops(i32WrapI64);
    if (type === 'f32') this.#ops(f32ReinterpretI32);
    if (type === 'f64') this.#ops(f64ReinterpretI64);
  }

  #toWord(type: FlatType): void {
    wordOf(this.#code, type);
  }

  /** Brings the arguments over, which lie in memory beyond `flatMax`. Returns the locals with those of the callee. */
  #params(given: readonly Slot[], flatMax: number): readonly Slot[] {
    const types = this.#calls.type.params.map((param) => param.type);
    const flat = types.flatMap(flattenType);
    if (types.length === 0) return [];
    const tuple: WitType = { kind: 'tuple', of: types };
    const from: Place =
      flat.length > flatMax
        ? this.#region(this.#from, (given[0] as Slot).local, tuple)
        : { kind: 'flat', slots: given };
    if (flat.length <= flatParamsMax) {
      const to = this.#slots(flat);
      this.#transfer(tuple, from, { kind: 'flat', slots: to });
      return to;
    }
    const pointer = this.#allocate(elementBytes(tuple), alignment(tuple));
    this.#transfer(tuple, from, this.#memory(this.#to, pointer));
    return [{ local: pointer, type: 'i32' }];
  }

  /** Brings the result back. Returns the local with the core result of the adapter; null: it lies in memory. */
  #result(type: WitType, lifted: Slot, flatMax: number, pointer: number): number | null {
    this.#from = this.#calls.callee;
    this.#to = this.#calls.caller;
    const flat = flattenType(type);
    if (flat.length <= flatMax) {
      const slots = this.#slots(flat);
      this.#transfer(type, { kind: 'flat', slots: [lifted] }, { kind: 'flat', slots });
      return (slots[0] as Slot).local;
    }
    const from = this.#region(this.#from, lifted.local, type);
    const to = this.#region(this.#to, pointer, type);
    this.#transfer(type, from, to);
    return null;
  }

  /** Checks that the pointer in local `pointer` is aligned and that a value of `type` fits behind it. */
  #region(side: AdapterSide, pointer: number, type: WitType): Place {
    this.#checkAligned(pointer, alignment(type));
    this.#get(pointer);
    constant(this.#code, elementBytes(type));
    this.#code.instruction(op.call, memoryOf(side).range);
    this.#ops(op.drop);
    return this.#memory(side, pointer);
  }

  #memory(side: AdapterSide, pointer: number): Place {
    return { kind: 'memory', memory: memoryOf(side), pointer, offset: 0 };
  }

  #checkAligned(pointer: number, align: number): void {
    if (align === 1) return;
    this.#get(pointer);
    constant(this.#code, align - 1);
    this.#ops(op.i32And);
    this.#trapIf();
  }

  /** Allocates memory of the receiving side. Returns the local with the pointer. */
  #allocate(bytes: number | Slot, align: number): number {
    const { realloc } = this.#to;
    if (realloc === null) throw new Error('a side without realloc');
    const pointer = this.#local('i32');
    const size = (): void => {
      if (typeof bytes === 'number') constant(this.#code, bytes);
      else this.#get(bytes.local);
    };
    this.#setGlobal(this.#calls.confined, 1);
    constant(this.#code, 0);
    constant(this.#code, 0);
    constant(this.#code, align);
    size();
    this.#code.instruction(op.call, realloc);
    this.#set(pointer);
    this.#setGlobal(this.#calls.confined, 0);
    this.#checkAligned(pointer, align);
    this.#get(pointer);
    size();
    this.#code.instruction(op.call, memoryOf(this.#to).range);
    this.#ops(op.drop);
    return pointer;
  }

  /** Writes the transfer of a value of `type`. Both places are aligned and inside their memories. */
  #transfer(type: WitType, from: Place, to: Place): void {
    if (typeof type === 'string' && type !== 'string') {
      this.#primitive(type, from, to);
      return;
    }
    if (type === 'string') {
      if (this.#from.encoding === 'utf8' && this.#to.encoding === 'utf8') this.#list('u8', true, from, to);
      else this.#transcoded(from, to);
      return;
    }
    switch (type.kind) {
      case 'list':
        if (type.length === null) this.#list(type.of, false, from, to);
        else this.#tuple(new Array<WitType>(type.length).fill(type.of), from, to);
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
        this.#word(from, to, bytes, () => {
          if (length >= 32) return;
          constant(this.#code, 2 ** length - 1);
          this.#ops(op.i32And);
        });
        return;
      }
      case 'own':
      case 'borrow':
        this.#word(from, to, 4, () => this.#handle(type.kind, type.resource.id));
        return;
      case 'stream':
      case 'future':
        this.#word(from, to, 4, () => {
          constant(this.#code, this.#from.component);
          constant(this.#code, this.#to.component);
          this.#code.instruction(op.call, this.#calls.passEnd.get(endName(type)) as number);
        });
        return;
      default:
        this.#variant(type, from, to);
    }
  }

  #tuple(types: readonly WitType[], from: Place, to: Place): void {
    const { offsets } = recordLayout(types);
    let at = 0;
    types.forEach((type, index) => {
      const count = flattenType(type).length;
      const offset = offsets[index] as number;
      this.#transfer(type, part(from, offset, at, count), part(to, offset, at, count));
      at += count;
    });
  }

  #primitive(type: Exclude<Extract<WitType, string>, 'string'>, from: Place, to: Place): void {
    const code = this.#code;
    switch (type) {
      case 'bool':
        this.#word(from, to, 1, () => {
          constant(code, 0);
          code.u8(op.i32Ne);
        });
        return;
      case 'u8':
      case 'u16':
        this.#word(from, to, type === 'u8' ? 1 : 2, () => {
          constant(code, type === 'u8' ? 0xff : 0xffff);
          code.u8(op.i32And);
        });
        return;
      case 's8':
        this.#word(from, to, 1, () => code.u8(i32Extend8S));
        return;
      case 's16':
        this.#word(from, to, 2, () => code.u8(i32Extend16S));
        return;
      case 'u32':
      case 's32':
        this.#word(from, to, 4, () => undefined);
        return;
      case 'char':
        this.#word(from, to, 4, () => this.#checkChar());
        return;
      case 'u64':
      case 's64':
        this.#leaf(from, to, 'i64', { load: 0x29, store: 0x37, align: 3 }, () => undefined);
        return;
      case 'f32':
        this.#leaf(from, to, 'f32', { load: 0x2a, store: 0x38, align: 2 }, () => undefined);
        return;
      case 'f64':
        this.#leaf(from, to, 'f64', { load: 0x2b, store: 0x39, align: 3 }, () => undefined);
        return;
      case 'error-context':
        throw new Error('a type of asynchronous calls');
    }
  }

  /** Traps for a surrogate and beyond U+10FFFF; the value stays on the stack. */
  #checkChar(): void {
    const code = this.#code;
    const value = this.#local('i32');
    this.#set(value);
    this.#get(value);
    constant(code, 0x10ffff);
    code.u8(op.i32GtU);
    this.#get(value);
    constant(code, ~0x7ff);
    code.u8(op.i32And);
    constant(code, 0xd800);
    code.raw(Uint8Array.of(op.i32Eq, op.i32Or));
    this.#trapIf();
    this.#get(value);
    this.#release('i32', value);
  }

  /** Replaces the handle on the stack by one of the receiving side. */
  #handle(kind: 'own' | 'borrow', id: string): void {
    const code = this.#code;
    const { pass, lend, lendRep, definers } = this.#calls;
    const definer = definers.get(id);
    const number = definer === undefined ? hostResource : Number(id.slice(1));
    const handle = this.#local('i32');
    this.#set(handle);
    constant(code, number);
    this.#get(handle);
    constant(code, this.#from.component);
    constant(code, this.#to.component);
    if (kind === 'own') {
      code.instruction(op.call, pass);
      this.#get(handle);
    } else code.instruction(op.call, definer === this.#to.component ? lendRep : lend);
    this.#release('i32', handle);
  }

  #variant(type: VariantLike, from: Place, to: Place): void {
    const code = this.#code;
    const cases = casesOf(type);
    const bytes = discriminantBytes(cases.length);
    const which = this.#local('i32');
    this.#word(part(from, 0, 0, 1), part(to, 0, 0, 1), bytes, () => {
      this.#set(which);
      this.#get(which);
      constant(code, cases.length);
      code.u8(op.i32GeU);
      this.#trapIf();
      this.#get(which);
    });
    const offset = payloadOffset(cases);
    if (to.kind === 'flat')
      for (const slot of to.slots.slice(1)) {
        code.u8(zeros[slot.type as FlatType].opcode);
        code.raw(new Uint8Array(zeros[slot.type as FlatType].bytes));
        this.#set(slot.local);
      }
    cases.forEach(({ type: payload }, index) => {
      if (payload === null) return;
      const count = flattenType(payload).length;
      this.#get(which);
      constant(code, index);
      code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
      this.#transfer(payload, part(from, offset, 1, count), part(to, offset, 1, count));
      code.u8(op.end);
    });
    this.#release('i32', which);
  }

  #list(of: WitType, isText: boolean, from: Place, to: Place): void {
    const code = this.#code;
    const bytes = elementBytes(of);
    const align = alignment(of);
    const [pointer, count, size] = [this.#local('i32'), this.#local('i32'), this.#local('i32')];
    const plain = { load: 0x28, store: 0x36, align: 2 };
    this.#read(part(from, 0, 0, 1), 'i32', plain);
    this.#set(pointer);
    this.#read(part(from, 4, 1, 1), 'i32', plain);
    this.#set(count);
    this.#get(count);
    constant(code, Math.floor(listBytesMax / Math.max(1, bytes)));
    code.u8(op.i32GtU);
    this.#trapIf();
    this.#get(count);
    constant(code, bytes);
    code.u8(op.i32Mul);
    this.#set(size);
    const source = memoryOf(this.#from);
    const target = memoryOf(this.#to);
    this.#checkAligned(pointer, align);
    this.#get(pointer);
    this.#get(size);
    code.instruction(op.call, source.range);
    if (isText) {
      this.#get(size);
      code.instruction(op.call, this.#calls.text);
    } else code.u8(op.drop);
    // An empty list takes no memory; its pointer only has to be aligned.
    const made = this.#local('i32');
    constant(code, align);
    this.#set(made);
    this.#get(size);
    code.raw(Uint8Array.of(op.if, emptyBlock));
    const allocated = this.#allocate({ local: size, type: 'i32' }, align);
    this.#get(allocated);
    this.#set(made);
    if (isCopied(of)) {
      this.#address(target, made);
      this.#address(source, pointer);
      this.#get(size);
      code.raw(Uint8Array.of(op.prefixBulk, 10, 0, 0));
    } else this.#elements(of, bytes, { source, target, pointer, made, size });
    code.u8(op.end);
    this.#write(part(to, 0, 0, 1), 'i32', plain, () => this.#get(made));
    this.#write(part(to, 4, 1, 1), 'i32', plain, () => this.#get(count));
    for (const local of [pointer, count, size, made, allocated]) this.#release('i32', local);
  }

  /** Writes the transfer of a string of which one side has another encoding than UTF-8. */
  #transcoded(from: Place, to: Place): void {
    const code = this.#code;
    const source = this.#from.encoding;
    const align = this.#to.encoding === 'utf8' ? 1 : 2;
    const locals = Array.from({ length: 5 }, () => this.#local('i32'));
    const [pointer, units, size, made, length] = locals as [number, number, number, number, number];
    const plain = { load: 0x28, store: 0x36, align: 2 };
    this.#read(part(from, 0, 0, 1), 'i32', plain);
    this.#set(pointer);
    this.#read(part(from, 4, 1, 1), 'i32', plain);
    this.#set(units);
    // The size in bytes: of units that fit into a list, two bytes each if they are those of UTF-16.
    this.#get(units);
    if (source === 'latin1+utf16') {
      constant(code, 0x7fff_ffff);
      code.u8(op.i32And);
    }
    code.instruction(op.localTee, size);
    constant(code, listBytesMax);
    code.u8(op.i32GtU);
    this.#trapIf();
    this.#get(size);
    if (source === 'utf16') constant(code, 1);
    else if (source === 'latin1+utf16') {
      this.#get(units);
      constant(code, 31);
      code.u8(op.i32ShrU);
    } else constant(code, 0);
    code.u8(i32Shl);
    this.#set(size);
    this.#checkAligned(pointer, source === 'utf8' ? 1 : 2);
    this.#range(this.#from, pointer, size);
    this.#get(units);
    constant(code, textEncodings.indexOf(source));
    constant(code, textEncodings.indexOf(this.#to.encoding));
    code.instruction(op.call, this.#calls.transcode);
    this.#set(size);
    constant(code, align);
    this.#set(made);
    constant(code, 0);
    this.#set(length);
    this.#get(size);
    code.raw(Uint8Array.of(op.if, emptyBlock));
    const allocated = this.#allocate({ local: size, type: 'i32' }, align);
    this.#get(allocated);
    this.#set(made);
    this.#range(this.#to, made, size);
    code.instruction(op.call, this.#calls.transcoded);
    this.#set(length);
    code.u8(op.end);
    this.#write(part(to, 0, 0, 1), 'i32', plain, () => this.#get(made));
    this.#write(part(to, 4, 1, 1), 'i32', plain, () => this.#get(length));
    for (const local of [...locals, allocated]) this.#release('i32', local);
  }

  /** Puts the address of the `size` bytes at `pointer` on the stack. Traps for a range outside of the memory. */
  #range(side: AdapterSide, pointer: number, size: number): void {
    this.#get(pointer);
    this.#get(size);
    this.#code.instruction(op.call, memoryOf(side).range);
  }

  /** Writes the transfer of all elements of a list that is not empty. */
  #elements(
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
    const code = this.#code;
    const [read, written, end] = [this.#local('i32'), this.#local('i32'), this.#local('i32')];
    this.#get(list.made);
    this.#set(written);
    this.#get(list.pointer);
    this.#set(read);
    this.#get(read);
    this.#get(list.size);
    code.u8(op.i32Add);
    this.#set(end);
    code.raw(Uint8Array.of(op.loop, emptyBlock));
    this.#transfer(
      of,
      { kind: 'memory', memory: list.source, pointer: read, offset: 0 },
      { kind: 'memory', memory: list.target, pointer: written, offset: 0 },
    );
    this.#get(written);
    constant(code, bytes);
    code.u8(op.i32Add);
    this.#set(written);
    this.#get(read);
    constant(code, bytes);
    code.u8(op.i32Add);
    code.instruction(op.localTee, read);
    this.#get(end);
    code.u8(op.i32Ne);
    code.instruction(op.brIf, 0);
    code.u8(op.end);
    for (const local of [read, written, end]) this.#release('i32', local);
  }

  /** Writes the transfer of a value that is one i32, of `bytes` bytes in memory. `change` works on the stack. */
  #word(from: Place, to: Place, bytes: number, change: () => void): void {
    const access =
      bytes === 1
        ? { load: 0x2d, store: 0x3a, align: 0 }
        : bytes === 2
          ? { load: 0x2f, store: 0x3b, align: 1 }
          : { load: 0x28, store: 0x36, align: 2 };
    this.#leaf(from, to, 'i32', access, change);
  }

  #leaf(from: Place, to: Place, type: FlatType, access: Access, change: () => void): void {
    this.#read(from, type, access);
    change();
    const value = this.#local(type);
    this.#set(value);
    this.#write(to, type, access, () => this.#get(value));
    this.#release(type, value);
  }

  /** Writes code that puts the core value at `from` on the stack. */
  #read(from: Place, type: FlatType, { load, align }: Access): void {
    if (from.kind === 'memory') {
      this.#address(from.memory, from.pointer);
      this.#code.u8(load);
      this.#code.u32(align);
      this.#code.u32(from.offset);
      return;
    }
    const slot = from.slots[0] as Slot;
    this.#get(slot.local);
    if (slot.type === type) return;
    if (slot.type === 'i64' && type !== 'f64') this.#ops(i32WrapI64);
    if (type === 'f32') this.#ops(f32ReinterpretI32);
    if (type === 'f64') this.#ops(f64ReinterpretI64);
  }

  #write(to: Place, type: FlatType, { store, align }: Access, value: () => void): void {
    if (to.kind === 'memory') {
      this.#address(to.memory, to.pointer);
      value();
      this.#code.u8(store);
      this.#code.u32(align);
      this.#code.u32(to.offset);
      return;
    }
    const slot = to.slots[0] as Slot;
    value();
    if (slot.type !== type) {
      if (type === 'f32') this.#ops(i32ReinterpretF32);
      if (type === 'f64') this.#ops(i64ReinterpretF64);
      else if (slot.type === 'i64') this.#ops(op.i64ExtendI32U);
    }
    this.#set(slot.local);
  }

  /** Writes the address of a pointer. Memories move when one before them grows, so no address is kept. */
  #address({ base }: AdapterMemory, pointer: number): void {
    this.#get(base, op.globalGet);
    this.#get(pointer);
    this.#ops(op.i32Add);
  }

  #slots(types: readonly FlatType[]): readonly Slot[] {
    return types.map((type) => ({ local: this.#local(type), type }));
  }

  #local(type: FlatType): number {
    const free = this.#free[type].pop();
    if (free !== undefined) return free;
    return this.#core.params.length + this.#locals.push(type) - 1;
  }

  #release(type: FlatType, local: number): void {
    this.#free[type].push(local);
  }

  #get(index: number, opcode: number = op.localGet): void {
    this.#code.instruction(opcode, index);
  }

  #set(local: number): void {
    this.#code.instruction(op.localSet, local);
  }

  #setGlobal(global: number, value: number): void {
    constant(this.#code, value);
    this.#code.instruction(op.globalSet, global);
  }

  #ops(...opcodes: readonly number[]): void {
    for (const opcode of opcodes) this.#code.u8(opcode);
  }

  /** Writes a trap if the i32 on the stack is not 0. */
  #trapIf(): void {
    this.#ops(op.if, emptyBlock, op.unreachable, op.end);
  }
}

/** Opcodes of a load and a store, and the exponent of their alignment. */
interface Access {
  readonly load: number;
  readonly store: number;
  readonly align: number;
}

const i32Shl = 0x74;
const i32WrapI64 = 0xa7;
const i32ReinterpretF32 = 0xbc;
const i64ReinterpretF64 = 0xbd;
const f32ReinterpretI32 = 0xbe;
const f64ReinterpretI64 = 0xbf;
const i32Extend8S = 0xc0;
const i32Extend16S = 0xc1;

const zeros: Readonly<Record<FlatType, { readonly opcode: number; readonly bytes: number }>> = {
  i32: { opcode: op.i32Const, bytes: 1 },
  i64: { opcode: op.i64Const, bytes: 1 },
  f32: { opcode: op.f32Const, bytes: 4 },
  f64: { opcode: op.f64Const, bytes: 8 },
};

function memoryOf(side: AdapterSide): AdapterMemory {
  if (side.memory === null) throw new Error('a side without memory');
  return side.memory;
}

/** Returns a name for `type` under which AdapterCalls.passEnd has its function. */
export function endName(type: EndType): string {
  return `${type.kind} ${elementName(type.of)}`;
}

/** Writes the change of a core value on the stack into the i64 in which the host keeps it. */
export function wordOf(code: ByteWriter, type: ValType): void {
  if (type === 'f32') code.u8(i32ReinterpretF32);
  if (type === 'f64') code.u8(i64ReinterpretF64);
  if (type === 'i32' || type === 'f32') code.u8(op.i64ExtendI32U);
}

/** Returns a part of a place: `offset` bytes further in memory, or `count` core values from `at` on. */
function part(place: Place, offset: number, at: number, count: number): Place {
  return place.kind === 'memory'
    ? { ...place, offset: place.offset + offset }
    : { kind: 'flat', slots: place.slots.slice(at, at + count) };
}

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

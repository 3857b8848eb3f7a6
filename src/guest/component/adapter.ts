/**
 * Writes the function through which one part of a composed component calls another: it lifts the arguments from the
 * caller's core values and memory and lowers them to those of the callee, calls, and brings the result back. It is
 * ordinary code of the linked module, so it costs gas and its calls of `realloc` may suspend.
 *
 * Spec: component-model, CanonicalABI.md "canon lift", "canon lower", "canon task.return".
 *
 * Casts: flattened types are never those of references or vectors, and a function that returns values has a result.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, op } from '../wasm/format/instructions.ts';
import type { AdapterCalls, AdapterSide, TaskCalls } from './adapter-calls.ts';
import { AdapterCode, conversion, type TypedLocal } from './adapter-code.ts';
import { ValueCopier } from './copy-values.ts';
import {
  alignment,
  elementBytes,
  type FlatType,
  flatAsyncParamsMax,
  flatParamsMax,
  flatResultsMax,
  flattenFunction,
  flattenType,
} from './flatten.ts';
import { hasBorrows } from './type-contents.ts';
import { allocate, inMemory, region, type ValuePlace } from './value-places.ts';
import type { WitType } from './wit.ts';

/** Returns the body of the adapter: its locals and its code. */
export function writeAdapter(calls: AdapterCalls): Uint8Array {
  return new Adapter(calls).write();
}

/**
 * Returns the body of the function that begins a task, whose number is its parameter: it brings the arguments over and
 * calls the callee. The result of a callee that is lifted without `async` is brought back at once.
 */
export function writeTask(calls: AdapterCalls, tasks: TaskCalls): Uint8Array {
  return new Adapter(calls, { params: ['i32'], results: [] }).writeTask(tasks);
}

/**
 * Returns the body of the function that brings the result of a task back, which the callee gives to `task.return`.
 * `callee` is the side that the options of `task.return` name. Its parameters are those of `task.return`, and the
 * task's number.
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

class Adapter {
  readonly #calls: AdapterCalls;
  readonly #core: FuncType;
  readonly #code: AdapterCode;
  readonly #toCallee: ValueCopier;
  readonly #toCaller: ValueCopier;

  constructor(calls: AdapterCalls, core: FuncType = flattenFunction(calls.type, 'lower')) {
    this.#calls = calls;
    this.#core = core;
    this.#code = new AdapterCode(core.params.length);
    const { caller, callee } = calls;
    this.#toCallee = new ValueCopier(this.#code, calls, { from: caller, to: callee });
    this.#toCaller = new ValueCopier(this.#code, calls, { from: callee, to: caller });
  }

  write(): Uint8Array {
    const code = this.#code;
    const { type, target, postReturn, confined, callerGlobals, calleeGlobals } = this.#calls;
    code.get(confined, op.globalGet);
    code.trapIf();
    // Others may call either part before this call returns: the callee itself, or tasks that it starts.
    const kept = [...callerGlobals, ...calleeGlobals].map((global) => {
      const local = code.local('i32');
      code.get(global, op.globalGet);
      code.set(local);
      return { global, local };
    });
    calleeGlobals.forEach((global, index) => {
      code.setGlobal(global, index < 2 ? 0 : 1);
    });
    const isLending = type.params.some((param) => hasBorrows(param.type));
    if (isLending) {
      constant(code, this.#calls.callee.component);
      code.instruction(op.call, this.#calls.called);
    }
    const flat = this.#calls.type.params.flatMap((param) => flattenType(param.type));
    const given = flat.length > flatParamsMax ? [0] : flat.keys();
    const params = this.#params(
      [...given].map((local) => ({ local, type: flat.length > flatParamsMax ? 'i32' : (flat[local] as FlatType) })),
      flatParamsMax,
    );
    for (const { local } of params) code.get(local);
    code.instruction(op.call, target);
    const lifted = flattenFunction(type, 'lift').results[0];
    const result = lifted === undefined ? null : { local: code.local(lifted as FlatType), type: lifted };
    if (result !== null) code.set(result.local);
    if (isLending) {
      constant(code, this.#calls.callee.component);
      code.instruction(op.call, this.#calls.returned);
    }
    const returned =
      result === null
        ? null
        : this.#result(type.result as WitType, result, flatResultsMax, this.#core.params.length - 1);
    if (postReturn !== null) {
      code.setGlobal(confined, 1);
      if (result !== null) code.get(result.local);
      code.instruction(op.call, postReturn);
      code.setGlobal(confined, 0);
    }
    for (const { global, local } of kept) {
      code.get(local);
      code.get(global, op.globalSet);
    }
    if (returned !== null) code.get(returned);
    code.ops(op.end);
    return code.body();
  }

  writeTask({ lowering, lifting, enter, arg, result, returned, keep, lends, leave, select }: TaskCalls): Uint8Array {
    const code = this.#code;
    const { type, target, postReturn, confined, calleeGlobals } = this.#calls;
    const lowered = flattenFunction(type, 'lower', lowering);
    const resultCount = type.result === null ? 0 : flattenType(type.result).length;
    const isStored = resultCount > (lowering === 'async' ? 0 : flatResultsMax);
    const args = lowered.params.map((one, index): TypedLocal => {
      const local = code.local(one as FlatType);
      code.get(0);
      constant(code, index);
      code.instruction(op.call, arg);
      code.fromWord(one as FlatType);
      code.set(local);
      return { local, type: one };
    });
    for (const global of calleeGlobals) code.setGlobal(global, 0);
    code.get(0);
    code.instruction(op.call, enter);
    const isLending = type.params.some((param) => hasBorrows(param.type));
    if (isLending) {
      code.get(0);
      code.instruction(op.call, lends);
    }
    const params = this.#params(
      isStored ? args.slice(0, -1) : args,
      lowering === 'async' ? flatAsyncParamsMax : flatParamsMax,
    );
    if (isLending) {
      constant(code, 0);
      code.instruction(op.call, lends);
    }
    select(code);
    for (const { local } of params) code.get(local);
    code.instruction(op.call, target);
    const how = code.local('i32');
    if (lifting === 'callback') code.set(how);
    if (lifting === 'sync') {
      const lifted = flattenFunction(type, 'lift').results[0];
      const value = lifted === undefined ? null : { local: code.local(lifted as FlatType), type: lifted };
      if (value !== null) {
        code.set(value.local);
        const pointer = isStored ? (args[args.length - 1] as TypedLocal).local : 0;
        this.#giveBack(value, pointer, isStored, () => code.get(0), result);
      }
      code.get(0);
      code.instruction(op.call, returned);
      if (postReturn !== null) {
        code.setGlobal(confined, 1);
        if (value !== null) code.get(value.local);
        code.instruction(op.call, postReturn);
        code.setGlobal(confined, 0);
      }
    }
    code.get(0);
    for (const global of calleeGlobals.slice(0, 2)) code.get(global, op.globalGet);
    code.instruction(op.call, keep);
    select(code);
    code.get(0);
    if (lifting === 'callback') code.get(how);
    else constant(code, 0);
    code.instruction(op.call, leave);
    code.ops(op.end);
    return code.body();
  }

  writeReturn({ lowering, arg, result }: TaskCalls): Uint8Array {
    const code = this.#code;
    const { type } = this.#calls;
    const returned = type.result;
    if (returned !== null) {
      const flat = flattenType(returned);
      const task = this.#core.params.length - 1;
      const isStored = flat.length > (lowering === 'async' ? 0 : flatResultsMax);
      const pointer = code.local('i32');
      if (isStored) {
        code.get(task);
        constant(code, flattenFunction(type, 'lower', lowering).params.length - 1);
        code.instruction(op.call, arg);
        code.ops(conversion.i32WrapI64);
        code.set(pointer);
      }
      const from: ValuePlace =
        flat.length > flatParamsMax
          ? region(code, this.#calls.callee, 0, returned)
          : { kind: 'flat', slots: flat.map((one, local) => ({ local, type: one })) };
      this.#store(returned, from, { pointer, isStored, task: () => code.get(task), result });
    }
    code.ops(op.end);
    return code.body();
  }

  /** Brings the core result of a callee that is lifted without `async` back. */
  #giveBack(lifted: TypedLocal, pointer: number, isStored: boolean, task: () => void, result: number): void {
    const code = this.#code;
    const type = this.#calls.type.result as WitType;
    const from: ValuePlace =
      flattenType(type).length > flatResultsMax
        ? region(code, this.#calls.callee, lifted.local, type)
        : { kind: 'flat', slots: [lifted] };
    this.#store(type, from, { pointer, isStored, task, result });
  }

  /** Stores a result for the caller: in its memory, or with the host as one core value. */
  #store(
    type: WitType,
    from: ValuePlace,
    to: { readonly pointer: number; readonly isStored: boolean; readonly task: () => void; readonly result: number },
  ): void {
    const code = this.#code;
    if (to.isStored) {
      this.#toCaller.copy(type, from, region(code, this.#calls.caller, to.pointer, type));
      return;
    }
    const slots = code.slots(flattenType(type));
    this.#toCaller.copy(type, from, { kind: 'flat', slots });
    for (const slot of slots) {
      to.task();
      code.get(slot.local);
      code.toWord(slot.type as FlatType);
      code.instruction(op.call, to.result);
    }
  }

  /** Brings the arguments over, which lie in memory beyond `flatMax`. Returns the locals with those of the callee. */
  #params(given: readonly TypedLocal[], flatMax: number): readonly TypedLocal[] {
    const code = this.#code;
    const types = this.#calls.type.params.map((param) => param.type);
    const flat = types.flatMap(flattenType);
    if (types.length === 0) return [];
    const tuple: WitType = { kind: 'tuple', of: types };
    const from: ValuePlace =
      flat.length > flatMax
        ? region(code, this.#calls.caller, (given[0] as TypedLocal).local, tuple)
        : { kind: 'flat', slots: given };
    if (flat.length <= flatParamsMax) {
      const to = code.slots(flat);
      this.#toCallee.copy(tuple, from, { kind: 'flat', slots: to });
      return to;
    }
    const pointer = allocate(
      code,
      { to: this.#calls.callee, confined: this.#calls.confined },
      elementBytes(tuple),
      alignment(tuple),
    );
    this.#toCallee.copy(tuple, from, inMemory(this.#calls.callee, pointer));
    return [{ local: pointer, type: 'i32' }];
  }

  /** Brings the result back. Returns the local with the core result of the adapter; null: it lies in memory. */
  #result(type: WitType, lifted: TypedLocal, flatMax: number, pointer: number): number | null {
    const code = this.#code;
    const flat = flattenType(type);
    if (flat.length <= flatMax) {
      const slots = code.slots(flat);
      this.#toCaller.copy(type, { kind: 'flat', slots: [lifted] }, { kind: 'flat', slots });
      return (slots[0] as TypedLocal).local;
    }
    const from = region(code, this.#calls.callee, lifted.local, type);
    const to = region(code, this.#calls.caller, pointer, type);
    this.#toCaller.copy(type, from, to);
    return null;
  }
}

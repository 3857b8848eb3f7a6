/**
 * Generates the core module that connects a component's modules with the host. It holds these functions:
 *
 * - for each host function whose result has lists, a function that calls the host function and then allocates, with
 *   the component's `realloc`, the memory that the host asks for:
 *   `loop { n = next(); if (n == 0) break; put(realloc(0, 0, 1 << (n & 3), n >>> 2)) }`.
 *   No JavaScript frame lies below `realloc`, so its gas is counted and it may suspend, as all guest code;
 * - for each function of asynchronous calls that delivers results, the same;
 * - the values of `context.get` and `context.set`, which are globals;
 * - for each resource that the component defines, the functions that make, read and drop its handles;
 * - the entry point, which calls the exported function with its arguments.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import type { ImportTarget } from './fuse.ts';

/** Import module of the functions that only glue calls; src/guest/kernel/abi/wasi2/component/glue.ts provides them. */
export const glueModule = 'trisiel:component/glue';

export const reallocType: FuncType = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };

interface Call {
  readonly target: ImportTarget;
  readonly type: FuncType;
}

export interface EntryCalls {
  /** Functions without parameters; each returns one argument of `func`. */
  readonly args: readonly Call[];
  /** The function that the entry point calls. Its core function returns nothing or one i32. */
  readonly func: Call;
  /** Host function that takes the pointer to a result in memory; absent: the result is that of the entry point. */
  readonly result?: Call;
  readonly postReturn: ImportTarget | null;
}

interface GlueFunction {
  readonly type: FuncType;
  /** Number of locals of type i32; their indices come after those of the parameters. */
  readonly locals: number;
  readonly write: (code: ByteWriter) => void;
  readonly exportName: string | null;
}

export interface AsyncEntryCalls extends Omit<EntryCalls, 'postReturn'> {
  /** The component's callback, which gets events; null: the entry point itself waits, and returns at its end. */
  readonly callback: ImportTarget | null;
  /** Host function that checks that the task has returned. Its result is that of the entry point. */
  readonly finished: Call;
  /** The component's realloc, for the results of asynchronous calls; null: none of them has lists. */
  readonly realloc: ImportTarget | null;
}

/** Import module of everything that glue imports; `resolve` returns the definition of such an import. */
const importModule = 'glue';

export class Glue {
  readonly #imports: { readonly target: ImportTarget; readonly type: FuncType }[] = [];
  readonly #importIndex = new Map<string, number>();
  readonly #functions: GlueFunction[] = [];
  readonly #fillers = new Map<number, string>();
  /** Number of mutable globals of type i32. */
  #globals = 0;

  /**
   * Adds a function that calls `host` and allocates the lists of its result with `realloc`. Returns the name of its
   * export.
   */
  allocating(host: ImportTarget, type: FuncType, realloc: ImportTarget): string {
    const call = this.#import(host, type);
    const fill = this.#filler(this.#import(realloc, reallocType));
    return this.#add(type, 0, (code) => {
      type.params.forEach((_, index) => {
        code.instruction(op.localGet, index);
      });
      code.instruction(op.call, call);
      this.#call(code, fill);
    });
  }

  /** Adds `context.get` or `context.set` of a slot. Slots are globals: a component reads them in every function. */
  context(operation: 'get' | 'set', slot: number): string {
    this.#globals = Math.max(this.#globals, slot + 1);
    return operation === 'get'
      ? this.#add({ params: [], results: ['i32'] }, 0, (code) => code.instruction(op.globalGet, slot))
      : this.#add({ params: ['i32'], results: [] }, 0, (code) => {
          code.instruction(op.localGet, 0);
          code.instruction(op.globalSet, slot);
        });
  }

  /** Adds a function of `type` that traps. Returns the name of its export. */
  trap(type: FuncType): string {
    return this.#add(type, 0, (code) => code.u8(op.unreachable));
  }

  /**
   * Adds the function `resource.new`, `resource.rep` or `resource.drop` of the component's own resource type `resource`
   * (a number). `destructor` is called with the representation after a drop. Returns the name of its export.
   */
  resource(operation: 'new' | 'rep' | 'drop', resource: number, destructor: ImportTarget | null): string {
    const call = this.#import(hostResources[operation], hostResources[operation].type);
    const after = destructor === null ? null : this.#import(destructor, destructorType);
    const results: FuncType['results'] = operation === 'drop' ? [] : ['i32'];
    return this.#add({ params: ['i32'], results }, 0, (code) => {
      constant(code, resource);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, call);
      if (operation !== 'drop') return;
      if (after === null) code.u8(op.drop);
      else code.instruction(op.call, after);
    });
  }

  /**
   * Adds the entry point under `name`. It calls `func` with the results of `args`, calls `postReturn` with the result,
   * and returns the result.
   */
  entry(name: string, { args, func, result: taken, postReturn }: EntryCalls): void {
    const [result] = func.type.results;
    const take = taken === undefined ? null : this.#import(taken.target, taken.type);
    const before = args.map(({ target, type }) => this.#import(target, type));
    const call = this.#import(func.target, func.type);
    const after = postReturn === null ? null : this.#import(postReturn, { params: func.type.results, results: [] });
    this.#functions.push({
      type: { params: [], results: take === null ? func.type.results : [] },
      locals: result === undefined ? 0 : 1,
      exportName: name,
      write: (code) => {
        for (const index of before) code.instruction(op.call, index);
        code.instruction(op.call, call);
        if (take !== null) {
          code.instruction(op.localTee, 0);
          code.instruction(op.call, take);
          if (after === null) return;
          code.instruction(op.localGet, 0);
          code.instruction(op.call, after);
          return;
        }
        if (after === null) return;
        if (result !== undefined) code.instruction(op.localTee, 0);
        code.instruction(op.call, after);
        if (result !== undefined) code.instruction(op.localGet, 0);
      },
    });
  }

  /**
   * Adds the entry point of an asynchronous function under `name`. It calls `func` with the results of `args`; while the
   * result asks for an event, it waits for one and passes it to the callback.
   */
  asyncEntry(name: string, { args, func, callback, finished, realloc }: AsyncEntryCalls): void {
    const before = args.map(({ target, type }) => this.#import(target, type));
    const call = this.#import(func.target, func.type);
    const after = this.#import(finished.target, finished.type);
    const again = callback === null ? null : this.#import(callback, callbackType);
    const [next, handle, payload] = [hostNextEvent, hostEventHandle, hostEventPayload].map((target) =>
      this.#import(target, target.type),
    ) as [number, number, number];
    const fill = realloc === null ? null : this.#filler(this.#import(realloc, reallocType));
    this.#functions.push({
      type: { params: [], results: finished.type.results },
      locals: 2,
      exportName: name,
      write: (code) => {
        for (const index of before) code.instruction(op.call, index);
        code.instruction(op.call, call);
        if (again !== null) {
          code.instruction(op.localSet, 0);
          code.raw(Uint8Array.of(op.loop, emptyBlock));
          code.instruction(op.localGet, 0);
          constant(code, 15);
          code.u8(op.i32And);
          code.raw(Uint8Array.of(op.if, emptyBlock));
          code.instruction(op.localGet, 0);
          code.instruction(op.call, next);
          code.instruction(op.localSet, 1);
          if (fill !== null) this.#call(code, fill);
          code.instruction(op.localGet, 1);
          code.instruction(op.call, handle);
          code.instruction(op.call, payload);
          code.instruction(op.call, again);
          code.instruction(op.localSet, 0);
          code.instruction(op.br, 1);
          code.raw(Uint8Array.of(op.end, op.end));
        }
        code.instruction(op.call, after);
      },
    });
  }

  /** Returns the definition that the import `name` of the glue module is connected to; null if there is none. */
  resolve(_module: string, name: string): ImportTarget | null {
    return this.#imports[Number(name)]?.target ?? null;
  }

  write(): Uint8Array {
    const writer = new ByteWriter(4096);
    writer.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const types = [...this.#imports.map((one) => one.type), ...this.#functions.map((one) => one.type)];
    writer.section(1, () => {
      writer.u32(types.length);
      for (const { params, results } of types) {
        writer.u8(0x60);
        for (const list of [params, results]) {
          writer.u32(list.length);
          for (const type of list) writer.u8(valTypeBytes[type]);
        }
      }
    });
    writer.section(2, () => {
      writer.u32(this.#imports.length);
      this.#imports.forEach((_, index) => {
        writer.name(importModule);
        writer.name(String(index));
        writer.u8(0);
        writer.u32(index);
      });
    });
    writer.section(3, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach((_, index) => {
        writer.u32(this.#imports.length + index);
      });
    });
    if (this.#globals > 0) {
      writer.section(6, () => {
        writer.u32(this.#globals);
        for (let index = 0; index < this.#globals; index += 1)
          writer.raw(Uint8Array.of(valTypeBytes.i32, 1, op.i32Const, 0, op.end));
      });
    }
    writer.section(7, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach(({ exportName }, index) => {
        writer.name(exportName ?? String(index));
        writer.u8(0);
        writer.u32(this.#imports.length + index);
      });
    });
    writer.section(10, () => {
      writer.u32(this.#functions.length);
      for (const { locals, write } of this.#functions) {
        writer.sized(() => {
          writer.u32(locals > 0 ? 1 : 0);
          if (locals > 0) {
            writer.u32(locals);
            writer.u8(valTypeBytes.i32);
          }
          write(writer);
          writer.u8(op.end);
        });
      }
    });
    return writer.view();
  }

  #import(target: ImportTarget, type: FuncType): number {
    const key = JSON.stringify(target);
    let index = this.#importIndex.get(key);
    if (index === undefined) {
      index = this.#imports.push({ target, type }) - 1;
      this.#importIndex.set(key, index);
    }
    return index;
  }

  #add(type: FuncType, locals: number, write: GlueFunction['write']): string {
    return String(this.#functions.push({ type, locals, write, exportName: null }) - 1);
  }

  /**
   * Writes a call of the glue function `name`. All imports have lower indices, so its own is known only when the module
   * is written.
   */
  #call(code: ByteWriter, name: string): void {
    code.instruction(op.call, this.#imports.length + Number(name));
  }

  /**
   * Adds a function that allocates with `realloc` all memory that the host asks for. Returns the name of its export.
   */
  #filler(realloc: number): string {
    const known = this.#fillers.get(realloc);
    if (known !== undefined) return known;
    const next = this.#import(hostNext, hostNext.type);
    const put = this.#import(hostPut, hostPut.type);
    const name = this.#add({ params: [], results: [] }, 1, (code) => {
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, next);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      constant(code, 0);
      constant(code, 0);
      constant(code, 1);
      code.instruction(op.localGet, 0);
      constant(code, 3);
      code.u8(op.i32And);
      code.u8(i32Shl);
      code.instruction(op.localGet, 0);
      constant(code, 2);
      code.u8(op.i32ShrU);
      code.instruction(op.call, realloc);
      code.instruction(op.call, put);
      code.instruction(op.br, 1);
      code.raw(Uint8Array.of(op.end, op.end));
    });
    this.#fillers.set(realloc, name);
    return name;
  }
}

const i32Shl = 0x74;

function glueFunction(name: string, type: FuncType): Extract<ImportTarget, { readonly kind: 'host' }> {
  return { kind: 'host', module: glueModule, name, type };
}

const hostNext = glueFunction('next', { params: [], results: ['i32'] });
const destructorType: FuncType = { params: ['i32'], results: [] };

/** Import module of the component's own resources; src/guest/kernel/abi/wasi2/component/resources.ts provides it. */
const resourcesModule = 'trisiel:component/resources';
const resourceFunction = (name: 'make' | 'rep' | 'drop') =>
  ({ kind: 'host', module: resourcesModule, name, type: { params: ['i32', 'i32'], results: ['i32'] } }) as const;
const hostResources = {
  new: resourceFunction('make'),
  rep: resourceFunction('rep'),
  drop: resourceFunction('drop'),
} as const;

const callbackType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };

/** Import module of asynchronous calls; src/guest/kernel/abi/wasi3/component/async.ts provides its functions. */
export const asyncModule = 'trisiel:component/async';
const asyncFunction = (name: string, params: FuncType['params']) =>
  ({ kind: 'host', module: asyncModule, name, type: { params, results: ['i32'] } }) as const;
const hostNextEvent = asyncFunction('next-event', ['i32']);
const hostEventHandle = asyncFunction('event-handle', []);
const hostEventPayload = asyncFunction('event-payload', []);

const hostPut = glueFunction('put', { params: ['i32'], results: [] });

/**
 * Import module of the arguments of an HTTP component's entry point; src/guest/kernel/abi/wasi2/http provides its
 * functions.
 */
const handlerModule = 'trisiel:http/incoming-handler';
const handle: FuncType = { params: [], results: ['i32'] };
/** Host function that returns a new handle of the request that the Process answers. */
export const hostRequest = { kind: 'host', module: handlerModule, name: 'request', type: handle } as const;
/** Host function that returns a new handle of the response-outparam, which takes the answer. */
export const hostOutparam = { kind: 'host', module: handlerModule, name: 'outparam', type: handle } as const;

/** Import module of the entry point of WASI 0.3 for HTTP; src/guest/kernel/abi/wasi3/http/handler.ts provides it. */
const handlerModule3 = 'trisiel:http/handler';
/** Host function that returns a new handle of the request. */
export const hostRequest3 = { kind: 'host', module: handlerModule3, name: 'request', type: handle } as const;
/** Host function that takes the answer, which lies in memory. */
export const hostRespondFrom = {
  kind: 'host',
  module: handlerModule3,
  name: 'respond-from',
  type: { params: ['i32'], results: [] },
} as const;
/** Host function that checks that there is an answer. */
export const hostResponded = {
  kind: 'host',
  module: handlerModule3,
  name: 'responded',
  type: { params: [], results: [] },
} as const;
/** Name of the host function that is the `task.return` of the entry point. */
export const respondName = { module: handlerModule3, name: 'respond' } as const;

/** Import module of the entry point of WASI 0.3 for programs; src/guest/kernel/abi/wasi3/cli/run.ts provides it. */
const runModule3 = 'trisiel:cli/run';
export const runReturnName = { module: runModule3, name: 'return' } as const;
/** Host function that returns the exit status of the program, which must have returned. */
export const hostRunStatus = { kind: 'host', module: runModule3, name: 'status', type: handle } as const;

/**
 * Generates the core module that connects a component's modules with the host. It holds these functions:
 *
 * - for each host function whose result has lists, a function that calls the host function and then allocates, with
 *   the component's `realloc`, the memory that the host asks for:
 *   `loop { n = next(); if (n == 0) break; put(realloc(0, 0, 1 << (n & 3), n >>> 2)) }`.
 *   No JavaScript frame lies below `realloc`, so its gas is counted and it may suspend, as all guest code;
 * - for each function of asynchronous calls that delivers results, such a function as well;
 * - functions for `context.get` and `context.set`, whose values are globals;
 * - for each resource that the component defines, the functions that make, read and drop its handles;
 * - in a composed component, a function for each call of one part by another (adapter.ts), and one for each function of
 *   the host that a part calls: it traps while `realloc` or `post-return` runs, and tells the host which part calls;
 * - the entry point, which calls the exported function with its arguments.
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { writeAdapter } from './adapter.ts';
import type { AdapterCalls, AdapterSide } from './adapter-calls.ts';
import { componentCaps } from './caps.ts';
import { type CallStyle, flattenFunction } from './flatten.ts';
import type { ImportTarget } from './fuse.ts';
import type { Part } from './graph.ts';
import { memoryExports } from './memories.ts';
import { tooLargeComponent } from './refusals.ts';
import { TaskGlue } from './task-glue.ts';
import { type FunctionType, type TextEncoding, textEncodings, type WitType } from './wit.ts';

/** Import module of the functions that only glue calls; src/guest/kernel/abi/wasi2/component/glue.ts provides them. */
export const glueModule = 'trisiel:component/glue';

export const reallocType: FuncType = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };

interface Call {
  readonly target: ImportTarget;
  readonly type: FuncType;
}

/** How glue calls a function of the host. */
export interface HostCall {
  readonly host: ImportTarget;
  readonly type: FuncType;
  /** Allocates the lists of the result; null: the result has none. */
  readonly realloc: ImportTarget | null;
  /** The part that calls; null: the component is not composed. */
  readonly part: Part | null;
  readonly encoding: TextEncoding;
}

/** One side of a call between parts. */
export interface PartOptions extends Part {
  readonly realloc: ImportTarget | null;
  readonly encoding: TextEncoding;
}

export interface PartCall {
  readonly type: FunctionType;
  readonly caller: PartOptions;
  readonly callee: PartOptions;
  readonly target: Call;
  readonly postReturn: ImportTarget | null;
  readonly definers: ReadonlyMap<string, number>;
  /** Host functions that pass the ends of streams and futures in the type on, by endName. */
  readonly ends: ReadonlyMap<string, ImportTarget>;
}

export interface AsyncPartCall extends PartCall {
  readonly lowering: 'sync' | 'async';
  readonly lifting: CallStyle;
  readonly callback: ImportTarget | null;
  /** The callee's realloc, for the results of its own asynchronous calls; null: none of them has lists. */
  readonly realloc: ImportTarget | null;
  /** The two parts as they call the host for events. */
  readonly callerPart: Part;
  readonly calleePart: Part;
}

/** Memories that lie in the memory of unit `unit` (memories.ts). */
export interface GlueMemories {
  readonly unit: number;
  readonly count: number;
}

export interface EntryCalls {
  /** The part that has the entry point; null: the component is not composed. */
  readonly part: Part | null;
  /** Functions without parameters; each returns one argument of `func`. */
  readonly args: readonly Call[];
  /** The function that the entry point calls. Its core function returns nothing or one i32. */
  readonly func: Call;
  /** Host function that takes the pointer to a result in memory; absent: the result is that of the entry point. */
  readonly result?: Call;
  readonly postReturn: ImportTarget | null;
  readonly encoding: TextEncoding;
}

interface GlueFunction {
  readonly type: FuncType;
  /** Number of locals of type i32; their indices come after those of the parameters. */
  readonly locals: number;
  readonly write: (code: ByteWriter) => void;
  readonly exportName: string | null;
  /** Writes locals, code and `end` instead of `locals` and `write`. */
  readonly body?: () => Uint8Array;
}

export interface AsyncEntryCalls extends Omit<EntryCalls, 'postReturn' | 'encoding'> {
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
  readonly #fillers = new Map<string, string>();
  /** Indices of mutable globals of type i32, by what they hold. */
  readonly #globals = new Map<string, number>();
  readonly #subject: string;
  readonly #memories: GlueMemories | null;
  #tasks: TaskGlue | null = null;

  /** Index of the global that is 1 while `realloc` or `post-return` runs: neither may leave its component. */
  readonly #confined: number;

  /** `subject` is the name of the component in messages; `memories` is null if the component has one memory at most. */
  constructor(subject: string, memories: GlueMemories | null) {
    this.#subject = subject;
    this.#memories = memories;
    this.#confined = this.#global('confined');
  }

  /**
   * Returns the functions of asynchronous calls between parts; the linker uses them if there are such calls.
   */
  get tasks(): TaskGlue {
    this.#tasks ??= new TaskGlue({
      host: (name, params, results) =>
        this.#import({ kind: 'host', module: asyncModule, name, type: { params, results } }, { params, results }),
      add: (type, locals, write) => this.#add(type, locals, write),
      addBody: (type, body) => this.#addBody(type, body),
      call: (code, name) => this.#call(code, name),
      selector: (part) => this.#selector(part),
      trapIfConfined: (code) => this.#trapIfConfinedAnyhow(code),
    });
    return this.#tasks;
  }

  #addBody(type: FuncType, body: () => Uint8Array): string {
    return String(this.#functions.push({ type, locals: 0, write: () => undefined, exportName: null, body }) - 1);
  }

  /** Adds a function through which one part calls another, of which one side is asynchronous. Returns the name of its export. */
  taskCall(call: AsyncPartCall): string {
    const { lowering, lifting, callerPart: caller, calleePart: callee, callback, realloc } = call;
    return this.tasks.call({
      call: this.#adapterCalls(call),
      lowering,
      lifting,
      caller,
      callee,
      callback: callback === null ? null : this.#import(callback, callbackType),
      fill: realloc === null ? null : this.#filler(this.#import(realloc, reallocType), callee),
    });
  }

  /** Adds the function `task.return` of `part` for tasks of calls between parts. Returns the name of its export. */
  taskReturn(part: PartOptions, result: WitType | null, entry: HostCall | null): string {
    const name = entry === null ? null : this.host(entry);
    const params = entry?.type.params ?? [];
    return this.tasks.taskReturn(
      this.#side(part),
      result,
      name === null
        ? null
        : (code) => {
            putParams(code, params);
            this.#call(code, name);
          },
    );
  }

  /** Adds a function that waits as `wait` says and then calls the function `name` of the glue module. */
  waiting(name: string, type: FuncType, part: Part, wait: 'set' | 'turn'): string {
    if (wait === 'turn') {
      const round = this.tasks.round();
      return this.#add(type, 0, (code) => {
        this.#call(code, round);
        putParams(code, type.params);
        this.#call(code, name);
      });
    }
    const waitFor = this.tasks.waitFor(wait, part);
    return this.#add(type, 0, (code) => {
      waitFor(code, () => code.instruction(op.localGet, 0));
      putParams(code, type.params);
      this.#call(code, name);
    });
  }

  /**
   * Adds a copy that waits until it has ended, or `subtask.cancel` that waits if it is not `isAsync`. `started` is the
   * function of the host that starts it: it returns the payload, or -1 if the copy has not ended; null: it returns nothing.
   */
  waitingFor(started: HostCall, isAsync: boolean, hasPayload: boolean): string {
    const { host, type, realloc, part } = started;
    if (part === null) throw new Error('a part was expected');
    const waitFor = this.tasks.waitFor('waitable', part);
    const round = this.tasks.round();
    const select = this.#selector(part);
    const start = this.#import(host, type);
    const take = this.#import(hostTake, hostTake.type);
    const fill = realloc === null ? null : this.#filler(this.#import(realloc, reallocType), part);
    const payload = type.params.length;
    return this.#add({ params: type.params, results: ['i32'] }, 1, (code) => {
      this.#trapIfConfined(code, part);
      select(code);
      putParams(code, type.params);
      code.instruction(op.call, start);
      if (hasPayload) code.instruction(op.localTee, payload);
      else constant(code, -1);
      constant(code, -1);
      code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
      if (isAsync) {
        this.#call(code, round);
        select(code);
      } else waitFor(code, () => code.instruction(op.localGet, 0));
      code.instruction(op.localGet, 0);
      code.instruction(op.call, take);
      code.instruction(op.localSet, payload);
      code.u8(op.end);
      if (fill !== null) this.#call(code, fill);
      code.instruction(op.localGet, payload);
    });
  }

  /** Adds a function that calls a function of the host and allocates the lists of its result. Returns the name of its export. */
  host({ host, type, realloc, part, encoding }: HostCall): string {
    const call = this.#import(host, type);
    const select = this.#selector(part);
    const encode = this.#encoder(encoding);
    const fill = realloc === null ? null : this.#filler(this.#import(realloc, reallocType), part);
    return this.#add(type, 0, (code) => {
      this.#trapIfConfined(code, part);
      select(code);
      encode(code, encoding);
      type.params.forEach((_, index) => {
        code.instruction(op.localGet, index);
      });
      code.instruction(op.call, call);
      if (fill !== null) this.#call(code, fill);
      encode(code, 'utf8');
    });
  }

  /** Returns a function that writes code that sets the encoding of strings; nothing for calls in UTF-8. */
  #encoder(used: TextEncoding): (code: ByteWriter, encoding: TextEncoding) => void {
    if (used === 'utf8') return () => undefined;
    const encode = this.#import(hostEncode, hostEncode.type);
    return (code, encoding) => {
      constant(code, textEncodings.indexOf(encoding));
      code.instruction(op.call, encode);
    };
  }

  /** Adds a function through which one part calls another. Returns the name of its export. */
  partCall(call: PartCall): string {
    const calls = this.#adapterCalls(call);
    return this.#addBody(flattenFunction(call.type, 'lower'), () => writeAdapter(calls));
  }

  #adapterCalls({ type, caller, callee, target, postReturn, definers, ends }: PartCall): AdapterCalls {
    const results = target.type.results;
    return {
      type,
      caller: this.#side(caller),
      callee: this.#side(callee),
      target: this.#import(target.target, target.type),
      postReturn: postReturn === null ? null : this.#import(postReturn, { params: results, results: [] }),
      text: this.#import(hostText, hostText.type),
      transcode: this.#import(hostTranscode, hostTranscode.type),
      transcoded: this.#import(hostTranscoded, hostTranscoded.type),
      pass: this.#import(hostPass, hostPass.type),
      lend: this.#import(hostLend, hostLend.type),
      returned: this.#import(hostReturned, hostReturned.type),
      lendRep: this.#import(hostLendRep, hostLendRep.type),
      passEnd: new Map([...ends].map(([name, target]) => [name, this.#import(target, passType)])),
      definers,
      entered: this.#global(`entered ${callee.component}`),
      confined: this.#confined,
      context: [0, 1].map((slot) => this.#global(`context ${callee.component} ${slot}`)),
    };
  }

  #side({ component, memory, realloc, encoding }: PartOptions): AdapterSide {
    const { unit = 0 } = this.#memories ?? {};
    const range = (number: number) =>
      this.#import(
        { kind: 'unit', unit, name: memoryExports.range(number) },
        { params: ['i32', 'i32'], results: ['i32'] },
      );
    return {
      component,
      memory: memory === null ? null : { base: 2 * memory, range: range(memory) },
      realloc: realloc === null ? null : this.#import(realloc, reallocType),
      encoding,
    };
  }

  /** Returns the index of the global that holds `what`; its first value is 0. */
  #global(what: string): number {
    const imported = 2 * (this.#memories?.count ?? 0);
    const index = this.#globals.get(what) ?? imported + this.#globals.size;
    this.#globals.set(what, index);
    return index;
  }

  /** Writes a trap for code of `realloc` and `post-return`, which may not leave its component. */
  #trapIfConfined(code: ByteWriter, part: Part | null): void {
    if (part !== null) this.#trapIfConfinedAnyhow(code);
  }

  #trapIfConfinedAnyhow(code: ByteWriter): void {
    code.instruction(op.globalGet, this.#confined);
    code.raw(Uint8Array.of(op.if, emptyBlock, op.unreachable, op.end));
  }

  /** Writes a change of the global that is 1 while `realloc` or `post-return` runs. */
  #confine(code: ByteWriter, part: Part | null, value: 0 | 1): void {
    if (part === null) return;
    constant(code, value);
    code.instruction(op.globalSet, this.#confined);
  }

  /** Returns a function that writes code that tells the host which part makes the next call. */
  #selector(part: Part | null): (code: ByteWriter) => void {
    if (part === null) return () => undefined;
    const select = this.#import(hostSelect, hostSelect.type);
    const { component, memory, hasOnlyMemory } = part;
    return (code) => {
      constant(code, component);
      if (memory === null) {
        // A part without a memory reaches no byte of the others.
        constant(code, 0);
        constant(code, hasOnlyMemory ? -1 : 0);
      } else {
        code.instruction(op.globalGet, 2 * memory);
        code.instruction(op.globalGet, 2 * memory + 1);
      }
      code.instruction(op.call, select);
    };
  }

  /**
   * Adds `context.get` or `context.set` of a slot of component instance `component`. Slots are globals: a component reads
   * them in every function.
   */
  context(operation: 'get' | 'set', slot: number, component: number): string {
    const global = this.#global(`context ${component} ${slot}`);
    return operation === 'get'
      ? this.#add({ params: [], results: ['i32'] }, 0, (code) => code.instruction(op.globalGet, global))
      : this.#add({ params: ['i32'], results: [] }, 0, (code) => {
          code.instruction(op.localGet, 0);
          code.instruction(op.globalSet, global);
        });
  }

  /** Adds a function of `type` that traps. Returns the name of its export. */
  trap(type: FuncType): string {
    return this.#add(type, 0, (code) => code.u8(op.unreachable));
  }

  /**
   * Adds the function `resource.new`, `resource.rep` or `resource.drop` of the component's own resource type `resource`
   * (a number). `destructor` is called with the representation after a drop of an owned handle. `part` calls, and
   * `definer` is the component instance that defines the resource. Returns the name of its export.
   */
  resource(
    operation: 'new' | 'rep' | 'drop',
    resource: number,
    destructor: ImportTarget | null,
    { part, definer }: { readonly part: Part | null; readonly definer: number },
  ): string {
    if (operation === 'drop' && destructor !== null && part !== null)
      return this.#dropOfPart(resource, destructor, part, definer);
    const select = this.#selector(part);
    const call = this.#import(hostResources[operation], hostResources[operation].type);
    const after = destructor === null ? null : this.#import(destructor, destructorType);
    const results: FuncType['results'] = operation === 'drop' ? [] : ['i32'];
    return this.#add({ params: ['i32'], results }, 0, (code) => {
      if (operation !== 'rep') this.#trapIfConfined(code, part);
      select(code);
      constant(code, resource);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, call);
      if (operation !== 'drop') return;
      if (after === null) code.u8(op.drop);
      else code.instruction(op.call, after);
    });
  }

  /** Adds the drop of a handle that may be borrowed, and whose destructor may be code of another part. */
  #dropOfPart(resource: number, destructor: ImportTarget, part: Part, definer: number): string {
    const select = this.#selector(part);
    const owns = this.#import(hostOwns, hostOwns.type);
    const drop = this.#import(hostResources.drop, hostResources.drop.type);
    const after = this.#import(destructor, destructorType);
    const entered = definer === part.component ? null : this.#global(`entered ${definer}`);
    return this.#add({ params: ['i32'], results: [] }, 1, (code) => {
      this.#trapIfConfined(code, part);
      select(code);
      constant(code, resource);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, owns);
      code.instruction(op.localSet, 1);
      constant(code, resource);
      code.instruction(op.localGet, 0);
      code.instruction(op.call, drop);
      code.instruction(op.localSet, 0);
      code.instruction(op.localGet, 1);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      if (entered !== null) {
        code.instruction(op.globalGet, entered);
        code.raw(Uint8Array.of(op.if, emptyBlock, op.unreachable, op.end));
        constant(code, 1);
        code.instruction(op.globalSet, entered);
      }
      code.instruction(op.localGet, 0);
      code.instruction(op.call, after);
      if (entered !== null) {
        constant(code, 0);
        code.instruction(op.globalSet, entered);
      }
      code.u8(op.end);
    });
  }

  /**
   * Adds the entry point under `name`. It calls `func` with the results of `args`, calls `postReturn` with the result,
   * and returns the result.
   */
  entry(name: string, { part, args, func, result: taken, postReturn, encoding }: EntryCalls): void {
    const [result] = func.type.results;
    const select = this.#selector(part);
    const encode = this.#encoder(encoding);
    const entered = part === null ? null : this.#global(`entered ${part.component}`);
    const take = taken === undefined ? null : this.#import(taken.target, taken.type);
    const before = args.map(({ target, type }) => this.#import(target, type));
    const call = this.#import(func.target, func.type);
    const after = postReturn === null ? null : this.#import(postReturn, { params: func.type.results, results: [] });
    const waitForAll = this.#tasks?.waitForAll() ?? (() => undefined);
    this.#functions.push({
      type: { params: [], results: take === null ? func.type.results : [] },
      locals: result === undefined ? 0 : 1,
      exportName: name,
      write: (code) => {
        if (entered !== null) {
          constant(code, 1);
          code.instruction(op.globalSet, entered);
        }
        select(code);
        for (const index of before) code.instruction(op.call, index);
        code.instruction(op.call, call);
        if (take !== null) {
          code.instruction(op.localSet, 0);
          select(code);
          encode(code, encoding);
          code.instruction(op.localGet, 0);
          code.instruction(op.call, take);
          encode(code, 'utf8');
          waitForAll(code);
          if (after === null) return;
          this.#confine(code, part, 1);
          code.instruction(op.localGet, 0);
          code.instruction(op.call, after);
          return;
        }
        waitForAll(code);
        if (after === null) return;
        this.#confine(code, part, 1);
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
  asyncEntry(name: string, { part, args, func, callback, finished, realloc }: AsyncEntryCalls): void {
    const select = this.#selector(part);
    const entered = part === null ? null : this.#global(`entered ${part.component}`);
    const before = args.map(({ target, type }) => this.#import(target, type));
    const call = this.#import(func.target, func.type);
    const after = this.#import(finished.target, finished.type);
    const again = callback === null ? null : this.#import(callback, callbackType);
    const [next, handle, payload] = [hostNextEvent, hostEventHandle, hostEventPayload].map((target) =>
      this.#import(target, target.type),
    ) as [number, number, number];
    const fill = realloc === null ? null : this.#filler(this.#import(realloc, reallocType), part);
    const waitFor = this.#tasks === null || part === null ? null : this.#tasks.waitFor('set', part);
    const round = this.#tasks?.round() ?? null;
    const waitForAll = this.#tasks?.waitForAll() ?? (() => undefined);
    this.#functions.push({
      type: { params: [], results: finished.type.results },
      locals: 2,
      exportName: name,
      write: (code) => {
        if (entered !== null) {
          constant(code, 1);
          code.instruction(op.globalSet, entered);
        }
        select(code);
        for (const index of before) code.instruction(op.call, index);
        code.instruction(op.call, call);
        if (again !== null) {
          code.instruction(op.localSet, 0);
          code.raw(Uint8Array.of(op.loop, emptyBlock));
          code.instruction(op.localGet, 0);
          constant(code, 15);
          code.u8(op.i32And);
          code.raw(Uint8Array.of(op.if, emptyBlock));
          if (waitFor !== null && round !== null) {
            code.instruction(op.localGet, 0);
            constant(code, 15);
            code.u8(op.i32And);
            constant(code, 2);
            code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
            waitFor(code, () => {
              code.instruction(op.localGet, 0);
              constant(code, 4);
              code.u8(op.i32ShrU);
            });
            code.u8(op.else);
            this.#call(code, round);
            code.u8(op.end);
          }
          select(code);
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
        waitForAll(code);
        code.instruction(op.call, after);
      },
    });
  }

  /** Returns the definition that the import `name` of the glue module is connected to; null if there is none. */
  resolve(_module: string, name: string): ImportTarget | null {
    if (this.#memories !== null && !/^\d/.test(name)) return { kind: 'unit', unit: this.#memories.unit, name };
    return this.#imports[Number(name)]?.target ?? null;
  }

  write(): Uint8Array {
    this.#tasks?.finish();
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
      const memories = this.#memories?.count ?? 0;
      writer.u32(this.#imports.length + (memories === 0 ? 0 : 2 * memories + 1));
      this.#imports.forEach((_, index) => {
        writer.name(importModule);
        writer.name(String(index));
        writer.u8(0);
        writer.u32(index);
      });
      if (memories === 0) return;
      writer.name(importModule);
      writer.name(memoryExports.memory);
      writer.raw(Uint8Array.of(2, 0, 0));
      for (let memory = 0; memory < memories; memory += 1)
        for (const name of [memoryExports.base(memory), memoryExports.bytes(memory)]) {
          writer.name(importModule);
          writer.name(name);
          writer.raw(Uint8Array.of(3, valTypeBytes.i32, 1));
        }
    });
    writer.section(3, () => {
      writer.u32(this.#functions.length);
      this.#functions.forEach((_, index) => {
        writer.u32(this.#imports.length + index);
      });
    });
    if (this.#globals.size > 0) {
      writer.section(6, () => {
        writer.u32(this.#globals.size);
        for (let index = 0; index < this.#globals.size; index += 1)
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
      for (const { locals, write, body } of this.#functions) {
        if (writer.length > componentCaps.glueBytes)
          throw tooLargeComponent(this.#subject, 'bytes of calls between its parts', componentCaps.glueBytes);
        writer.sized(() => {
          if (body !== undefined) {
            writer.raw(body());
            return;
          }
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
   * Adds a function that allocates with `realloc` all memory that the host asks for `part`. Returns the name of its
   * export.
   */
  #filler(realloc: number, part: Part | null): string {
    const key = JSON.stringify([realloc, part]);
    const known = this.#fillers.get(key);
    if (known !== undefined) return known;
    const select = this.#selector(part);
    const next = this.#import(hostNext, hostNext.type);
    const put = this.#import(hostPut, hostPut.type);
    const name = this.#add({ params: [], results: [] }, 1, (code) => {
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, next);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      this.#confine(code, part, 1);
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
      if (part !== null) {
        // realloc may have moved the part's memory.
        code.instruction(op.localSet, 0);
        this.#confine(code, part, 0);
        select(code);
        code.instruction(op.localGet, 0);
      }
      code.instruction(op.call, put);
      code.instruction(op.br, 1);
      code.raw(Uint8Array.of(op.end, op.end));
    });
    this.#fillers.set(key, name);
    return name;
  }
}

/** Puts all parameters of a function on the stack. */
function putParams(code: ByteWriter, params: FuncType['params']): void {
  for (let index = 0; index < params.length; index += 1) code.instruction(op.localGet, index);
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
const i32s = (count: number): FuncType['params'] => new Array<'i32'>(count).fill('i32');
const ofResources = (name: string, params: number, results: 0 | 1) =>
  ({ kind: 'host', module: resourcesModule, name, type: { params: i32s(params), results: i32s(results) } }) as const;
const hostOwns = ofResources('owns', 2, 1);
const hostLendRep = ofResources('lend-rep', 4, 1);
const hostPass = ofResources('pass', 4, 0);
const hostLend = ofResources('lend', 4, 1);
const hostReturned = ofResources('returned', 1, 0);

const callbackType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };

/** Import module of asynchronous calls; src/guest/kernel/abi/wasi3/component/async.ts provides its functions. */
export const asyncModule = 'trisiel:component/async';
const asyncFunction = (name: string, params: FuncType['params']) =>
  ({ kind: 'host', module: asyncModule, name, type: { params, results: ['i32'] } }) as const;
const hostTake = asyncFunction('waitable-take', ['i32']);
const passType: FuncType = { params: ['i32', 'i32', 'i32'], results: ['i32'] };
const hostNextEvent = asyncFunction('next-event', ['i32']);
const hostEventHandle = asyncFunction('event-handle', []);
const hostEventPayload = asyncFunction('event-payload', []);

const hostPut = glueFunction('put', { params: ['i32'], results: [] });
const hostSelect = glueFunction('select', { params: ['i32', 'i32', 'i32'], results: [] });
const hostText = glueFunction('text', { params: ['i32', 'i32'], results: [] });
const hostEncode = glueFunction('encode', { params: ['i32'], results: [] });
const hostTranscode = glueFunction('transcode', { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] });
const hostTranscoded = glueFunction('transcoded', { params: ['i32'], results: ['i32'] });

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

/**
 * Generates the core module (glue-module.ts) that connects a component's modules with the host. It holds these functions:
 *
 * - for each host function whose result has lists, a function that calls the host function and then allocates, with
 *   the component's `realloc`, the memory that the host asks for:
 *   `loop { n = next(); if (n == 0) break; put(realloc(0, 0, 1 << (n >>> 1 & 3), n >>> 3)) }`.
 *   No JavaScript frame lies below `realloc`, so its gas is counted and it may suspend, as all guest code;
 * - for each function of asynchronous calls that delivers results, such a function as well;
 * - functions for `context.get` and `context.set`, whose values are globals;
 * - for each resource that the component defines, the functions that make, read and drop its handles (resource-glue.ts);
 * - in a composed component, a function for each call of one part by another (adapter.ts), and one for each function of
 *   the host that a part calls: it traps while `realloc` or `post-return` runs, and tells the host which part calls;
 * - the entry point, which calls the exported function with its arguments (entry-glue.ts).
 */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import type { ByteWriter } from '../wasm/format/writer.ts';
import { writeAdapter } from './adapter.ts';
import type { AdapterCalls, AdapterSide } from './adapter-calls.ts';
import { type AsyncEntryCalls, addAsyncEntry, addEntry, type EntryCalls } from './entry-glue.ts';
import { type CallStyle, callbackType, flattenFunction, reallocType } from './flatten.ts';
import {
  asyncModule,
  type GlueCall,
  hostCalled,
  hostLend,
  hostLendRep,
  hostMustNotWait,
  hostPass,
  hostReturned,
  hostStoreResult,
  hostStoreUnstored,
  hostTake,
  hostText,
  hostTranscode,
  hostTranscoded,
  hostUnstoredPart,
  hostUnwaiting,
  passType,
} from './glue-hosts.ts';
import { type GlueMemories, GlueModule } from './glue-module.ts';
import { GluePieces, putParams } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import { memoryExports } from './memories.ts';
import { addResource, type ResourceFunction } from './resource-glue.ts';
import { TaskGlue } from './task-glue.ts';
import type { ImportTarget } from './unit.ts';
import type { FunctionType, TextEncoding, WitType } from './wit.ts';

/** A part that may read what another one writes, with its memory. */
export interface Reader {
  readonly part: Part;
  /** Allocates the lists of what it reads; null: there are none. */
  readonly realloc: ImportTarget | null;
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
  /** Parts that may read what the call writes, with their memories; absent: the call writes to nobody. */
  readonly readers?: readonly Reader[];
  /**
   * Whether the call waits, or may, as one of an asynchronous function does. A function that must not wait traps at it; at
   * a function of the canonical ABI only where that would wait.
   */
  readonly isWaiting?: boolean;
  /** Whether the component is not composed, and no call of it may wait. */
  readonly isUnwaiting?: boolean;
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
  readonly target: GlueCall;
  readonly postReturn: ImportTarget | null;
  readonly definers: ReadonlyMap<string, number>;
  /** Host functions that pass the ends of streams and futures in the type on, by endName, and error contexts, by `error-context`. */
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

export class Glue {
  readonly #module: GlueModule;
  readonly #pieces: GluePieces;
  #tasks: TaskGlue | null = null;
  /** Name of the function that #settle calls; null: it was not needed yet. */
  #settling: string | null = null;
  /** Names of the functions that withOwnContext has added, by target and component instance. */
  readonly #ownContexts = new Map<string, string>();

  /** `subject` is the name of the component in messages; `memories` is null if the component has one memory at most. */
  constructor(subject: string, memories: GlueMemories | null) {
    this.#module = new GlueModule(subject, memories);
    this.#pieces = new GluePieces(this.#module);
  }

  /** Says that there are asynchronous calls between parts. Must be called before functions are added. */
  useTasks(): void {
    void this.tasks;
  }

  /**
   * Returns the functions of asynchronous calls between parts; the linker uses them if there are such calls.
   */
  get tasks(): TaskGlue {
    this.#tasks ??= new TaskGlue({
      host: (name, params, results) =>
        this.#module.import(
          { kind: 'host', module: asyncModule, name, type: { params, results } },
          { params, results },
        ),
      add: (type, locals, write) => this.#module.add(type, locals, write),
      addBody: (type, body) => this.#module.addBody(type, body),
      addExport: (name, locals, write) =>
        this.#module.addExport(name, { type: { params: [], results: [] }, locals, write }),
      call: (code, name) => this.#module.call(code, name),
      pieces: this.#pieces,
    });
    return this.#tasks;
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
      callback: callback === null ? null : this.#module.import(callback, callbackType),
      fill: realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), callee),
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
            this.#module.call(code, name);
          },
    );
  }

  /**
   * Adds a function that waits until the waitable set of its first parameter has an event, and then calls the function
   * `name` of the glue module; null: one that lets other tasks go first.
   */
  waiting(name: string | null, type: FuncType, part: Part): string {
    const local = type.params.length;
    if (name === null) {
      const turn = this.tasks.turn(part);
      return this.#module.add(type, 3, (code) => turn(code, local));
    }
    const waitFor = this.tasks.waitFor('set', part);
    return this.#module.add(type, 3, (code) => {
      waitFor(code, local, () => code.instruction(op.localGet, 0));
      putParams(code, type.params);
      this.#module.call(code, name);
    });
  }

  /**
   * Adds a function that starts a copy or `subtask.cancel`, and waits for its end unless it is `isAsync`. `started` is the
   * function of the host that starts it. If it `hasPayload`, it returns the payload of the event, or -1 when the end has
   * not come yet; otherwise nothing. Returns the name of its export.
   */
  waitingFor(started: HostCall, isAsync: boolean, hasPayload: boolean): string {
    const { host, type, realloc, part, readers } = started;
    if (part === null) throw new Error('a part was expected');
    const waitFor = this.tasks.waitFor('waitable', part);
    const select = this.#pieces.selector(part);
    const keep = this.#pieces.callKeeper(part);
    const start = this.#module.import(host, type);
    const take = this.#module.import(hostTake, hostTake.type);
    const fill = realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part);
    const payload = type.params.length;
    const settle = this.#settle(readers);
    return this.#module.add({ params: type.params, results: ['i32'] }, 4, (code) => {
      this.#pieces.trapIfConfined(code, part);
      select(code);
      keep(code, payload + 1, () => {
        putParams(code, type.params);
        code.instruction(op.call, start);
      });
      select(code);
      if (hasPayload) code.instruction(op.localTee, payload);
      else constant(code, -1);
      constant(code, -1);
      code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
      settle(code);
      if (!isAsync) waitFor(code, payload + 1, () => code.instruction(op.localGet, 0));
      code.instruction(op.localGet, 0);
      code.instruction(op.call, take);
      code.instruction(op.localSet, payload);
      code.u8(op.end);
      if (fill !== null) this.#module.call(code, fill);
      settle(code);
      code.instruction(op.localGet, payload);
    });
  }

  /** Returns a function that writes code that stores, in the memories of `readers`, what a copy has brought them. */
  #settle(readers: readonly Reader[] = []): (code: ByteWriter) => void {
    if (readers.length === 0) return () => undefined;
    this.#settling ??= this.#addSettling(readers);
    const name = this.#settling;
    return (code) => this.#module.call(code, name);
  }

  #addSettling(readers: readonly Reader[]): string {
    const partOf = this.#module.import(hostUnstoredPart, hostUnstoredPart.type);
    const store = this.#module.import(hostStoreUnstored, hostStoreUnstored.type);
    const storing = readers.map(({ part, realloc }) => ({
      component: part.component,
      select: this.#pieces.selector(part),
      fill: realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part),
    }));
    return this.#module.add({ params: [], results: [] }, 1, (code) => {
      code.raw(Uint8Array.of(op.loop, emptyBlock));
      code.instruction(op.call, partOf);
      code.instruction(op.localTee, 0);
      code.raw(Uint8Array.of(op.if, emptyBlock));
      for (const { component, select, fill } of storing) {
        code.instruction(op.localGet, 0);
        constant(code, component);
        code.raw(Uint8Array.of(op.i32Eq, op.if, emptyBlock));
        select(code);
        code.instruction(op.call, store);
        if (fill !== null) this.#module.call(code, fill);
        code.instruction(op.br, 2);
        code.u8(op.end);
      }
      code.raw(Uint8Array.of(op.unreachable, op.end, op.end));
    });
  }

  /** Adds a function that calls a function of the host and allocates the lists of its result. Returns the name of its export. */
  host({ host, type, realloc, part, encoding, readers, isWaiting = false, isUnwaiting = false }: HostCall): string {
    const settle = this.#settle(readers);
    const call = this.#module.import(host, type);
    const select = this.#pieces.selector(part);
    const encode = this.#pieces.encoder(encoding);
    const fill = realloc === null ? null : this.#pieces.filler(this.#module.import(realloc, reallocType), part);
    const isOfAbi = host.kind === 'host' && host.module === asyncModule;
    const trapIfUnwaiting = isWaiting && part !== null && !isOfAbi ? this.#pieces.unwaitingTrap(part) : null;
    const checkWait = isWaiting && part !== null && isOfAbi ? this.#pieces.waitCheck(part) : null;
    const unwaiting = isUnwaiting ? this.#module.import(hostUnwaiting, hostUnwaiting.type) : null;
    const switching =
      isWaiting && part !== null && this.#tasks !== null
        ? { keep: this.#pieces.callKeeper(part), store: this.#module.import(hostStoreResult, hostStoreResult.type) }
        : null;
    return this.#module.add(type, switching === null ? 0 : 3, (code) => {
      this.#pieces.trapIfConfined(code, part);
      trapIfUnwaiting?.(code);
      select(code);
      encode(code, encoding);
      const callHost = (): void => {
        checkWait?.(code);
        if (unwaiting !== null) code.instruction(op.call, unwaiting);
        putParams(code, type.params);
        code.instruction(op.call, call);
      };
      if (switching === null) callHost();
      else {
        switching.keep(code, type.params.length, callHost);
        select(code);
        code.instruction(op.call, switching.store);
      }
      if (fill !== null) this.#module.call(code, fill);
      encode(code, 'utf8');
      settle(code);
    });
  }

  /** Adds a function through which one part calls another. Returns the name of its export. */
  partCall(call: PartCall): string {
    const calls = this.#adapterCalls(call);
    return this.#module.addBody(flattenFunction(call.type, 'lower'), () => writeAdapter(calls));
  }

  #adapterCalls({ type, caller, callee, target, postReturn, definers, ends }: PartCall): AdapterCalls {
    const results = target.type.results;
    return {
      type,
      caller: this.#side(caller),
      callee: this.#side(callee),
      target: this.#module.import(target.target, target.type),
      postReturn: postReturn === null ? null : this.#module.import(postReturn, { params: results, results: [] }),
      text: this.#module.import(hostText, hostText.type),
      transcode: this.#module.import(hostTranscode, hostTranscode.type),
      transcoded: this.#module.import(hostTranscoded, hostTranscoded.type),
      pass: this.#module.import(hostPass, hostPass.type),
      lend: this.#module.import(hostLend, hostLend.type),
      called: this.#module.import(hostCalled, hostCalled.type),
      returned: this.#module.import(hostReturned, hostReturned.type),
      lendRep: this.#module.import(hostLendRep, hostLendRep.type),
      passEnd: new Map([...ends].map(([name, target]) => [name, this.#module.import(target, passType)])),
      definers,
      confined: this.#pieces.confined,
      callerGlobals: this.#tasks === null ? [] : this.#pieces.callGlobals(caller.component),
      calleeGlobals: this.#pieces.callGlobals(callee.component),
    };
  }

  #side({ component, memory, hasOnlyMemory, realloc, encoding }: PartOptions): AdapterSide {
    const unit = this.#module.memoriesUnit;
    const range = (number: number) =>
      this.#module.import(
        { kind: 'unit', unit, name: memoryExports.range(number) },
        { params: ['i32', 'i32'], results: ['i32'] },
      );
    return {
      component,
      memory: memory === null ? null : { base: 2 * memory, range: range(memory) },
      lifting: JSON.stringify([memory, hasOnlyMemory, encoding]),
      realloc: realloc === null ? null : this.#module.import(realloc, reallocType),
      encoding,
    };
  }

  /**
   * Adds `context.get` or `context.set` of a slot of component instance `component`. Slots are globals: a component reads
   * them in every function.
   */
  context(operation: 'get' | 'set', slot: number, component: number): string {
    const global = this.#module.global(`context ${component} ${slot}`);
    return operation === 'get'
      ? this.#module.add({ params: [], results: ['i32'] }, 0, (code) => code.instruction(op.globalGet, global))
      : this.#module.add({ params: ['i32'], results: [] }, 0, (code) => {
          code.instruction(op.localGet, 0);
          code.instruction(op.globalSet, global);
        });
  }

  /**
   * Adds a function around `target`, a function of component instance `component` that the linker's code calls: it has a
   * context of its own. Returns the name of its export.
   */
  withOwnContext(target: ImportTarget, type: FuncType, component: number): string {
    const key = JSON.stringify([target, component]);
    let name = this.#ownContexts.get(key);
    if (name === undefined) {
      const call = this.#module.import(target, type);
      const [first, second] = this.#pieces.callGlobals(component);
      const local = type.params.length;
      name = this.#module.add(type, 2, (code) => {
        [first, second].forEach((global, index) => {
          code.instruction(op.globalGet, global);
          code.instruction(op.localSet, local + index);
          constant(code, 0);
          code.instruction(op.globalSet, global);
        });
        putParams(code, type.params);
        code.instruction(op.call, call);
        [first, second].forEach((global, index) => {
          code.instruction(op.localGet, local + index);
          code.instruction(op.globalSet, global);
        });
      });
      this.#ownContexts.set(key, name);
    }
    return name;
  }

  /** Adds a function of `type` that ends the guest, which must not wait. Returns the name of its export. */
  mustNotWait(type: FuncType): string {
    const call = this.#module.import(hostMustNotWait, hostMustNotWait.type);
    return this.#module.add(type, 0, (code) => {
      code.instruction(op.call, call);
      code.u8(op.unreachable);
    });
  }

  /** Adds a function of `type` that traps. Returns the name of its export. */
  trap(type: FuncType): string {
    return this.#module.add(type, 0, (code) => code.u8(op.unreachable));
  }

  /** Adds a function of a resource that the component defines. Returns the name of its export. */
  resource(wanted: ResourceFunction): string {
    return addResource(this.#pieces, wanted);
  }

  /** Adds the entry point under `name`. */
  entry(name: string, calls: EntryCalls): void {
    addEntry({ pieces: this.#pieces, tasks: this.#tasks }, name, calls);
  }

  /** Adds the entry point of an asynchronous function under `name`. */
  asyncEntry(name: string, calls: AsyncEntryCalls): void {
    addAsyncEntry({ pieces: this.#pieces, tasks: this.#tasks }, name, calls);
  }

  /** The functions that the code calls. */
  get imports(): GlueModule['imports'] {
    return this.#module.imports;
  }

  /** Returns the definition that the import `name` of the glue module is connected to; null if there is none. */
  resolve(module: string, name: string): ImportTarget | null {
    return this.#module.resolve(module, name);
  }

  /** Returns the module. Nothing is added after it. */
  write(): Uint8Array {
    this.#tasks?.finish();
    return this.#module.write();
  }
}

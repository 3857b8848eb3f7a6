/**
 * Generates the core module (glue-module.ts) that connects a component's modules with the host. It holds these
 * functions:
 *
 * - for each host function whose result has lists, a function that calls the host function and then allocates, with
 *   the component's `realloc`, the memory that the host asks for:
 *   `loop { n = next(); if (n == 0) break; put(realloc(0, 0, 1 << (n >>> 1 & 3), n >>> 3)) }`.
 *   No JavaScript frame lies below `realloc`, so its gas is counted and it may suspend, as all guest code;
 * - for each function of asynchronous calls that delivers results, such a function as well;
 * - functions for `context.get` and `context.set`, whose values are globals;
 * - for each resource that the component defines, the functions that make, read and drop its handles
 *   (resource-glue.ts);
 * - in a composed component, a function for each call of one part by another (adapter.ts), and one for each function of
 *   the host that a part calls: it traps while `realloc` or `post-return` runs, and tells the host which part calls;
 * - the entry point, which calls the exported function with its arguments (entry-glue.ts).
 */

import type { FuncType } from '../../protocol/module.ts';
import { constant, op } from '../wasm/format/instructions.ts';
import { writeAdapter } from './adapter.ts';
import { type AsyncEntryCalls, addAsyncEntry, addEntry, type EntryCalls } from './entry-glue.ts';
import { callbackType, flattenFunction, reallocType } from './flatten.ts';
import { asyncModule, hostMustNotWait } from './glue-hosts.ts';
import { type GlueMemories, GlueModule } from './glue-module.ts';
import { GluePieces, putParams } from './glue-pieces.ts';
import { type HostCall, HostGlue } from './host-glue.ts';
import { type AsyncPartCall, adapterCalls, adapterSide, type PartCall, type PartOptions } from './part-glue.ts';
import { addResource, type ResourceFunction } from './resource-glue.ts';
import { TaskGlue } from './task-glue.ts';
import type { ImportTarget } from './unit.ts';
import type { WitType } from './wit.ts';

export class Glue {
  readonly #module: GlueModule;
  readonly #pieces: GluePieces;
  /** Functions around calls of the host. */
  readonly hosts: HostGlue;
  #tasks: TaskGlue | null = null;
  /** Names of the functions that withOwnContext has added, by target and component instance. */
  readonly #ownContexts = new Map<string, string>();

  /** `subject` is the name of the component in messages; `memories` is null if the component has one memory at most. */
  constructor(subject: string, memories: GlueMemories | null) {
    this.#module = new GlueModule(subject, memories);
    this.#pieces = new GluePieces(this.#module);
    this.hosts = new HostGlue(this.#pieces, () => this.#tasks);
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

  /**
   * Adds a function through which one part calls another, of which one side is asynchronous. Returns the name of its
   * export.
   */
  taskCall(call: AsyncPartCall): string {
    const { lowering, lifting, callerPart: caller, calleePart: callee, callback, realloc } = call;
    return this.tasks.call({
      call: adapterCalls(this.#pieces, this.#tasks !== null, call),
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
    const name = entry === null ? null : this.hosts.call(entry);
    const params = entry?.type.params ?? [];
    return this.tasks.taskReturn(
      adapterSide(this.#module, part),
      result,
      name === null
        ? null
        : (code) => {
            putParams(code, params);
            this.#module.call(code, name);
          },
    );
  }

  /** Adds a function through which one part calls another. Returns the name of its export. */
  partCall(call: PartCall): string {
    const calls = adapterCalls(this.#pieces, this.#tasks !== null, call);
    return this.#module.addBody(flattenFunction(call.type, 'lower'), () => writeAdapter(calls));
  }

  /**
   * Adds `context.get` or `context.set` of a slot of component instance `component`. Slots are globals: a component
   * reads them in every function.
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
   * Adds a function around `target`, a function of component instance `component` that the linker's code calls: it has
   * a context of its own. Returns the name of its export.
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

/**
 * Links a component to one core module, which is then vetted, metered and run like any other. Compares every import of
 * the component with the functions that the host provides, by interface, name and type.
 */

import { PlatformError } from '../../protocol/errors.ts';
import type { FuncType } from '../../protocol/module.ts';
import { cutDetails, plural, printable } from '../wasm/inspect/findings.ts';
import { lowerUsesMemory, usesMemory } from './canon-options.ts';
import { CoreModules } from './core-modules.ts';
import { decodeComponent } from './decode.ts';
import { elementName, otherElement } from './element-name.ts';
import { evaluateComponent } from './evaluate.ts';
import { flattenFunction, hasLists } from './flatten.ts';
import { fuse, type ImportTarget, type KeptExport, type Unit } from './fuse.ts';
import {
  asyncModule,
  Glue,
  type HostCall,
  hostOutparam,
  hostRequest,
  hostRequest3,
  hostResponded,
  hostRespondFrom,
  hostRunStatus,
  type PartCall,
  type PartOptions,
  respondName,
  runReturnName,
} from './glue.ts';
import type {
  CanonFunction,
  CoreInstance,
  CoreItem,
  FunctionItem,
  Graph,
  HostFunction,
  LiftedFunction,
  Options,
  Part,
  ResourceItem,
} from './graph.ts';
import { httpErrorCode } from './http-error-code.ts';
import { compatibleName, isPrerelease, nearestName } from './interface-name.ts';
import { Memories } from './memories.ts';
import type { StreamOperation } from './model.ts';
import { invalidComponent, unsupportedComponent } from './refusals.ts';
import { checkSignatures } from './signatures.ts';
import { type EndType, endName, endsIn, hasBorrows, hasErrorContexts } from './type-contents.ts';
import {
  asyncFunc,
  type FunctionType,
  formatFunction,
  func,
  hostResource,
  own,
  result,
  sameFunction,
  sameWitType,
  type TextEncoding,
  type WitType,
} from './wit.ts';

/** A function that the host provides. `interfaceName` has the compatible part of the version: `wasi:io/streams@0.2`. */
export interface ProvidedWit {
  readonly interfaceName: string;
  readonly name: string;
  readonly type: FunctionType;
}

export type World = 'http' | 'command';

export interface LinkedComponent {
  /** The linked core module; it exports `_start`. */
  readonly bytes: Uint8Array;
  readonly world: World;
  /** Name of the component's export that `_start` calls: `wasi:http/incoming-handler@0.2.3`. */
  readonly entry: string;
  /** Names of the component's imports. */
  readonly imports: readonly string[];
  /** Number of host functions that the linked module imports. */
  readonly functions: number;
}

export interface LinkComponentOptions {
  readonly provided: readonly ProvidedWit[];
  /** Names (elementName) of the types that streams and futures of the host have; absent: none. */
  readonly elements?: ReadonlySet<string>;
  /** Name of the component in messages: its path. */
  readonly name?: string | undefined;
}

/**
 * Returns the linked component. Throws PlatformError: `module_invalid`, `module_unsupported`, `module_too_large`,
 * `imports_unknown`, `entry_missing`.
 */
export function linkComponent(bytes: Uint8Array, options: LinkComponentOptions): LinkedComponent {
  const subject = options.name ?? 'the component';
  const graph = evaluateComponent(decodeComponent(bytes, subject), subject);
  return new Linker(graph, options, subject).link();
}

/** Indices of the fused modules: glue is 0, the core instances follow in order. */
const glueUnit = 0;
const unitOf = (instance: CoreInstance): number => instance.index + 1;

class Linker {
  readonly #graph: Graph;
  readonly #subject: string;
  readonly #provided: ReadonlyMap<string, ProvidedWit>;
  readonly #interfaces: ReadonlySet<string>;
  readonly #glue: Glue;
  readonly #modules: CoreModules;
  readonly #memories: Memories;
  /** Whether code of several component instances is linked, or one with several memories: the host is told who calls. */
  readonly #isComposed: boolean;
  /** Whether parts call each other asynchronously. */
  readonly #hasTasks: boolean;
  readonly #canons = new Map<CanonFunction, ImportTarget>();
  readonly #problems: string[] = [];
  readonly #hints = new Set<string>();
  /** Unknown interfaces for which the nearest known one was looked up. */
  readonly #lookedUp = new Set<string>();
  readonly #functions = new Set<string>();
  readonly #elements: ReadonlySet<string>;
  readonly #entry: Entry | null;
  /** What the results of asynchronous calls go to, by the number of the component instance that calls. */
  readonly #deliveries: ReadonlyMap<number, Delivery>;

  constructor(graph: Graph, { provided, elements }: LinkComponentOptions, subject: string) {
    this.#graph = graph;
    this.#subject = subject;
    this.#elements = elements ?? new Set();
    this.#provided = new Map(provided.map((one) => [`${one.interfaceName}\0${one.name}`, one]));
    this.#interfaces = new Set(provided.map((one) => one.interfaceName));
    this.#modules = new CoreModules(subject);
    checkSignatures(graph, this.#modules, subject);
    this.#hasTasks = hasTasks(graph);
    this.#memories = new Memories(graph, this.#modules, subject, this.#hasTasks);
    const { areMerged, placed } = this.#memories;
    this.#isComposed = areMerged || new Set(graph.instances.map(({ component }) => component)).size > 1;
    this.#glue = new Glue(subject, areMerged ? { unit: this.#memoriesUnit, count: placed.length } : null);
    this.#entry = this.#findEntry();
    this.#deliveries = this.#findDeliveries();
  }

  /** Index of the unit with the memory that holds all memories, after those of the core instances. */
  get #memoriesUnit(): number {
    return this.#graph.instances.length + 1;
  }

  link(): LinkedComponent {
    const entry = this.#entry;
    if (entry === null) {
      this.#checkLinks();
      throw this.#entryMissing();
    }
    const units = this.#units();
    this.#makeEntry(entry);
    this.#refuseUnknown();
    return {
      bytes: this.#fuse(units, [{ unit: glueUnit, name: '_start' }]),
      world: entry.kind.world,
      entry: entry.name,
      imports: this.#graph.imports,
      functions: this.#functions.size,
    };
  }

  /** Throws `module_invalid` if the core modules do not fit together. Anything else is told when there is an entry point. */
  #checkLinks(): void {
    try {
      this.#fuse(this.#units(), []);
    } catch (error) {
      if (error instanceof PlatformError && error.code !== 'module_invalid') return;
      throw error;
    }
  }

  #units(): readonly Unit[] {
    const units = this.#graph.instances.map((instance): Unit => {
      const resolved = new Map<string, ImportTarget | null>();
      // Keeps the target of each import: the lookup notes unknown imports, all of which are reported in one error
      // before modules are fused.
      return {
        bytes: instance.module,
        resolve: (module, name) => {
          const key = `${module}\0${name}`;
          let target = resolved.get(key);
          if (target === undefined) {
            target = this.#argument(instance, module, name);
            resolved.set(key, target);
          }
          return target;
        },
      };
    });
    for (const instance of this.#graph.instances) this.#resolveAll(instance);
    return units;
  }

  #fuse(units: readonly Unit[], keep: readonly KeptExport[]): Uint8Array {
    const glue: Unit = { bytes: this.#glue.write(), resolve: (module, name) => this.#glue.resolve(module, name) };
    const merged: Unit[] = this.#memories.areMerged ? [{ bytes: this.#memories.laidOut(), resolve: () => null }] : [];
    return fuse([glue, ...units, ...merged], keep, {
      subject: this.#subject,
      modules: this.#modules,
      memories: this.#memories.areMerged
        ? {
            unit: this.#memoriesUnit,
            placed: this.#memories.placed,
            ofUnit: [null, ...units.map((_, index) => this.#memories.ofInstance(index)), null],
          }
        : null,
    });
  }

  /** Looks up every function that the component passes to `instance`, so that unknown imports are noted. */
  #resolveAll(instance: CoreInstance): void {
    for (const item of instance.args.values()) {
      if (item.kind === 'instance') continue;
      for (const one of item.exports.values()) if (one.kind === 'canon') this.#canon(one.canon, one.component);
    }
  }

  #argument(instance: CoreInstance, module: string, name: string): ImportTarget | null {
    const item = instance.args.get(module);
    if (item === undefined) return null;
    if (item.kind === 'instance') return { kind: 'unit', unit: unitOf(item.instance), name };
    const one = item.exports.get(name);
    return one === undefined ? null : this.#target(one);
  }

  #target(item: CoreItem): ImportTarget {
    return item.kind === 'export'
      ? { kind: 'unit', unit: unitOf(item.instance), name: item.name }
      : this.#canon(item.canon, item.component);
  }

  /** Returns the part that uses `options`, or has no memory without them; null unless the component is composed. */
  #part(component: number, options: Options | null): Part | null {
    return this.#isComposed ? this.#partOf(component, options) : null;
  }

  #partOf(component: number, options: Options | null): PartOptions {
    const { areMerged } = this.#memories;
    const named = options?.memory ?? null;
    const memory = named === null || !areMerged ? null : this.#memories.ofItem(named);
    if (named !== null && areMerged && memory === null)
      throw invalidComponent(this.#subject, 'an option that names a memory which no core instance has');
    const realloc = options === null || options.realloc === null ? null : this.#target(options.realloc);
    const encoding = options?.encoding ?? 'utf8';
    return { component, memory, hasOnlyMemory: named !== null && !areMerged, realloc, encoding };
  }

  #canon(canon: CanonFunction, component: number): ImportTarget {
    let target = this.#canons.get(canon);
    if (target === undefined) {
      target = this.#makeCanon(canon, component);
      this.#canons.set(canon, target);
    }
    return target;
  }

  #makeCanon(canon: CanonFunction, component: number): ImportTarget {
    switch (canon.op) {
      case 'lower':
        return this.#lower(canon.func, canon.options, component);
      case 'resource.drop': {
        const { host, resource } = canon.resource;
        if (host === null) return this.#ownResource('drop', canon.resource, component);
        const wanted: HostFunction = {
          kind: 'host',
          interfaceName: host.interfaceName,
          name: `[resource-drop]${host.name}`,
          type: func({ self: own(resource) }),
        };
        return this.#called(this.#host(wanted), null, this.#part(component, null));
      }
      case 'resource.new':
        return this.#ownResource('new', canon.resource, component);
      case 'resource.rep':
        return this.#ownResource('rep', canon.resource, component);
      case 'context.get':
      case 'context.set':
        if (canon.slot > 1) throw invalidComponent(this.#subject, `slot ${canon.slot} of the context, at most 1`);
        return this.#ofGlue(this.#glue.context(canon.op === 'context.get' ? 'get' : 'set', canon.slot, component));
      case 'task.return':
        return this.#taskReturn(canon.result, canon.options, component);
      default:
        return this.#asyncFunction(canon, component);
    }
  }

  #ofGlue(name: string): ImportTarget {
    return { kind: 'unit', unit: glueUnit, name };
  }

  /** Returns the `task.return` of the entry point; a function that traps for those of other exports, which nobody calls. */
  #taskReturn(returned: WitType | null, options: Options, component: number): ImportTarget {
    const kind = this.#entry?.kind;
    const type = func(returned === null ? {} : { result: returned });
    const core = flattenFunction(type, 'lower');
    const isOfEntry = kind?.taskReturn !== undefined && sameWitType(returned, kind.type.result);
    const host: HostTarget | null = isOfEntry ? { kind: 'host', ...kind.taskReturn, type: core } : null;
    const part = this.#partOf(component, options);
    const { encoding } = options;
    if (this.#hasTasks) {
      const entry = host === null ? null : { host, type: core, realloc: null, part, encoding };
      return this.#ofGlue(this.#glue.taskReturn(part, returned, entry));
    }
    if (host === null) return this.#ofGlue(this.#glue.trap(core));
    return this.#called(host, null, this.#part(component, options), encoding);
  }

  #asyncFunction(canon: Extract<CanonFunction, { readonly op: AsyncOperation }>, component: number): ImportTarget {
    const type = asyncTypes[canon.op] ?? copyType(canon.op as StreamOperation);
    let name: string = canon.op;
    let isDelivering = delivering.has(canon.op);
    if ('of' in canon) {
      const element = elementName(canon.of);
      const isAsync = canon.options?.async === true ? ' async' : '';
      name = `${canon.op}${isAsync} ${this.#elements.has(element) ? element : otherElement}`;
      isDelivering = canon.op.endsWith('read') && canon.of !== null && hasLists(canon.of);
    }
    const host: HostTarget = { kind: 'host', module: asyncModule, name, type };
    const realloc = isDelivering ? this.#reallocOf(component) : null;
    const options = 'options' in canon ? canon.options : null;
    const part = this.#deliveringPart(component, options);
    const { encoding = 'utf8' } = options ?? {};
    if (part === null || !this.#hasTasks) return this.#called(host, realloc, part, encoding);
    return this.#waiting(canon, { host, type, realloc, part, encoding }) ?? this.#called(host, realloc, part, encoding);
  }

  /** Returns the function that runs tasks of other parts while the part waits; null for a function that does not wait. */
  #waiting(
    canon: Extract<CanonFunction, { readonly op: AsyncOperation }>,
    call: HostCall & { readonly part: Part },
  ): ImportTarget | null {
    const { host, type, part } = call;
    if (canon.op === 'waitable-set.wait' || canon.op === 'thread.yield') {
      const wait = canon.op === 'thread.yield' ? 'turn' : 'set';
      return this.#ofGlue(this.#glue.waiting(this.#glue.host(call), type, part, wait));
    }
    if (canon.op === 'subtask.cancel') {
      const cancel = { kind: 'host', module: asyncModule, name: 'subtask-cancel', type: core(1, 0) } as const;
      return this.#ofGlue(this.#glue.waitingFor({ ...call, host: cancel, type: cancel.type }, canon.async, false));
    }
    const isCopy = canon.op.endsWith('.read') || canon.op.endsWith('.write');
    if (!isCopy || !('of' in canon) || canon.options?.async !== false || host.kind !== 'host') return null;
    const [operation, element] = host.name.split(' ');
    const started = { ...host, name: `${operation} async ${element}` };
    return this.#ofGlue(this.#glue.waitingFor({ ...call, host: started }, false, true));
  }

  /**
   * Returns the part that calls a function of asynchronous calls, with the memory that its calls name, though the function
   * may name none: `stream.cancel-read` delivers what the read before it was for. Null unless the component is composed.
   */
  #deliveringPart(component: number, options: Options | null): Part | null {
    const memory = this.#deliveries.get(component)?.memory ?? options?.memory ?? null;
    return this.#part(component, { ...noOptions, memory });
  }

  /** Returns the realloc for the results of the component instance's asynchronous calls; null: none of them has lists. */
  #reallocOf(component: number): ImportTarget | null {
    return this.#deliveries.get(component)?.realloc ?? null;
  }

  /**
   * Finds the memory and the realloc that asynchronous calls, copies and waits of each component instance name. Throws
   * `module_unsupported` if those of one component instance name two memories or two reallocs: an event is delivered by
   * whichever function the guest calls next, so all of them must store results alike.
   */
  #findDeliveries(): ReadonlyMap<number, Delivery> {
    const found = new Map<number, Delivery>();
    for (const { args } of this.#graph.instances)
      for (const item of args.values()) {
        if (item.kind === 'instance') continue;
        for (const one of item.exports.values())
          if (one.kind === 'canon') this.#addDelivery(found, one.component, one.canon);
      }
    return found;
  }

  #addDelivery(found: Map<number, Delivery>, component: number, canon: CanonFunction): void {
    const options = 'options' in canon ? canon.options : null;
    if (canon.op === 'lower' ? !canon.options.async : canon.op === 'task.return') return;
    const known = found.get(component) ?? { memory: null, realloc: null };
    const memory = 'memory' in canon ? canon.memory : (options?.memory ?? null);
    const realloc = options === null || options.realloc === null ? null : this.#target(options.realloc);
    if (memory !== null && known.memory !== null && !this.#memories.areSame(memory, known.memory))
      throw unsupportedComponent(this.#subject, 'asynchronous calls of one component with several memories');
    if (realloc !== null && known.realloc !== null && JSON.stringify(realloc) !== JSON.stringify(known.realloc))
      throw unsupportedComponent(this.#subject, 'asynchronous calls of one component with several realloc functions');
    found.set(component, { memory: known.memory ?? memory, realloc: known.realloc ?? realloc });
  }

  #ownResource(operation: 'new' | 'rep' | 'drop', item: ResourceItem, component: number): ImportTarget {
    const { resource, destructor } = item;
    const part = this.#part(component, null);
    const definer = item.component ?? component;
    const after = destructor === null ? null : this.#target(destructor);
    return this.#ofGlue(this.#glue.resource(operation, Number(resource.id.slice(1)), after, { part, definer }));
  }

  #lower(item: FunctionItem, options: Options, component: number): ImportTarget {
    if (item.kind === 'lifted') return this.#partCall(item, options, component);
    const host = this.#host(item, options.async);
    const part = this.#part(component, options);
    const realloc =
      options.realloc === null || item.type.result === null || !hasLists(item.type.result)
        ? null
        : this.#target(options.realloc);
    return this.#called(host, realloc, part, options.encoding);
  }

  /** Returns the function with which `part` calls `host`: the host function itself, if nothing is done around the call. */
  #called(
    host: HostTarget,
    realloc: ImportTarget | null,
    part: Part | null,
    encoding: TextEncoding = 'utf8',
  ): ImportTarget {
    if (part === null && realloc === null && encoding === 'utf8') return host;
    return this.#ofGlue(this.#glue.host({ host, type: host.type, realloc, part, encoding }));
  }

  /** Returns the function through which the component instance `component` calls a function of another one. */
  #partCall(item: LiftedFunction, options: Options, component: number): ImportTarget {
    const { type } = item;
    const types = [...type.params.map((param) => param.type), ...(type.result === null ? [] : [type.result])];
    if (types.some(hasErrorContexts))
      throw unsupportedComponent(this.#subject, 'error contexts between the parts of a composed component');
    const caller = this.#partOf(component, options);
    const callee = this.#partOf(item.component, item.options);
    const isTask = options.async || item.options.async;
    const isInMemory = usesMemory(type) || (options.async && lowerUsesMemory(type));
    if (isInMemory && (caller.memory === null || (usesMemory(type) && callee.memory === null)))
      throw unsupportedComponent(this.#subject, 'one memory in several components');
    const { postReturn } = item.options;
    const lifting = !item.options.async ? 'sync' : item.options.callback === null ? 'async' : 'callback';
    const call: PartCall = {
      type,
      caller,
      callee,
      target: { target: this.#target(item.core), type: flattenFunction(type, 'lift', lifting) },
      postReturn: postReturn === null ? null : this.#target(postReturn),
      definers: this.#graph.definers,
      ends: new Map(types.flatMap(endsIn).map((end) => [endName(end), this.#passEnd(end)])),
    };
    if (!isTask) return this.#ofGlue(this.#glue.partCall(call));
    if (types.some(hasBorrows))
      throw unsupportedComponent(this.#subject, 'borrowed resources in asynchronous calls between parts');
    const { callback } = item.options;
    return this.#ofGlue(
      this.#glue.taskCall({
        ...call,
        lowering: options.async ? 'async' : 'sync',
        lifting,
        callback: callback === null ? null : this.#target(callback),
        realloc: this.#reallocOf(item.component),
        callerPart: this.#deliveringPart(component, options) ?? caller,
        calleePart: this.#deliveringPart(item.component, item.options) ?? callee,
      }),
    );
  }

  #passEnd(type: EndType): ImportTarget {
    const element = elementName(type.of);
    const name = `${type.kind}.pass ${this.#elements.has(element) ? element : otherElement}`;
    return { kind: 'host', module: asyncModule, name, type: core(3, 1) };
  }

  /**
   * Returns the import of a host function. Notes an unknown name or a wrong type as a problem and still returns the
   * import.
   */
  #host(wanted: HostFunction, isAsync = false): HostTarget {
    const interfaceName = compatibleName(wanted.interfaceName);
    const provided = this.#provided.get(`${interfaceName}\0${wanted.name}`);
    if (provided === undefined) this.#noteUnknown(wanted, interfaceName);
    else if (!sameFunction(provided.type, wanted.type)) {
      this.#problems.push(
        `${printable(wanted.interfaceName)} ${printable(wanted.name)}: imported as ${formatFunction(wanted.type).slice(0, 300)}, provided as ${formatFunction(provided.type).slice(0, 300)}`,
      );
    }
    this.#functions.add(`${interfaceName}\0${wanted.name}`);
    return {
      kind: 'host',
      module: interfaceName,
      name: isAsync ? `[async-lower]${wanted.name}` : wanted.name,
      type: flattenFunction(wanted.type, 'lower', isAsync ? 'async' : 'sync'),
    };
  }

  #noteUnknown(wanted: HostFunction, interfaceName: string): void {
    const name = printable(wanted.interfaceName);
    if (this.#interfaces.has(interfaceName)) {
      this.#problems.push(`${name} ${printable(wanted.name)}: this function is not in the interface`);
      return;
    }
    if (isPrerelease(wanted.interfaceName)) {
      this.#problems.push(`${name}: a pre-release`);
      this.#hints.add(prereleaseHint);
      return;
    }
    this.#problems.push(`${name} ${printable(wanted.name)}`);
    const foreign = foreignWorlds.find(({ names }) => names.test(wanted.interfaceName));
    if (foreign !== undefined) this.#hints.add(foreign.hint);
    else if (
      this.#hints.size < nearestHintsMax &&
      this.#lookedUp.size < nearestLookupsMax &&
      !this.#lookedUp.has(wanted.interfaceName)
    ) {
      this.#lookedUp.add(wanted.interfaceName);
      const nearest = nearestName(wanted.interfaceName, this.#interfaces);
      if (nearest !== null) this.#hints.add(`did you mean ${nearest}?`);
    }
  }

  #refuseUnknown(): void {
    if (this.#problems.length === 0) return;
    const details = [...new Set(this.#problems)];
    throw new PlatformError(
      'imports_unknown',
      `${this.#subject} imports ${plural(details.length, 'function')} that nothing provides`,
      {
        details: cutDetails(details),
        hints: [...this.#hints, 'provided interfaces: wasmcloud docs wasi2, wasmcloud docs wasi3'],
      },
    );
  }

  /** Chooses the export that is the entry point; null: there is none. */
  #findEntry(): Entry | null {
    for (const kind of entries) {
      for (const [name, entry] of this.#graph.exports) {
        if (compatibleName(name) !== kind.interfacePath || entry.sort !== 'instance') continue;
        const found = entry.value.exports.get(kind.functionName);
        if (found?.sort === 'func') return { kind, name, func: this.#checkEntry(found.value, kind, name) };
      }
    }
    return null;
  }

  #entryMissing(): PlatformError {
    const names = [...this.#graph.exports.keys()];
    const prerelease = names.find(isPrerelease);
    return new PlatformError('entry_missing', `${this.#subject} has no entry point`, {
      details: [
        names.length === 0
          ? 'it exports nothing'
          : `it exports ${names
              .slice(0, 10)
              .map((name) => printable(name))
              .join(', ')}`,
        `looked for: ${entries.map((one) => one.interfacePath).join(', ')}`,
      ],
      hints: [
        prerelease === undefined
          ? 'export wasi:http/incoming-handler to serve requests, or wasi:cli/run for a program that reads stdin and writes stdout'
          : prereleaseHint,
      ],
    });
  }

  #checkEntry(item: FunctionItem, { type }: EntryKind, name: string): LiftedFunction {
    if (item.kind === 'host') throw invalidComponent(this.#subject, `${printable(name)} is exported as it is imported`);
    if (!sameFunction(item.type, type))
      throw invalidComponent(
        this.#subject,
        `${printable(name)} exports ${formatFunction(item.type).slice(0, 300)}, not ${formatFunction(type).slice(0, 300)}`,
      );
    return item;
  }

  #makeEntry({ kind, func: item }: Entry): void {
    const { options } = item;
    const args = kind.args.map((target) => ({ target, type: target.type }));
    if (options.async) {
      const style = options.callback === null ? 'async' : 'callback';
      const { finished } = kind;
      if (finished === undefined) throw new Error('an entry point without a function that ends it');
      this.#glue.asyncEntry('_start', {
        part: this.#deliveringPart(item.component, options),
        args,
        func: { target: this.#target(item.core), type: flattenFunction(kind.type, 'lift', style) },
        callback: options.callback === null ? null : this.#target(options.callback),
        finished: { target: finished, type: finished.type },
        realloc: this.#reallocOf(item.component),
      });
      return;
    }
    const { postReturn } = options;
    this.#glue.entry('_start', {
      part: this.#part(item.component, options),
      args,
      func: { target: this.#target(item.core), type: flattenFunction(kind.type, 'lift') },
      ...(kind.result === undefined ? {} : { result: { target: kind.result, type: kind.result.type } }),
      postReturn: postReturn === null ? null : this.#target(postReturn),
      encoding: options.encoding,
    });
  }
}

/** Returns whether a part of a component calls another one asynchronously, or calls a function that is lifted so. */
function hasTasks({ instances }: Graph): boolean {
  return instances.some(({ args }) =>
    [...args.values()].some(
      (item) =>
        item.kind === 'bundle' &&
        [...item.exports.values()].some(
          (one) =>
            one.kind === 'canon' &&
            one.canon.op === 'lower' &&
            one.canon.func.kind === 'lifted' &&
            (one.canon.options.async || one.canon.func.options.async),
        ),
    ),
  );
}

/** What results of asynchronous calls go to. Null: no call names one. */
interface Delivery {
  readonly memory: CoreItem | null;
  readonly realloc: ImportTarget | null;
}

const noOptions: Options = {
  encoding: 'utf8',
  memory: null,
  realloc: null,
  postReturn: null,
  callback: null,
  async: false,
};

const incomingRequest = hostResource('wasi:http/types@0.2', 'incoming-request');
const responseOutparam = hostResource('wasi:http/types@0.2', 'response-outparam');

const request = hostResource('wasi:http/types@0.3', 'request');
const response = hostResource('wasi:http/types@0.3', 'response');

type HostTarget = Extract<ImportTarget, { readonly kind: 'host' }>;

/** An export that can be the entry point. */
interface EntryKind {
  readonly interfacePath: string;
  readonly functionName: string;
  readonly world: World;
  readonly type: FunctionType;
  /** Host functions that return the arguments. */
  readonly args: readonly HostTarget[];
  /** Host function that is the entry point's `task.return`; absent: the entry point is never asynchronous. */
  readonly taskReturn?: { readonly module: string; readonly name: string };
  /** Host function that is called when an asynchronous entry point has ended. */
  readonly finished?: HostTarget;
  /** Host function that takes the pointer to the result of a synchronous entry point. */
  readonly result?: HostTarget;
}

interface Entry {
  readonly kind: EntryKind;
  /** Name of the export. */
  readonly name: string;
  readonly func: LiftedFunction;
}

const status = result(null, null);

/** Exports that can be the entry point, in order of precedence. */
const entries: readonly EntryKind[] = [
  {
    interfacePath: 'wasi:http/handler@0.3',
    functionName: 'handle',
    world: 'http',
    type: asyncFunc({ request: own(request) }, result(own(response), httpErrorCode)),
    args: [hostRequest3],
    taskReturn: respondName,
    finished: hostResponded,
    result: hostRespondFrom,
  },
  {
    interfacePath: 'wasi:http/incoming-handler@0.2',
    functionName: 'handle',
    world: 'http',
    type: func({ request: own(incomingRequest), 'response-out': own(responseOutparam) }),
    args: [hostRequest, hostOutparam],
  },
  {
    interfacePath: 'wasi:cli/run@0.3',
    functionName: 'run',
    world: 'command',
    type: asyncFunc({}, status),
    args: [],
    taskReturn: runReturnName,
    finished: hostRunStatus,
  },
  { interfacePath: 'wasi:cli/run@0.2', functionName: 'run', world: 'command', type: func({}, status), args: [] },
];

/** Most hints after which no similar interfaces are looked up: a component may import thousands. */
const nearestHintsMax = 3;
/** Unknown interfaces for which the nearest known one is looked up: a lookup takes up to two milliseconds. */
const nearestLookupsMax = 32;

/** Worlds of other hosts, whose programs cannot run here. */
const foreignWorlds: readonly { readonly names: RegExp; readonly hint: string }[] = [
  {
    names: /^fastly:/,
    hint: "the interfaces of Fastly's Compute exist there only: build for wasi:http/proxy instead",
  },
  {
    names: /^(fermyon:)?spin(:|$)|^fermyon:/,
    hint: 'interfaces of Spin exist there only: use those of wasi:http and wasi:keyvalue',
  },
  { names: /^wasmcloud:/, hint: 'interfaces of wasmCloud exist there only: use those of wasi:http and wasi:keyvalue' },
  {
    names: /^wasi:nn|^wasi:blobstore|^wasi:messaging|^wasi:webgpu|^wasi:gfx|^wasi:tls/,
    hint: 'this interface of WASI is a proposal that is not provided here',
  },
];

const prereleaseHint = 'build against a released version of WASI: pre-releases differ from it and from each other';

type AsyncOperation = Exclude<
  CanonFunction['op'],
  'lower' | 'resource.new' | 'resource.drop' | 'resource.rep' | 'context.get' | 'context.set' | 'task.return'
>;

const core = (params: number, results: number): FuncType => ({
  params: new Array<'i32'>(params).fill('i32'),
  results: new Array<'i32'>(results).fill('i32'),
});

/** Types of the core functions of asynchronous calls, without those of streams and futures. */
const asyncTypes: Readonly<Partial<Record<AsyncOperation, FuncType>>> = {
  'task.cancel': core(0, 0),
  'subtask.cancel': core(1, 1),
  'subtask.drop': core(1, 0),
  'backpressure.set': core(1, 0),
  'backpressure.inc': core(0, 0),
  'backpressure.dec': core(0, 0),
  'thread.yield': core(0, 1),
  'waitable-set.new': core(0, 1),
  'waitable-set.wait': core(2, 1),
  'waitable-set.poll': core(2, 1),
  'waitable-set.drop': core(1, 0),
  'waitable.join': core(2, 0),
  'error-context.new': core(2, 1),
  'error-context.debug-message': core(2, 0),
  'error-context.drop': core(1, 0),
};

/** Functions that deliver results of calls and copies, whose lists need memory. */
const delivering: ReadonlySet<string> = new Set([
  'waitable-set.wait',
  'waitable-set.poll',
  'subtask.cancel',
  'error-context.debug-message',
]);

function copyType(operation: StreamOperation): FuncType {
  const [kind, name = ''] = operation.split('.');
  if (name === 'new') return { params: [], results: ['i64'] };
  if (name === 'read' || name === 'write') return core(kind === 'stream' ? 3 : 2, 1);
  return core(1, name.startsWith('cancel') ? 1 : 0);
}

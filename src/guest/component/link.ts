/**
 * Links a component to one core module, which is then vetted, metered and run like any other. Finds the definition that
 * every import of its core modules is connected to.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { FuncType } from '../../protocol/module.ts';
import type { SourceLines } from '../wasm/lines/rows.ts';
import { type AsyncCanon, asyncHostFunction, isWaiting, passEndFunction, waitingFunction } from './async-functions.ts';
import { lowerUsesMemory, usesMemory } from './canon-options.ts';
import { CoreModules } from './core-modules.ts';
import { decodeComponent } from './decode.ts';
import { type DeliveryTarget, findDeliveries, hasTasks, usersOfContext } from './delivery-targets.ts';
import { type EntryPoint, entryMissing, findEntry, type World } from './entry-points.ts';
import { evaluateComponent } from './evaluate.ts';
import { flattenFunction, hasLists, reallocType } from './flatten.ts';
import type { Fused } from './fuse.ts';
import { fuseParts } from './fuse-parts.ts';
import { Glue, type HostCall, type PartCall, type PartOptions, type Reader } from './glue.ts';
import { destructorType, hostPassContext } from './glue-hosts.ts';
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
import { HostImports, type ProvidedWit } from './host-imports.ts';
import { Memories } from './memories.ts';
import { invalidComponent, unsupportedComponent } from './refusals.ts';
import { checkSignatures } from './signatures.ts';
import { taskEntry } from './task-glue.ts';
import { endName, endsIn, hasErrorContexts } from './type-contents.ts';
import type { HostTarget, ImportTarget, KeptExport, Unit } from './unit.ts';
import { func, own, sameWitType, type TextEncoding, type WitType } from './wit.ts';

export interface LinkedComponent {
  /** The linked core module; it exports `_start`. */
  readonly bytes: Uint8Array;
  /** Source lines of the linked module, from debug information in the core modules; null: there is none. */
  readonly lines: SourceLines | null;
  readonly world: World;
  /** Name of the export that runs a task on a stack of its own (task-glue.ts); absent: there are no tasks. */
  readonly taskEntry?: string;
  /** Name of the component's export that `_start` calls: `wasi:http/incoming-handler@0.2.3`. */
  readonly entry: string;
  /** Names of the component's imports. */
  readonly imports: readonly string[];
  /** Number of host functions that the component imports. */
  readonly functions: number;
  /** Functions of the host that the linked module imports, those for code of the linker included. */
  readonly hosts: readonly HostTarget[];
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
  readonly #glue: Glue;
  readonly #modules: CoreModules;
  readonly #memories: Memories;
  /** Whether code of several component instances is linked, or one with several memories: the host is told who calls. */
  readonly #isComposed: boolean;
  /** Whether parts call each other asynchronously. */
  readonly #hasTasks: boolean;
  /** Component instances that use their context. */
  readonly #contexts: ReadonlySet<number>;
  readonly #canons = new Map<CanonFunction, ImportTarget>();
  readonly #imports: HostImports;
  readonly #elements: ReadonlySet<string>;
  readonly #entry: EntryPoint | null;
  /** What the results of asynchronous calls go to, by the number of the component instance that calls. */
  readonly #deliveries: ReadonlyMap<number, DeliveryTarget>;

  constructor(graph: Graph, { provided, elements }: LinkComponentOptions, subject: string) {
    this.#graph = graph;
    this.#subject = subject;
    this.#elements = elements ?? new Set();
    this.#imports = new HostImports(provided, subject);
    this.#modules = new CoreModules(subject);
    checkSignatures(graph, this.#modules, subject);
    this.#hasTasks = hasTasks(graph);
    this.#contexts = usersOfContext(graph);
    this.#memories = new Memories(graph, this.#modules, subject, this.#hasTasks);
    const { areMerged, placed } = this.#memories;
    this.#isComposed = areMerged || new Set(graph.instances.map(({ component }) => component)).size > 1;
    this.#glue = new Glue(subject, areMerged ? { unit: this.#memoriesUnit, count: placed.length } : null);
    if (this.#hasTasks) this.#glue.useTasks();
    this.#entry = findEntry(graph, subject);
    this.#deliveries = findDeliveries({
      graph,
      memories: this.#memories,
      target: (item, component) => this.#withOwnContext(item, reallocType, component),
      subject,
    });
  }

  /** Index of the unit with the memory that holds all memories, after those of the core instances. */
  get #memoriesUnit(): number {
    return this.#graph.instances.length + 1;
  }

  link(): LinkedComponent {
    const entry = this.#entry;
    if (entry === null) {
      this.#checkLinks();
      throw entryMissing(this.#graph, this.#subject);
    }
    const units = this.#units();
    this.#makeEntry(entry);
    this.#imports.refuseUnknown();
    return {
      ...this.#fuse(
        units,
        ['_start', ...(this.#hasTasks ? [taskEntry] : [])].map((name) => ({ unit: glueUnit, name })),
      ),
      ...(this.#hasTasks ? { taskEntry } : {}),
      world: entry.kind.world,
      entry: entry.name,
      imports: this.#graph.imports,
      functions: this.#imports.count,
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

  #fuse(units: readonly Unit[], keep: readonly KeptExport[]): Fused {
    return fuseParts(units, keep, {
      glue: this.#glue,
      glueUnit,
      memories: this.#memories,
      memoriesUnit: this.#memoriesUnit,
      modules: this.#modules,
      subject: this.#subject,
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

  /** Returns a function of the component instance that the linker's code calls, not code of the component. */
  #withOwnContext(item: CoreItem, type: FuncType, component: number): ImportTarget {
    const target = this.#target(item);
    return this.#contexts.has(component) ? this.#ofGlue(this.#glue.withOwnContext(target, type, component)) : target;
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
    const realloc =
      options === null || options.realloc === null
        ? null
        : this.#withOwnContext(options.realloc, reallocType, component);
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
        return this.#called(this.#imports.target(wanted), null, this.#part(component, null));
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
    const type = func(returned === null ? {} : { result: returned });
    const core = flattenFunction(type, 'lower');
    const isOfEntry = this.#isOfEntry(returned, options, component);
    const name = isOfEntry ? this.#entry?.kind.taskReturn : undefined;
    const host: HostTarget | null = name === undefined ? null : { kind: 'host', ...name, type: core };
    const part = this.#partOf(component, options);
    const { encoding } = options;
    if (this.#hasTasks) {
      const entry = host === null ? null : { host, type: core, realloc: null, part, encoding };
      return this.#ofGlue(this.#glue.taskReturn(part, returned, entry));
    }
    if (host === null) return this.#ofGlue(this.#glue.trap(core));
    return this.#called(host, null, this.#part(component, options), encoding);
  }

  /** Returns whether a `task.return` has result, memory and encoding of the entry point, which is lifted asynchronously. */
  #isOfEntry(returned: WitType | null, options: Options, component: number): boolean {
    if (this.#entry === null) return false;
    const { kind, func: item } = this.#entry;
    const { memory, encoding, async } = item.options;
    const hasMemory = memory !== null && options.memory !== null;
    return (
      async &&
      item.component === component &&
      sameWitType(returned, kind.type.result) &&
      options.encoding === encoding &&
      (hasMemory ? this.#memories.areSame(memory, options.memory) : memory === options.memory)
    );
  }

  #asyncFunction(canon: AsyncCanon, component: number): ImportTarget {
    const { host, isDelivering } = asyncHostFunction(canon, this.#elements);
    const realloc = isDelivering ? this.#reallocOf(component) : null;
    const options = 'options' in canon ? canon.options : null;
    const part = this.#deliveringPart(component, options);
    const { encoding = 'utf8' } = options ?? {};
    const waits = isWaiting(canon);
    if (waits && this.#mustNotWait(part))
      return this.#ofGlue(this.#glue.host({ host, type: host.type, realloc, part, encoding, isUnwaiting: true }));
    if (part === null) return this.#called(host, realloc, part, encoding);
    const call: HostCall & { readonly part: Part } = {
      host,
      type: host.type,
      realloc,
      part,
      encoding,
      isWaiting: waits,
      ...(canon.op.endsWith('.write') ? { readers: this.#readers() } : {}),
    };
    const waiting = this.#hasTasks ? waitingFunction(this.#glue, canon, call) : null;
    return this.#ofGlue(waiting ?? this.#glue.host(call));
  }

  /** Returns whether no call of a component that is not composed may wait: its entry point has no asynchronous type. */
  #mustNotWait(part: Part | null): boolean {
    return part === null && this.#entry !== null && !this.#entry.kind.type.async;
  }

  /** Returns the parts that may read what another one writes. */
  #readers(): readonly Reader[] {
    return [...this.#deliveries].flatMap(([component, { realloc }]) => {
      const part = this.#deliveringPart(component, null);
      return part === null ? [] : [{ part, realloc }];
    });
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

  #ownResource(operation: 'new' | 'rep' | 'drop', item: ResourceItem, component: number): ImportTarget {
    const { resource, destructor } = item;
    const part = this.#part(component, null);
    const definer = item.component ?? component;
    const after = destructor === null ? null : this.#withOwnContext(destructor, destructorType, definer);
    return this.#ofGlue(
      this.#glue.resource({ operation, resource: Number(resource.id.slice(1)), destructor: after, part, definer }),
    );
  }

  #lower(item: FunctionItem, options: Options, component: number): ImportTarget {
    if (item.kind === 'lifted') return this.#partCall(item, options, component);
    const host = this.#imports.target(item, options.async);
    const part = this.#part(component, options);
    const realloc =
      options.realloc === null || item.type.result === null || !hasLists(item.type.result)
        ? null
        : this.#withOwnContext(options.realloc, reallocType, component);
    if (!item.type.async || options.async) return this.#called(host, realloc, part, options.encoding);
    if (this.#mustNotWait(part)) return this.#ofGlue(this.#glue.mustNotWait(host.type));
    if (part === null) return this.#called(host, realloc, part, options.encoding);
    const { encoding } = options;
    return this.#ofGlue(this.#glue.host({ host, type: host.type, realloc, part, encoding, isWaiting: true }));
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
    const caller = this.#partOf(component, options);
    const callee = this.#partOf(item.component, item.options);
    const isTask = options.async || item.options.async || type.async;
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
      ends: new Map<string, ImportTarget>([
        ...types.flatMap(endsIn).map((end) => [endName(end), passEndFunction(end, this.#elements)] as const),
        ...(types.some(hasErrorContexts) ? [['error-context', hostPassContext] as const] : []),
      ]),
    };
    if (!isTask) return this.#ofGlue(this.#glue.partCall(call));
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

  #makeEntry({ kind, func: item }: EntryPoint): void {
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
      isAsync: kind.type.async,
      func: { target: this.#target(item.core), type: flattenFunction(kind.type, 'lift') },
      ...(kind.result === undefined ? {} : { result: { target: kind.result, type: kind.result.type } }),
      postReturn: postReturn === null ? null : this.#target(postReturn),
      encoding: options.encoding,
    });
  }
}

const noOptions: Options = {
  encoding: 'utf8',
  memory: null,
  realloc: null,
  postReturn: null,
  callback: null,
  async: false,
};

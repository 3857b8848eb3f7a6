/**
 * Finds what the imports of a component's core modules are connected to: another core module, a function of the host,
 * or glue, code of the linker's own around a call of either.
 */
import type { FuncType } from '../../protocol/module.ts';
import { type AsyncCanon, asyncHostFunction, isWaiting, passEndFunction, waitingFunction } from './async-functions.ts';
import { lowerUsesMemory, usesMemory } from './canon-options.ts';
import { type DeliveryTarget, findDeliveries, usersOfContext } from './delivery-targets.ts';
import type { EntryPoint } from './entry-points.ts';
import { flattenFunction, hasLists, reallocType } from './flatten.ts';
import type { Glue } from './glue.ts';
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
import type { HostCall, Reader } from './host-glue.ts';
import type { HostImports } from './host-imports.ts';
import type { Memories } from './memories.ts';
import type { PartCall, PartOptions } from './part-glue.ts';
import { invalidComponent, unsupportedComponent } from './refusals.ts';
import { endName, endsIn, hasErrorContexts } from './type-contents.ts';
import type { HostTarget, ImportTarget } from './unit.ts';
import { func, own, sameWitType, type TextEncoding, type WitType } from './wit.ts';

/** Index of glue among the fused modules; the core instances follow in order. */
export const glueUnit = 0;
/** Returns the index of `instance` among the fused modules. */
export const unitOf = (instance: CoreInstance): number => instance.index + 1;

export interface ImportTargetsOptions {
  readonly graph: Graph;
  /** Name of the component in messages. */
  readonly subject: string;
  readonly glue: Glue;
  readonly memories: Memories;
  readonly imports: HostImports;
  /** Names (elementName) of the types that streams and futures of the host have. */
  readonly elements: ReadonlySet<string>;
  /** What the linked module runs; null: the component has none. */
  readonly entry: EntryPoint | null;
  /**
   * Whether code of several component instances is linked, or one with several memories: the host is told who calls.
   */
  readonly isComposed: boolean;
  /** Whether parts call each other asynchronously. */
  readonly hasTasks: boolean;
}

/** Finds, and makes where that takes code, what the imports of core modules are connected to. */
export class ImportTargets {
  readonly #graph: Graph;
  readonly #subject: string;
  readonly #glue: Glue;
  readonly #memories: Memories;
  readonly #imports: HostImports;
  readonly #elements: ReadonlySet<string>;
  readonly #entry: EntryPoint | null;
  readonly #isComposed: boolean;
  readonly #hasTasks: boolean;
  /** Component instances that use their context. */
  readonly #contexts: ReadonlySet<number>;
  readonly #canons = new Map<CanonFunction, ImportTarget>();
  /** What the results of asynchronous calls go to, by the number of the component instance that calls. */
  readonly #deliveries: ReadonlyMap<number, DeliveryTarget>;

  constructor(options: ImportTargetsOptions) {
    const { graph, subject, memories } = options;
    this.#graph = graph;
    this.#subject = subject;
    this.#glue = options.glue;
    this.#memories = memories;
    this.#imports = options.imports;
    this.#elements = options.elements;
    this.#entry = options.entry;
    this.#isComposed = options.isComposed;
    this.#hasTasks = options.hasTasks;
    this.#contexts = usersOfContext(graph);
    this.#deliveries = findDeliveries({
      graph,
      memories,
      target: (item, component) => this.withOwnContext(item, reallocType, component),
      subject,
    });
  }

  /** Returns what is connected to an import for which the component passes `item`. */
  target(item: CoreItem): ImportTarget {
    return item.kind === 'export'
      ? { kind: 'unit', unit: unitOf(item.instance), name: item.name }
      : this.canon(item.canon, item.component);
  }

  /** Returns a function of the component instance that the linker's code calls, not code of the component. */
  withOwnContext(item: CoreItem, type: FuncType, component: number): ImportTarget {
    const target = this.target(item);
    return this.#contexts.has(component) ? this.#ofGlue(this.#glue.withOwnContext(target, type, component)) : target;
  }

  /** Returns the part that uses `options`, or has no memory without them; null unless the component is composed. */
  part(component: number, options: Options | null): Part | null {
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
        : this.withOwnContext(options.realloc, reallocType, component);
    const encoding = options?.encoding ?? 'utf8';
    return { component, memory, hasOnlyMemory: named !== null && !areMerged, realloc, encoding };
  }

  /**
   * Returns the function that component instance `component` defines by `canon`. Notes it if the host does not provide
   * it.
   */
  canon(canon: CanonFunction, component: number): ImportTarget {
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
        return this.#called(this.#imports.target(wanted), null, this.part(component, null));
      }
      case 'resource.new':
        return this.#ownResource('new', canon.resource, component);
      case 'resource.rep':
        return this.#ownResource('rep', canon.resource, component);
      case 'context.get':
      case 'context.set':
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

  /**
   * Returns the `task.return` of the entry point; a function that traps for those of other exports, which nobody calls.
   */
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
    return this.#called(host, null, this.part(component, options), encoding);
  }

  /**
   * Returns whether a `task.return` has result, memory and encoding of the entry point, which is lifted asynchronously.
   */
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
    const realloc = isDelivering ? this.reallocOf(component) : null;
    const options = 'options' in canon ? canon.options : null;
    const part = this.deliveringPart(component, options);
    const { encoding = 'utf8' } = options ?? {};
    const waits = isWaiting(canon);
    if (waits && this.#mustNotWait(part))
      return this.#ofGlue(this.#glue.hosts.call({ host, type: host.type, realloc, part, encoding, isUnwaiting: true }));
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
    const waiting = this.#hasTasks ? waitingFunction(this.#glue.hosts, canon, call) : null;
    return this.#ofGlue(waiting ?? this.#glue.hosts.call(call));
  }

  /** Returns whether no call of a component that is not composed may wait: its entry point has no asynchronous type. */
  #mustNotWait(part: Part | null): boolean {
    return part === null && this.#entry !== null && !this.#entry.kind.type.async;
  }

  /** Returns the parts that may read what another one writes. */
  #readers(): readonly Reader[] {
    return [...this.#deliveries].flatMap(([component, { realloc }]) => {
      const part = this.deliveringPart(component, null);
      return part === null ? [] : [{ part, realloc }];
    });
  }

  /**
   * Returns the part that calls a function of asynchronous calls, with the memory that its calls name, though the
   * function may name none: `stream.cancel-read` delivers what the read before it was for. Null unless the component is
   * composed.
   */
  deliveringPart(component: number, options: Options | null): Part | null {
    const memory = this.#deliveries.get(component)?.memory ?? options?.memory ?? null;
    return this.part(component, { ...noOptions, memory });
  }

  /**
   * Returns the realloc for the results of the component instance's asynchronous calls; null: none of them has lists.
   */
  reallocOf(component: number): ImportTarget | null {
    return this.#deliveries.get(component)?.realloc ?? null;
  }

  #ownResource(operation: 'new' | 'rep' | 'drop', item: ResourceItem, component: number): ImportTarget {
    const { resource, destructor } = item;
    const part = this.part(component, null);
    const definer = item.component ?? component;
    const after = destructor === null ? null : this.withOwnContext(destructor, destructorType, definer);
    return this.#ofGlue(
      this.#glue.resource({ operation, resource: Number(resource.id.slice(1)), destructor: after, part, definer }),
    );
  }

  #lower(item: FunctionItem, options: Options, component: number): ImportTarget {
    if (item.kind === 'lifted') return this.#partCall(item, options, component);
    const host = this.#imports.target(item, options.async);
    const part = this.part(component, options);
    const realloc =
      options.realloc === null || item.type.result === null || !hasLists(item.type.result)
        ? null
        : this.withOwnContext(options.realloc, reallocType, component);
    if (!item.type.async || options.async) return this.#called(host, realloc, part, options.encoding);
    if (this.#mustNotWait(part)) return this.#ofGlue(this.#glue.mustNotWait(host.type));
    if (part === null) return this.#called(host, realloc, part, options.encoding);
    const { encoding } = options;
    return this.#ofGlue(this.#glue.hosts.call({ host, type: host.type, realloc, part, encoding, isWaiting: true }));
  }

  /**
   * Returns the function with which `part` calls `host`: the host function itself, if nothing is done around the call.
   */
  #called(
    host: HostTarget,
    realloc: ImportTarget | null,
    part: Part | null,
    encoding: TextEncoding = 'utf8',
  ): ImportTarget {
    if (part === null && realloc === null && encoding === 'utf8') return host;
    return this.#ofGlue(this.#glue.hosts.call({ host, type: host.type, realloc, part, encoding }));
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
      target: { target: this.target(item.core), type: flattenFunction(type, 'lift', lifting) },
      postReturn: postReturn === null ? null : this.target(postReturn),
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
        callback: callback === null ? null : this.target(callback),
        realloc: this.reallocOf(item.component),
        callerPart: this.deliveringPart(component, options) ?? caller,
        calleePart: this.deliveringPart(item.component, item.options) ?? callee,
      }),
    );
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

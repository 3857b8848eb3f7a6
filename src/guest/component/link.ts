/**
 * Links a component to one core module, which is then vetted, metered and run like any other. Compares every import of
 * the component with the functions that the host provides, by interface, name and type.
 */

import { PlatformError } from '../../protocol/errors.ts';
import { cutDetails, plural, printable } from '../wasm/inspect/findings.ts';
import { decodeComponent } from './decode.ts';
import { evaluateComponent } from './evaluate.ts';
import { flattenFunction, hasLists } from './flatten.ts';
import { fuse, type ImportTarget, type Unit } from './fuse.ts';
import { Glue, hostOutparam, hostRequest } from './glue.ts';
import type {
  CanonFunction,
  CoreInstance,
  CoreItem,
  FunctionItem,
  Graph,
  HostFunction,
  LiftedFunction,
  Options,
} from './graph.ts';
import { compatibleName, isPrerelease } from './interface-name.ts';
import { invalidComponent, unsupportedComponent } from './refusals.ts';
import { type FunctionType, formatFunction, func, hostResource, own, result, sameFunction } from './wit.ts';

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
  return new Linker(graph, options.provided, subject).link();
}

/** Indices of the fused modules: glue is 0, the core instances follow in order. */
const glueUnit = 0;
const unitOf = (instance: CoreInstance): number => instance.index + 1;

class Linker {
  readonly #graph: Graph;
  readonly #subject: string;
  readonly #provided: ReadonlyMap<string, ProvidedWit>;
  readonly #interfaces: ReadonlySet<string>;
  readonly #glue = new Glue();
  readonly #canons = new Map<CanonFunction, ImportTarget>();
  readonly #problems: string[] = [];
  readonly #hints = new Set<string>();
  readonly #functions = new Set<string>();

  constructor(graph: Graph, provided: readonly ProvidedWit[], subject: string) {
    this.#graph = graph;
    this.#subject = subject;
    this.#provided = new Map(provided.map((one) => [`${one.interfaceName}\0${one.name}`, one]));
    this.#interfaces = new Set(provided.map((one) => one.interfaceName));
  }

  link(): LinkedComponent {
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
    const entry = this.#entry();
    this.#refuseUnknown();
    const glue: Unit = { bytes: this.#glue.write(), resolve: (module, name) => this.#glue.resolve(module, name) };
    return {
      bytes: fuse([glue, ...units], [{ unit: glueUnit, name: '_start' }], this.#subject),
      world: entry.world,
      entry: entry.name,
      imports: this.#graph.imports,
      functions: this.#functions.size,
    };
  }

  /** Looks up every function that the component passes to `instance`, so that unknown imports are noted. */
  #resolveAll(instance: CoreInstance): void {
    for (const item of instance.args.values()) {
      if (item.kind === 'instance') continue;
      for (const one of item.exports.values()) if (one.kind === 'canon') this.#canon(one.canon);
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
      : this.#canon(item.canon);
  }

  #canon(canon: CanonFunction): ImportTarget {
    let target = this.#canons.get(canon);
    if (target === undefined) {
      target = this.#makeCanon(canon);
      this.#canons.set(canon, target);
    }
    return target;
  }

  #makeCanon(canon: CanonFunction): ImportTarget {
    switch (canon.op) {
      case 'lower':
        return this.#lower(canon.func, canon.options);
      case 'resource.drop': {
        const { host, resource } = canon.resource;
        if (host === null) throw this.#composed('resources of its own');
        const wanted: HostFunction = {
          kind: 'host',
          interfaceName: host.interfaceName,
          name: `[resource-drop]${host.name}`,
          type: func({ self: own(resource) }),
        };
        return this.#host(wanted);
      }
      case 'resource.new':
      case 'resource.rep':
        throw this.#composed('resources of its own');
      default:
        throw unsupportedComponent(this.#subject, `${canon.op} of WASI 0.3`, ['build for WASI 0.2: wasm32-wasip2']);
    }
  }

  #composed(what: string): PlatformError {
    return unsupportedComponent(this.#subject, what, ['composed components are not supported yet']);
  }

  #lower(item: FunctionItem, options: Options): ImportTarget {
    if (item.kind === 'lifted') throw this.#composed('functions of one part in another');
    if (options.async)
      throw unsupportedComponent(this.#subject, 'asynchronous calls of WASI 0.3', [
        'build for WASI 0.2: wasm32-wasip2',
      ]);
    if (options.encoding !== 'utf8') throw unsupportedComponent(this.#subject, `strings in ${options.encoding}`);
    const host = this.#host(item);
    if (item.type.result === null || !hasLists(item.type.result)) return host;
    const core = flattenFunction(item.type, 'lower');
    if (options.realloc === null)
      throw invalidComponent(
        this.#subject,
        `${printable(item.name)} is lowered without realloc, which its result needs`,
      );
    const name = this.#glue.allocating(host, core, this.#target(options.realloc));
    return { kind: 'unit', unit: glueUnit, name };
  }

  /**
   * Returns the import of a host function. Notes an unknown name or a wrong type as a problem and still returns the
   * import.
   */
  #host(wanted: HostFunction): ImportTarget {
    const interfaceName = compatibleName(wanted.interfaceName);
    const provided = this.#provided.get(`${interfaceName}\0${wanted.name}`);
    if (provided === undefined) this.#noteUnknown(wanted, interfaceName);
    else if (!sameFunction(provided.type, wanted.type)) {
      this.#problems.push(
        `${printable(wanted.interfaceName)} ${printable(wanted.name)}: imported as ${formatFunction(wanted.type).slice(0, 300)}, provided as ${formatFunction(provided.type).slice(0, 300)}`,
      );
    }
    this.#functions.add(`${interfaceName}\0${wanted.name}`);
    return { kind: 'host', module: interfaceName, name: wanted.name, type: flattenFunction(wanted.type, 'lower') };
  }

  #noteUnknown(wanted: HostFunction, interfaceName: string): void {
    const name = printable(wanted.interfaceName);
    if (this.#interfaces.has(interfaceName)) {
      this.#problems.push(`${name} ${printable(wanted.name)}: this function is not in the interface`);
      return;
    }
    if (isPrerelease(wanted.interfaceName)) {
      this.#problems.push(`${name}: a pre-release`);
      this.#hints.add('build against a released version of WASI: pre-releases differ from it and from each other');
      return;
    }
    this.#problems.push(`${name} ${printable(wanted.name)}`);
  }

  #refuseUnknown(): void {
    if (this.#problems.length === 0) return;
    const details = [...new Set(this.#problems)];
    throw new PlatformError(
      'imports_unknown',
      `${this.#subject} imports ${plural(details.length, 'function')} that nothing provides`,
      { details: cutDetails(details), hints: [...this.#hints, 'provided interfaces: wasmcloud docs wasi2'] },
    );
  }

  /**
   * Chooses the export that is the entry point and adds `_start`, which calls it. Returns the export's name. Throws
   * `entry_missing`.
   */
  #entry(): { readonly world: World; readonly name: string } {
    for (const { interfacePath, functionName, world, type } of entries) {
      for (const [name, entry] of this.#graph.exports) {
        if (compatibleName(name) !== interfacePath || entry.sort !== 'instance') continue;
        const found = entry.value.exports.get(functionName);
        if (found?.sort !== 'func') continue;
        this.#makeEntry(found.value, type, world, name);
        return { world, name };
      }
    }
    const names = [...this.#graph.exports.keys()].map((name) => printable(name));
    throw new PlatformError('entry_missing', `${this.#subject} has no entry point`, {
      details: [
        names.length === 0 ? 'it exports nothing' : `it exports ${names.slice(0, 10).join(', ')}`,
        `looked for: ${entries.map((one) => one.interfacePath).join(', ')}`,
      ],
      hints: [
        'export wasi:http/incoming-handler to serve requests, or wasi:cli/run for a program that reads stdin and writes stdout',
      ],
    });
  }

  #makeEntry(item: FunctionItem, type: FunctionType, world: World, name: string): void {
    if (item.kind === 'host') throw invalidComponent(this.#subject, `${printable(name)} is exported as it is imported`);
    if (!sameFunction(item.type, type))
      throw invalidComponent(
        this.#subject,
        `${printable(name)} exports ${formatFunction(item.type).slice(0, 300)}, not ${formatFunction(type)}`,
      );
    this.#checkLift(item);
    const { postReturn } = item.options;
    this.#glue.entry('_start', {
      args: world === 'http' ? [hostRequest, hostOutparam].map((target) => ({ target, type: target.type })) : [],
      func: { target: this.#target(item.core), type: flattenFunction(type, 'lift') },
      postReturn: postReturn === null ? null : this.#target(postReturn),
    });
  }

  #checkLift({ options }: LiftedFunction): void {
    if (options.async)
      throw unsupportedComponent(this.#subject, 'an asynchronous entry point of WASI 0.3', [
        'build for WASI 0.2: wasm32-wasip2',
      ]);
  }
}

const incomingRequest = hostResource('wasi:http/types@0.2', 'incoming-request');
const responseOutparam = hostResource('wasi:http/types@0.2', 'response-outparam');

/** Exports that can be the entry point, in order of precedence. */
const entries: readonly {
  readonly interfacePath: string;
  readonly functionName: string;
  readonly world: World;
  readonly type: FunctionType;
}[] = [
  {
    interfacePath: 'wasi:http/incoming-handler@0.2',
    functionName: 'handle',
    world: 'http',
    type: func({ request: own(incomingRequest), 'response-out': own(responseOutparam) }),
  },
  { interfacePath: 'wasi:cli/run@0.2', functionName: 'run', world: 'command', type: func({}, result(null, null)) },
];

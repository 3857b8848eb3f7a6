/**
 * Links a component to one core module, which is then vetted, metered and run like any other: its core modules, each
 * import connected to the definition that import-targets.ts finds, and glue with the entry point, fused.
 */

import { PlatformError } from '../../protocol/errors.ts';
import type { SourceLines } from '../wasm/lines/rows.ts';
import { CoreModules } from './core-modules.ts';
import { decodeComponent } from './decode.ts';
import { hasTasks } from './delivery-targets.ts';
import { type EntryPoint, entryMissing, findEntry, type World } from './entry-points.ts';
import { evaluateComponent } from './evaluate.ts';
import { flattenFunction } from './flatten.ts';
import type { Fused } from './fuse.ts';
import { fuseParts } from './fuse-parts.ts';
import { Glue } from './glue.ts';
import type { CoreInstance, Graph } from './graph.ts';
import { HostImports, type ProvidedWit } from './host-imports.ts';
import { glueUnit, ImportTargets, unitOf } from './import-targets.ts';
import { Memories } from './memories.ts';
import { checkSignatures } from './signatures.ts';
import { taskEntry } from './task-glue.ts';
import type { HostTarget, ImportTarget, KeptExport, Unit } from './unit.ts';

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

class Linker {
  readonly #graph: Graph;
  readonly #subject: string;
  readonly #glue: Glue;
  readonly #modules: CoreModules;
  readonly #memories: Memories;
  /** Whether parts call each other asynchronously. */
  readonly #hasTasks: boolean;
  readonly #imports: HostImports;
  readonly #targets: ImportTargets;
  readonly #entry: EntryPoint | null;

  constructor(graph: Graph, { provided, elements }: LinkComponentOptions, subject: string) {
    this.#graph = graph;
    this.#subject = subject;
    this.#imports = new HostImports(provided, subject);
    this.#modules = new CoreModules(subject);
    checkSignatures(graph, this.#modules, subject);
    this.#hasTasks = hasTasks(graph);
    this.#memories = new Memories(graph, this.#modules, subject, this.#hasTasks);
    const { areMerged, placed } = this.#memories;
    const isComposed = areMerged || new Set(graph.instances.map(({ component }) => component)).size > 1;
    this.#glue = new Glue(subject, areMerged ? { unit: this.#memoriesUnit, count: placed.length } : null);
    if (this.#hasTasks) this.#glue.useTasks();
    this.#entry = findEntry(graph, subject);
    this.#targets = new ImportTargets({
      graph,
      subject,
      glue: this.#glue,
      memories: this.#memories,
      imports: this.#imports,
      elements: elements ?? new Set(),
      entry: this.#entry,
      isComposed,
      hasTasks: this.#hasTasks,
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

  /**
   * Throws `module_invalid` if the core modules do not fit together. Anything else is told when there is an entry
   * point.
   */
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
      for (const one of item.exports.values()) if (one.kind === 'canon') this.#targets.canon(one.canon, one.component);
    }
  }

  #argument(instance: CoreInstance, module: string, name: string): ImportTarget | null {
    const item = instance.args.get(module);
    if (item === undefined) return null;
    if (item.kind === 'instance') return { kind: 'unit', unit: unitOf(item.instance), name };
    const one = item.exports.get(name);
    return one === undefined ? null : this.#targets.target(one);
  }

  #makeEntry({ kind, func: item }: EntryPoint): void {
    const { options } = item;
    const args = kind.args.map((target) => ({ target, type: target.type }));
    if (options.async) {
      const style = options.callback === null ? 'async' : 'callback';
      const { finished } = kind;
      if (finished === undefined) throw new Error('an entry point without a function that ends it');
      this.#glue.asyncEntry('_start', {
        part: this.#targets.deliveringPart(item.component, options),
        args,
        func: { target: this.#targets.target(item.core), type: flattenFunction(kind.type, 'lift', style) },
        callback: options.callback === null ? null : this.#targets.target(options.callback),
        finished: { target: finished, type: finished.type },
        realloc: this.#targets.reallocOf(item.component),
      });
      return;
    }
    const { postReturn } = options;
    this.#glue.entry('_start', {
      part: this.#targets.part(item.component, options),
      args,
      isAsync: kind.type.async,
      func: { target: this.#targets.target(item.core), type: flattenFunction(kind.type, 'lift') },
      ...(kind.result === undefined ? {} : { result: { target: kind.result, type: kind.result.type } }),
      postReturn: postReturn === null ? null : this.#targets.target(postReturn),
      encoding: options.encoding,
    });
  }
}

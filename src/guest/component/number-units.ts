/**
 * Numbers what the fused module has: types, imports of host functions, functions, tables, globals and segments of all
 * units. Follows every import to its definition and compares their types. Errors: `module_invalid`,
 * `module_unsupported`.
 */
import { PAGE_BYTES } from '../../protocol/limits.ts';
import type { FuncType } from '../../protocol/module.ts';
import { keysOf } from '../../protocol/record-of.ts';
import type { Module, OtherImport } from '../wasm/format/model.ts';
import { printable } from '../wasm/inspect/findings.ts';
import { formatType, sameType } from '../wasm/inspect/imports.ts';
import type { CoreModules } from './core-modules.ts';
import { memoryExports } from './memories.ts';
import { invalidComponent, unsupportedComponent } from './refusals.ts';
import type { RelocatedMemory } from './relocate.ts';
import type { Numbering } from './renumber.ts';
import type { HostTarget, MergedMemories, Unit } from './unit.ts';

type Space = 'functions' | 'tables' | 'memories' | 'globals' | 'tags';
const kindOf = { functions: 'function', tables: 'table', memories: 'memory', globals: 'global', tags: 'tag' } as const;
const spaces = keysOf(kindOf);

/** Target of a unit's index: a definition of a unit, or a host function. */
type Place =
  | { readonly kind: 'defined'; readonly unit: number; readonly index: number }
  | { readonly kind: 'host'; readonly target: HostTarget };

interface Import {
  readonly module: string;
  readonly name: string;
}

export interface LoadedUnit {
  readonly unit: Unit;
  readonly module: Module;
  /** Imports of each index space. Their indices come before those of the module's own definitions. */
  readonly imports: Readonly<Record<Space, readonly Import[]>>;
  readonly exports: ReadonlyMap<string, { readonly kind: string; readonly index: number }>;
}

export interface NumberedOptions {
  /** Name of the component in messages. */
  readonly subject: string;
  readonly modules: CoreModules;
  /** Null: the units have one memory at most. */
  readonly memories: MergedMemories | null;
}

/** The units of a fused module, and its numbers. */
export class NumberedUnits {
  readonly units: readonly LoadedUnit[];
  readonly memories: MergedMemories | null;
  readonly types: FuncType[] = [];
  /** Host functions in the order of their imports. */
  readonly hosts: { readonly target: HostTarget; readonly type: number }[] = [];
  /** For each unit: the new number of each of its indices. */
  readonly numberings: Numbering[] = [];
  readonly #subject: string;
  readonly #typeIndex = new Map<string, number>();
  readonly #hostIndex = new Map<string, number>();

  constructor(units: readonly Unit[], { subject, modules, memories }: NumberedOptions) {
    this.#subject = subject;
    this.memories = memories;
    this.units = units.map((unit) => load(unit, modules.read(unit.bytes)));
    this.#number();
  }

  /**
   * Returns the number of memory `index` of `unit` among those that lie in one; null: they do not, or it is the whole
   * one.
   */
  memoryOf(unit: number, index: number): number | null {
    return this.memories?.ofUnit[unit]?.[index] ?? null;
  }

  /** Returns the number of a type in the fused module. */
  type(type: FuncType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    let index = this.#typeIndex.get(key);
    if (index === undefined) {
      index = this.types.push(type) - 1;
      this.#typeIndex.set(key, index);
    }
    return index;
  }

  /** Numbers everything that units import or define. */
  #number(): void {
    const places = this.units.map((loaded, unit) => {
      const of = (space: Space) => loaded.imports[space].map((_, index) => this.#checked(unit, space, index));
      return {
        functions: of('functions'),
        tables: of('tables'),
        memories: of('memories'),
        globals: of('globals'),
        tags: of('tags'),
      };
    });
    for (const { functions } of places)
      for (const place of functions) if (place.kind === 'host') this.#host(place.target);
    // Numbers of definitions follow those of the imports, unit by unit.
    const next = { functions: this.hosts.length, tables: 0, memories: 0, globals: 0, tags: 0 };
    const firstOf = this.units.map((loaded) => {
      const first = { ...next };
      for (const space of spaces) next[space] += sizeOf(loaded.module, space) - loaded.imports[space].length;
      return first;
    });
    if (next.memories > 1 && this.memories === null)
      throw unsupportedComponent(this.#subject, `${next.memories} memories in one component`);
    let elements = 0;
    let data = 0;
    this.units.forEach((loaded, unit) => {
      const numbers = (space: Space): number[] => {
        const imported = (places[unit] as (typeof places)[number])[space];
        return Array.from({ length: sizeOf(loaded.module, space) }, (_, index) => {
          const place = imported[index] ?? { kind: 'defined', unit, index };
          if (place.kind === 'host') return this.#host(place.target);
          const owner = this.units[place.unit] as LoadedUnit;
          return (firstOf[place.unit] as typeof next)[space] + place.index - owner.imports[space].length;
        });
      };
      this.numberings.push({
        types: loaded.module.types.map((type) => this.type(type)),
        functions: numbers('functions'),
        tables: numbers('tables'),
        globals: numbers('globals'),
        tags: numbers('tags'),
        elements,
        data,
        memories: this.#relocated(unit, firstOf),
      });
      elements += loaded.module.elementSegments;
      data += loaded.module.dataSegments;
    });
  }

  /** Returns the indices with which the code of `unit` uses its memories; null if it uses the whole memory, or none. */
  #relocated(unit: number, firstOf: readonly Record<Space, number>[]): readonly RelocatedMemory[] | null {
    const { memories } = this;
    const numbers = memories?.ofUnit[unit] ?? [];
    if (memories === null || numbers.length === 0) return null;
    const { exports } = this.units[memories.unit] as LoadedUnit;
    const first = firstOf[memories.unit] as Record<Space, number>;
    const index = (space: Space, name: string): number => first[space] + (exports.get(name)?.index ?? 0);
    return numbers.map((memory) => {
      if (memory === null) throw this.#fail('a core module gets no memory');
      return {
        base: index('globals', memoryExports.base(memory)),
        bytes: index('globals', memoryExports.bytes(memory)),
        range: index('functions', memoryExports.range(memory)),
        grow: index('functions', memoryExports.grow(memory)),
        bytesMin: (memories.placed[memory]?.initial ?? 0) * PAGE_BYTES,
      };
    });
  }

  /** Returns the definition that index `index` of `unit` leads to, through imports of other units. */
  #place(unit: number, space: Space, index: number): Place {
    let at = { unit, index };
    // Each step goes to an earlier unit or to the glue; more steps than units are a cycle.
    for (let steps = 0; steps <= this.units.length + 1; steps += 1) {
      const loaded = this.units[at.unit] as LoadedUnit;
      const wanted = loaded.imports[space][at.index];
      if (wanted === undefined) return { kind: 'defined', ...at };
      const target = loaded.unit.resolve(wanted.module, wanted.name);
      if (target === null) throw this.#fail(`a core module gets no ${label(wanted)}`);
      if (target.kind === 'host') {
        if (space !== 'functions') throw this.#fail(`${label(wanted)} is a function, not a ${kindOf[space]}`);
        return { kind: 'host', target };
      }
      const found = (this.units[target.unit] as LoadedUnit).exports.get(target.name);
      if (found?.kind !== kindOf[space])
        throw this.#fail(`a core module exports no ${kindOf[space]} ${JSON.stringify(printable(target.name))}`);
      at = { unit: target.unit, index: found.index };
    }
    throw this.#fail('core modules import in a circle');
  }

  /**
   * Returns the definition that an import leads to. Throws `module_invalid` if its type does not fit (core
   * specification, 3.2.7 Import Subtyping).
   */
  #checked(unit: number, space: Space, index: number): Place {
    const { module, imports } = this.units[unit] as LoadedUnit;
    const place = this.#place(unit, space, index);
    const wanted = imports[space][index] as Import;
    const differs = (found: string, expected: string): never =>
      this.#fail(`${label(wanted)} is ${found}; the core module wants ${expected}`);
    if (space === 'functions') {
      const expected = functionType(module, index);
      const found =
        place.kind === 'host'
          ? place.target.type
          : functionType((this.units[place.unit] as LoadedUnit).module, place.index);
      if (!sameType(expected, found)) differs(formatType(found), formatType(expected));
      return place;
    }
    if (place.kind === 'host') return place;
    const owner = (this.units[place.unit] as LoadedUnit).module;
    if (space === 'globals') {
      const expected = module.globals[index];
      const found = owner.globals[place.index];
      if (expected?.type !== found?.type || expected?.mutable !== found?.mutable)
        differs(`a global of ${found?.type}`, `one of ${expected?.type}`);
      return place;
    }
    if (space === 'tags') {
      const expected = module.types[module.tags[index] as number] as FuncType;
      const found = owner.types[owner.tags[place.index] as number] as FuncType;
      if (!sameType(expected, found)) differs(`a tag of ${formatType(found)}`, `one of ${formatType(expected)}`);
      return place;
    }
    const expected = module[space][index];
    const found = owner[space][place.index];
    if (expected === undefined || found === undefined) throw this.#fail(`there is no ${label(wanted)}`);
    if ('element' in expected && 'element' in found && expected.element !== found.element)
      differs(`a table of ${found.element}`, `one of ${expected.element}`);
    const fits =
      found.initial >= expected.initial &&
      (expected.maximum === null || (found.maximum !== null && found.maximum <= expected.maximum));
    if (!fits) differs(limitsText(found), limitsText(expected));
    return place;
  }

  /** Returns the number of the import of a host function. */
  #host(target: HostTarget): number {
    const key = JSON.stringify([target.module, target.name, target.type]);
    let index = this.#hostIndex.get(key);
    if (index === undefined) {
      index = this.hosts.push({ target, type: this.type(target.type) }) - 1;
      this.#hostIndex.set(key, index);
    }
    return index;
  }

  #fail(problem: string): never {
    throw invalidComponent(this.#subject, problem);
  }
}

function load(unit: Unit, module: Module): LoadedUnit {
  const others = (kind: OtherImport['kind']) => module.otherImports.filter((one) => one.kind === kind);
  return {
    unit,
    module,
    imports: {
      functions: module.functionImports,
      tables: others('table'),
      memories: others('memory'),
      globals: others('global'),
      tags: others('tag'),
    },
    exports: new Map(module.exports.map(({ name, kind, index }) => [name, { kind, index }])),
  };
}

function sizeOf(module: Module, space: Space): number {
  return space === 'functions' ? module.functionTypes.length : module[space].length;
}

/** Returns the type of function `index` of a module. */
export function functionType(module: Module, index: number): FuncType {
  return module.types[module.functionTypes[index] as number] as FuncType;
}

function label({ module, name }: Import): string {
  return `${printable(module)}.${printable(name)}`;
}

function limitsText({ initial, maximum }: { readonly initial: number; readonly maximum: number | null }): string {
  return maximum === null ? `${initial} or more` : `${initial} to ${maximum}`;
}

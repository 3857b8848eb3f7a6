/**
 * The types of core modules, which nested components state for modules that they import.
 *
 * Spec: component-model, "Component Model Binary Format Explainer", Type Definitions, core:moduletype; WebAssembly
 * core, "Import Subtyping".
 */
import type { FuncType, ValType } from '../../protocol/module.ts';
import type { Limits32, Module } from '../wasm/format/model.ts';
import { sameType } from '../wasm/inspect/imports.ts';
import type { ComponentReader } from './refusals.ts';

const kinds = ['function', 'table', 'memory', 'global', 'tag'] as const;

/**
 * What a module imports or exports. A type is null if it is one that no function here has; it is not compared then.
 * `outer` is the place of a type that a module type takes from a scope around it, until it is resolved.
 */
export type CoreType =
  | { readonly kind: 'function' | 'tag'; readonly type: FuncType | null; readonly outer?: OuterType }
  | { readonly kind: 'table'; readonly element: ValType | null; readonly limits: Limits32 }
  | { readonly kind: 'memory'; readonly limits: Limits32 }
  | { readonly kind: 'global'; readonly type: ValType | null; readonly mutable: boolean };

export interface ModuleType {
  /** Imports by `module\0name`, exports by name. */
  readonly imports: ReadonlyMap<string, CoreType>;
  readonly exports: ReadonlyMap<string, CoreType>;
  /** Types that it takes from scopes around it. */
  readonly outers: readonly OuterType[];
}

/** A core type of the scope that is `levels` outward: 1 is that in which the module type is defined. */
interface OuterType {
  readonly levels: number;
  readonly index: number;
}

/** The type of a core function; null: one with types that no function here has. */
export interface FunctionDefinition {
  readonly func: FuncType | null;
}

export type CoreDefinition = ModuleType | FunctionDefinition;

/** Reads a type of core modules, after its first byte. `count` is called for each declaration. */
export function readModuleType(reader: ComponentReader, count: () => void): ModuleType {
  const imports = new Map<string, CoreType>();
  const exports = new Map<string, CoreType>();
  const types: (FunctionDefinition | OuterType)[] = [];
  const outers: OuterType[] = [];
  for (let left = reader.count('declarations'); left > 0; left -= 1) {
    count();
    const form = reader.u8('declaration');
    if (form === 0) {
      const key = `${reader.name('module name')}\0${reader.name('import name')}`;
      if (imports.has(key)) reader.fail('a type of core modules with two imports of one name');
      imports.set(key, readCoreExternal(reader, types));
    } else if (form === 1) {
      if (reader.u8('core type') !== 0x60) reader.fail('a core type that is no function', reader.pos - 1);
      types.push({ func: readFunction(reader) });
    } else if (form === 2) {
      if (reader.u8('core sort') !== 0x10 || reader.u8('alias target') !== 1)
        reader.fail('an alias of a type of core modules that is no outer type', reader.pos - 1);
      const offset = reader.pos;
      const outer = { levels: reader.u32('number of levels outward'), index: reader.u32('index') };
      const own = outer.levels === 0 ? types[outer.index] : outer;
      if (own === undefined) return reader.fail(`core type ${outer.index} does not exist`, offset);
      types.push(own);
      if (own === outer) outers.push(outer);
    } else if (form === 3) {
      const name = reader.name('export name');
      if (exports.has(name)) reader.fail('a type of core modules with two exports of one name');
      exports.set(name, readCoreExternal(reader, types));
    } else reader.fail(`invalid declaration 0x${form.toString(16)}`, reader.pos - 1);
  }
  return { imports, exports, outers };
}

/** Returns `type` with the types that it takes from scopes around it, which `find` finds. */
export function resolveModuleType(type: ModuleType, find: (outer: OuterType) => FuncType | null): ModuleType {
  if (type.outers.length === 0) return type;
  for (const outer of type.outers) find(outer);
  const resolved = (types: ReadonlyMap<string, CoreType>): ReadonlyMap<string, CoreType> =>
    new Map(
      [...types].map(([name, one]) =>
        'outer' in one && one.outer !== undefined
          ? [name, { kind: one.kind, type: find(one.outer) } as CoreType]
          : [name, one],
      ),
    );
  return { imports: resolved(type.imports), exports: resolved(type.exports), outers: [] };
}

/** Reads the type of a core function, after its first byte; null for one with types that no function here has. */
export function readFunction(reader: ComponentReader): FuncType | null {
  const list = (what: string) => Array.from({ length: reader.count(what) }, () => valTypes[reader.u8('type')] ?? null);
  const [params, results] = [list('parameters'), list('results')];
  const isKnown = (one: ValType | null): one is ValType => one !== null;
  return params.every(isKnown) && results.every(isKnown) ? { params, results } : null;
}

function readCoreExternal(reader: ComponentReader, types: readonly (FunctionDefinition | OuterType)[]): CoreType {
  const offset = reader.pos;
  const byte = reader.u8('kind');
  const kind = kinds[byte];
  if (kind === undefined) return reader.fail(`invalid kind 0x${byte.toString(16)}`, offset);
  if (kind === 'tag' && reader.u8('tag') !== 0) reader.fail('invalid tag', reader.pos - 1);
  if (kind === 'function' || kind === 'tag') {
    const index = reader.u32('type index');
    const type = types[index];
    if (type === undefined) return reader.fail(`core type ${index} does not exist`, offset);
    return 'func' in type ? { kind, type: type.func } : { kind, type: null, outer: type };
  }
  if (kind === 'memory') {
    const limits = readLimits(reader);
    if (limits.initial > 65_536 || (limits.maximum ?? 0) > 65_536)
      reader.fail('a memory of more than 65536 pages', offset);
    return { kind, limits };
  }
  const type = valTypes[reader.u8('type')] ?? null;
  if (kind === 'table') return { kind, element: type, limits: readLimits(reader) };
  return { kind, type, mutable: reader.u8('mutability') === 1 };
}

function readLimits(reader: ComponentReader): Limits32 {
  const flags = reader.u8('limits');
  if (flags > 3) reader.fail('limits that are no 32-bit numbers', reader.pos - 1);
  const initial = reader.u32('minimum');
  return { initial, maximum: (flags & 1) === 1 ? reader.u32('maximum') : null };
}

/** Returns the type of `module`. */
export function moduleTypeOf(module: Module): ModuleType {
  const imports = importTypes(module).map(({ module: from, name, type }) => [`${from}\0${name}`, type] as const);
  return { imports: new Map(imports), exports: exportTypes(module), outers: [] };
}

/**
 * Returns what makes a module of type `given` no module of `type`: an import that `type` lacks or that wants more, an
 * export that the module lacks or that is less; null: nothing.
 */
export function moduleTypeProblem(type: ModuleType, given: ModuleType): string | null {
  for (const [name, wanted] of given.imports) {
    const found = type.imports.get(name);
    if (found === undefined || !fits(found, wanted))
      return `an imported core module imports the ${wanted.kind} ${quoted(name.slice(name.indexOf('\0') + 1))}`;
  }
  for (const [name, wanted] of type.exports) {
    const found = given.exports.get(name);
    if (found === undefined || !fits(found, wanted))
      return `an imported core module exports no ${wanted.kind} ${quoted(name)} of the type that is declared`;
  }
  return null;
}

/** Returns the types of the imports of `module`. */
export function importTypes(
  module: Module,
): readonly { readonly module: string; readonly name: string; readonly type: CoreType }[] {
  const tables = module.tables.filter(({ imported }) => imported);
  const memories = module.memories.filter(({ imported }) => imported);
  const globals = module.globals.filter(({ imported }) => imported);
  // Imported tags have the first indices.
  let tags = 0;
  return [
    ...module.functionImports.map(({ module: from, name, type }) => {
      return { module: from, name, type: { kind: 'function', type: module.types[type] ?? null } } as const;
    }),
    ...module.otherImports.map(({ module: from, name, kind }) => {
      if (kind === 'tag') return { module: from, name, type: tagOf(module, tags++) };
      const one = kind === 'table' ? tables.shift() : kind === 'memory' ? memories.shift() : globals.shift();
      return { module: from, name, type: toCoreType(kind, one) };
    }),
  ];
}

/** Returns the types of the exports of `module`, by name. */
export function exportTypes(module: Module): ReadonlyMap<string, CoreType> {
  return new Map(module.exports.map((one) => [one.name, exportOf(module, one)]));
}

function exportOf(module: Module, { kind, index }: Module['exports'][number]): CoreType {
  if (kind === 'function') return { kind, type: module.types[module.functionTypes[index] as number] ?? null };
  if (kind === 'tag') return tagOf(module, index);
  const one =
    kind === 'table' ? module.tables[index] : kind === 'memory' ? module.memories[index] : module.globals[index];
  return toCoreType(kind, one);
}

function tagOf(module: Module, index: number): CoreType {
  return { kind: 'tag', type: module.types[module.tags[index] as number] ?? null };
}

function toCoreType(
  kind: 'table' | 'memory' | 'global',
  one: Module['tables'][number] | Module['memories'][number] | Module['globals'][number] | undefined,
): CoreType {
  if (one !== undefined && 'mutable' in one) return { kind: 'global', type: one.type, mutable: one.mutable };
  const limits = one ?? { initial: 0, maximum: null };
  return kind === 'table'
    ? { kind, element: one !== undefined && 'element' in one ? one.element : null, limits }
    : { kind: 'memory', limits };
}

/** Returns whether `given` may stand where `wanted` is imported. */
export function fits(given: CoreType, wanted: CoreType): boolean {
  switch (given.kind) {
    case 'table':
      return (
        wanted.kind === 'table' && isSame(given.element, wanted.element) && fitsLimits(given.limits, wanted.limits)
      );
    case 'memory':
      return wanted.kind === 'memory' && fitsLimits(given.limits, wanted.limits);
    case 'global':
      return wanted.kind === 'global' && given.mutable === wanted.mutable && isSame(given.type, wanted.type);
    default: {
      if (wanted.kind !== given.kind) return false;
      return given.type === null || wanted.type === null || sameType(given.type, wanted.type);
    }
  }
}

function isSame(left: ValType | null, right: ValType | null): boolean {
  return left === null || right === null || left === right;
}

function fitsLimits(given: Limits32, wanted: Limits32): boolean {
  if (given.initial < wanted.initial) return false;
  return wanted.maximum === null || (given.maximum !== null && given.maximum <= wanted.maximum);
}

const valTypes: Readonly<Record<number, ValType>> = {
  127: 'i32',
  126: 'i64',
  125: 'f32',
  124: 'f64',
  123: 'v128',
  112: 'funcref',
  111: 'externref',
};

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}

/**
 * Checks the types of the core functions that a component lifts and names in options, whether they are called or not,
 * the exports of core modules that aliases name, what core modules are given, and the core modules that no instance is
 * made of.
 */
import type { FuncType } from '../../protocol/module.ts';
import type { Module } from '../wasm/format/model.ts';
import { readModule } from '../wasm/format/read-module.ts';
import { formatType, sameType } from '../wasm/inspect/imports.ts';
import { canonType, checkArguments } from './core-arguments.ts';
import type { CoreModules } from './core-modules.ts';
import type { CoreItem, Graph } from './graph.ts';
import { invalidComponent } from './refusals.ts';

/** Throws `module_invalid` for the first function that has another type, or is none, and the first invalid module. */
export function checkSignatures(graph: Graph, modules: CoreModules, subject: string): void {
  const exported = new WeakMap<Module, ReadonlyMap<string, number>>();
  const functionsOf = (module: Module): ReadonlyMap<string, number> => {
    let found = exported.get(module);
    if (found === undefined) {
      found = new Map(module.exports.flatMap(({ name, kind, index }) => (kind === 'function' ? [[name, index]] : [])));
      exported.set(module, found);
    }
    return found;
  };
  const kinds = new WeakMap<Module, ReadonlyMap<string, string>>();
  const kindsOf = (module: Module): ReadonlyMap<string, string> => {
    let found = kinds.get(module);
    if (found === undefined) {
      found = new Map(module.exports.map(({ name, kind }) => [name, kind]));
      kinds.set(module, found);
    }
    return found;
  };
  /** Returns the type of a core function; null for one that a module takes from elsewhere. */
  const typeOf = (item: CoreItem): FuncType | null => {
    if (item.kind === 'canon') return canonType(item.canon);
    const { module: bytes, declared } = item.instance;
    const stated = declared?.exports.get(item.name);
    if (stated?.kind === 'function') return stated.type;
    const module = modules.read(bytes);
    const index = functionsOf(module).get(item.name);
    if (index === undefined)
      throw invalidComponent(subject, `a core module exports no function ${JSON.stringify(item.name.slice(0, 60))}`);
    return module.types[module.functionTypes[index] as number] ?? null;
  };
  for (const { instance, name, sort } of graph.coreAliases) {
    const kind = sort === 'core func' ? 'function' : sort.slice('core '.length);
    const { module, declared } = instance;
    const found = declared === null ? kindsOf(modules.read(module)).get(name) : declared.exports.get(name)?.kind;
    if (found !== kind)
      throw invalidComponent(subject, `a core module exports no ${kind} ${JSON.stringify(name.slice(0, 60))}`);
  }
  for (const { item, type, what } of graph.signatures) {
    const found = typeOf(item);
    if (found !== null && !sameType(found, type))
      throw invalidComponent(subject, `${what} is ${formatType(found)}, not ${formatType(type)}`);
  }
  for (const bytes of new Set(graph.allInstances.map(({ module }) => module)))
    checkImportNames(modules.read(bytes), subject);
  checkArguments(graph.allInstances, modules, subject);
  for (const bytes of graph.unusedModules) {
    const own = bytes as Uint8Array<ArrayBuffer>; // no SharedArrayBuffer: from a message or file
    if (!WebAssembly.validate(own))
      throw invalidComponent(subject, 'a core module that is not instantiated is not valid');
    checkImportNames(readModule(bytes, subject), subject);
  }
}

function checkImportNames({ functionImports, otherImports }: Module, subject: string): void {
  const names = new Set<string>();
  for (const { module, name } of [...functionImports, ...otherImports]) names.add(`${module}\0${name}`);
  if (names.size < functionImports.length + otherImports.length)
    throw invalidComponent(subject, 'a core module has two imports of one name');
}

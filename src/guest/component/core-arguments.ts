/**
 * Checks what core modules are instantiated with against what they import, also where no component instance will be
 * made.
 */
import type { FuncType } from '../../protocol/module.ts';
import type { Module } from '../wasm/format/model.ts';
import { printable } from '../wasm/inspect/findings.ts';
import { formatType } from '../wasm/inspect/imports.ts';
import { asyncFunctionType } from './async-functions.ts';
import { componentCaps } from './caps.ts';
import type { CoreModules } from './core-modules.ts';
import { flattenFunction } from './flatten.ts';
import type { CanonFunction, CoreInstance, CoreItem } from './graph.ts';
import { type CoreType, exportTypes, fits, importTypes, type ModuleType } from './module-type.ts';
import { invalidComponent, tooLargeComponent } from './refusals.ts';

/**
 * Throws `module_invalid` for the first core instance that gets no, or another, definition for one of its imports, and
 * `module_too_large` above componentCaps.coreImports.
 */
export function checkArguments(instances: readonly CoreInstance[], modules: CoreModules, subject: string): void {
  const imports = remembered((module: Module) => importTypes(module));
  const exports = remembered((module: Module) => exportTypes(module));
  /** Returns the type of `item`; undefined if there is no such definition. */
  const typeOf = (item: CoreItem): CoreType | undefined => {
    if (item.kind === 'canon') return { kind: 'function', type: canonType(item.canon) };
    const { module, declared } = item.instance;
    return (declared?.exports ?? exports(modules.read(module))).get(item.name);
  };
  let compared = 0;
  for (const { module, declared, args } of instances) {
    const wants = declared === null ? imports(modules.read(module)) : declaredImports(declared);
    compared += wants.length;
    if (compared > componentCaps.coreImports)
      throw tooLargeComponent(subject, 'imports of all core instances', componentCaps.coreImports);
    for (const { module: from, name, type: wanted } of wants) {
      const given = args.get(from);
      const item: CoreItem | undefined =
        given?.kind === 'instance'
          ? { kind: 'export', instance: given.instance, name, sort: 'core func' }
          : given?.exports.get(name);
      const found = item === undefined ? undefined : typeOf(item);
      if (found === undefined) throw invalidComponent(subject, `a core module gets no ${labelOf(from, name)}`);
      if (!fits(found, wanted))
        throw invalidComponent(
          subject,
          `${labelOf(from, name)} is ${text(found)}; the core module wants ${text(wanted)}`,
        );
    }
  }
}

function declaredImports({ imports }: ModuleType) {
  return [...imports].map(([key, type]) => {
    const [module = '', name = ''] = key.split('\0');
    return { module, name, type };
  });
}

function labelOf(module: string, name: string): string {
  return `${printable(module)}.${printable(name)}`;
}

/** Returns the type of the core function that a canonical definition makes. */
export function canonType(canon: CanonFunction): FuncType {
  switch (canon.op) {
    case 'lower':
      return flattenFunction(canon.func.type, 'lower', canon.options.async ? 'async' : 'sync');
    case 'resource.new':
    case 'resource.rep':
      return { params: ['i32'], results: ['i32'] };
    case 'resource.drop':
      return { params: ['i32'], results: [] };
    case 'context.get':
      return { params: [], results: ['i32'] };
    case 'context.set':
      return { params: ['i32'], results: [] };
    case 'task.return': {
      const params = canon.result === null ? [] : [{ name: 'result', type: canon.result }];
      return flattenFunction({ params, result: null, async: false }, 'lower');
    }
    default:
      return asyncFunctionType(canon);
  }
}

function remembered<T extends object, R>(of: (key: T) => R): (key: T) => R {
  const known = new WeakMap<T, R>();
  return (key) => {
    let found = known.get(key);
    if (found === undefined) {
      found = of(key);
      known.set(key, found);
    }
    return found;
  };
}

function text(type: CoreType): string {
  switch (type.kind) {
    case 'function':
    case 'tag':
      return `${type.kind === 'tag' ? 'a tag of ' : ''}${type.type === null ? 'a function' : formatType(type.type)}`;
    case 'global':
      return `a ${type.mutable ? 'mutable' : 'constant'} global of ${type.type}`;
    default: {
      const { initial, maximum } = type.limits;
      return `a ${type.kind} of ${initial} to ${maximum ?? 'any number of'} ${type.kind === 'table' ? 'entries' : 'pages'}`;
    }
  }
}

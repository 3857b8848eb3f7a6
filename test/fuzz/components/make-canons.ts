/** Makes core modules for random components, and the canonical functions between them and the component. */
import { flattenFunction, reallocType } from '../../../src/guest/component/flatten.ts';
import type { FuncType, ValType } from '../../../src/protocol/module.ts';
import { bytes, leb, section, vector } from '../../support/component-builder.ts';
import { body, section as coreSection, header } from '../../support/module-builder.ts';
import { valueRef } from './make-types.ts';
import type { Making } from './making.ts';
import type { CoreModuleItem, Part, Scope } from './scope.ts';

const coreTypes: Readonly<Record<string, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

function functionType({ params, results }: FuncType): Part {
  const list = (types: readonly ValType[]) => vector(types.map((type) => coreTypes[type] ?? 0x7f));
  return [0x60, list(params), list(results)];
}

/** Returns a core module of functions that trap. */
function coreModule({ imports, exports, hasMemory }: CoreModuleItem): Uint8Array {
  const imported = Object.entries(imports);
  const exported = Object.entries(exports);
  const types = [...imported, ...exported].map(([, type]) => functionType(type));
  const names = [
    ...exported.map(([name], index) => [name, 0, leb(imported.length + index)] as Part),
    ...(hasMemory ? [['memory', 2, 0] as Part] : []),
  ];
  const trap = body([0x00, 0x0b]);
  return bytes(
    header,
    section(1, vector(types)),
    section(2, vector(imported.map(([name], index) => ['m', name, 0, leb(index)]))),
    section(3, vector(exported.map((_, index) => leb(imported.length + index)))),
    ...(hasMemory ? [section(5, vector([[0, 1]]))] : []),
    section(7, vector(names)),
    coreSection(10, ...leb(exported.length), ...exported.flatMap(() => trap)),
  );
}

function alias(scope: Scope, instance: number, name: string, sort: number): void {
  scope.parts.push(section(6, vector([[0, sort, 1, leb(instance), name]])));
}

/**
 * Adds a core module, an instance of it, and aliases of what it exports: functions that lift types of the scope, their
 * callbacks, realloc, memory.
 */
export function addCore(making: Making, scope: Scope): void {
  const exports: Record<string, FuncType> = {};
  const lifted = scope.spaces.type.flatMap((item) => (item.kind === 'func' ? [item.type] : []));
  for (let left = making.random(3); left > 0; left -= 1) {
    const type = making.pick(lifted);
    if (type !== undefined)
      exports[`f${left}`] = flattenFunction(type, 'lift', making.pick(['sync', 'sync', 'async', 'callback'] as const));
  }
  if (making.random(2) === 0) exports.realloc = reallocType;
  if (making.random(2) === 0) exports.post = { params: ['i32'], results: [] };
  if (making.random(3) === 0) exports.callback = { params: ['i32', 'i32', 'i32'], results: ['i32'] };
  const bundled: Record<string, FuncType> = {};
  const wanted: Record<string, FuncType> = {};
  const args: Part[] = [];
  for (let left = making.random(3); left > 0; left -= 1) {
    const at = making.index(scope, 'core func');
    const type = at === null ? undefined : scope.spaces['core func'][at];
    if (at === null || type === undefined) continue;
    bundled[`i${left}`] = type;
    wanted[`i${left}`] = making.once(25) ? { params: ['i64'], results: [] } : type;
    args.push([`i${left}`, 0, leb(at)]);
  }
  const module: CoreModuleItem = { imports: wanted, exports, hasMemory: making.random(2) === 0 };
  scope.parts.push(section(1, coreModule(module)));
  const at = scope.push('core module', module);
  if (args.length > 0) {
    scope.parts.push(section(2, vector([[1, vector(args)]])));
    scope.push('core instance', { bundle: bundled });
  }
  const bundle = scope.spaces['core instance'].length - 1;
  const given = args.length === 0 || making.once(40) ? [] : [['m', 0x12, leb(bundle)] as Part];
  scope.parts.push(section(2, vector([[0, leb(at), vector(given)]])));
  const instance = scope.push('core instance', module);
  for (const [name, type] of Object.entries(exports)) {
    alias(scope, instance, name, 0);
    scope.push('core func', type);
  }
  if (module.hasMemory) {
    alias(scope, instance, making.once(80) ? 'mem' : 'memory', 2);
    scope.push('core memory', null);
  }
}

/** Returns options for a canonical function, those that its type may need, seldom others; `style` of the function. */
function options(making: Making, scope: Scope, of: { readonly post?: FuncType; readonly style?: string }): Part {
  const { once, index, random } = making;
  const parts: Part[] = [];
  if (random(4) === 0) parts.push(random(3));
  const memory = once(8) ? null : index(scope, 'core memory');
  if (memory !== null) parts.push([3, leb(memory)]);
  const realloc = once(8) ? null : index(scope, 'core func', (type) => type.params.length === 4);
  if (realloc !== null && (memory !== null || once(9))) parts.push([4, leb(realloc)]);
  if (of.style !== undefined && of.style !== 'sync') parts.push(6);
  if (of.style === 'callback' || once(60)) {
    const callback = index(scope, 'core func', (type) => type.params.length === 3);
    if (callback !== null) parts.push([7, leb(callback)]);
  }
  const { post } = of;
  if ((post !== undefined && of.style === 'sync' && random(4) === 0) || once(80)) {
    const at = index(
      scope,
      'core func',
      ({ params, results }) => `${params}` === `${post?.params}` && results.length === 0,
    );
    if (at !== null) parts.push([5, leb(at)]);
  }
  if (once(80)) parts.push(6);
  return vector(parts);
}

export function addCanon(making: Making, scope: Scope): void {
  const step = making.pick([lift, lift, lift, lower, lower, builtin]);
  step?.(making, scope);
}

function lift(making: Making, scope: Scope): void {
  const at = making.index(scope, 'type', (item) => item.kind === 'func');
  const item = at === null ? undefined : scope.spaces.type[at];
  if (at === null || item?.kind !== 'func') return;
  const style = making.pick(item.type.async ? (['sync', 'async', 'callback'] as const) : (['sync'] as const)) ?? 'sync';
  const core = flattenFunction(item.type, 'lift', making.once(30) ? 'callback' : style);
  const same = (type: FuncType) => `${type.params}>${type.results}` === `${core.params}>${core.results}`;
  const func = making.index(scope, 'core func', same);
  if (func === null) return;
  const post = { params: core.results, results: [] };
  scope.parts.push(section(8, vector([[0, 0, leb(func), options(making, scope, { post, style }), leb(at)]])));
  scope.push('func', { type: item.type, imported: item.imported, exported: item.exported });
}

function lower(making: Making, scope: Scope): void {
  const at = making.index(scope, 'func');
  const item = at === null ? undefined : scope.spaces.func[at];
  if (at === null || item === undefined) return;
  const style = (item.type.async && making.random(2) === 0) || making.once(30) ? 'async' : 'sync';
  scope.parts.push(section(8, vector([[1, 0, leb(at), options(making, scope, { style })]])));
  scope.push('core func', flattenFunction(item.type, 'lower', style));
}

const i32s = (params: number, results: number): FuncType => ({
  params: Array.from({ length: params }, () => 'i32' as const),
  results: Array.from({ length: results }, () => 'i32' as const),
});

/**
 * Canonical functions without anything but a name, by their codes, with the numbers of their parameters and results.
 */
const plain: readonly (readonly [Part, number, number])[] = [
  [5, 0, 0],
  [[6, 0], 1, 1],
  [13, 1, 0],
  [0x1e, 1, 0],
  [0x1f, 0, 1],
  [0x22, 1, 0],
  [0x23, 2, 0],
  [0x24, 0, 0],
  [0x25, 0, 0],
  [[0x0a, 0x7f, 0], 0, 1],
  [[0x0b, 0x7f, 1], 1, 0],
  [[0x0c, 0], 0, 1],
];

function builtin(making: Making, scope: Scope) {
  const add = (part: Part, type: FuncType): void => {
    scope.parts.push(section(8, vector([part])));
    scope.push('core func', type);
  };
  const { random, once, index } = making;
  switch (random(7)) {
    case 0:
    case 1: {
      const form = 2 + random(3);
      const at = index(scope, 'type', (item) => item.kind === 'resource' && (form === 3 || item.isOwn || once(10)));
      if (at !== null) add([form, leb(at)], form === 3 ? i32s(1, 0) : i32s(1, 1));
      return;
    }
    case 2: {
      const result = random(3) === 0 ? null : valueRef(making, scope);
      const type = flattenFunction(
        { params: result === null ? [] : [{ name: 'r', type: result.type }], result: null, async: false },
        'lower',
      );
      return add([9, result === null ? [1, 0] : [0, result.part], options(making, scope, {})], type);
    }
    case 3:
    case 4: {
      const at = index(
        scope,
        'type',
        (item) => item.kind === 'value' && /^\{"kind":"(stream|future)/.test(JSON.stringify(item.type)),
      );
      const item = at === null ? undefined : scope.spaces.type[at];
      if (at === null || item?.kind !== 'value' || typeof item.type === 'string') return;
      const isStream = (item.type.kind === 'stream') !== once(20);
      const operation = random(7);
      const code = (isStream ? 0x0e : 0x15) + operation;
      if (operation === 0) return add([code, leb(at)], { params: [], results: ['i64'] });
      if (operation < 3) {
        const written = options(making, scope, { style: random(2) === 0 ? 'async' : 'other' });
        return add([code, leb(at), written], i32s(isStream ? 3 : 2, 1));
      }
      return operation < 5 ? add([code, leb(at), random(2)], i32s(1, 1)) : add([code, leb(at)], i32s(1, 0));
    }
    case 5: {
      const form = random(4);
      if (form < 2) return add([0x1c + form, options(making, scope, {})], form === 0 ? i32s(2, 1) : i32s(2, 0));
      const memory = index(scope, 'core memory');
      if (memory !== null) add([0x1e + form, 0, leb(memory)], i32s(2, 1));
      return;
    }
    default: {
      const [part, params, results] = making.pick(plain) ?? [5, 0, 0];
      add(part, i32s(params, results));
    }
  }
}

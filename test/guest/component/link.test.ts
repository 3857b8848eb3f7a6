/** From components to one module: bound imports, allocated lists, entry points, refusals. */
import { describe, expect, it } from 'vitest';
import type { ProvidedWit } from '../../../src/guest/component/host-imports.ts';
import { linkComponent } from '../../../src/guest/component/link.ts';
import { asyncFunc, func, list } from '../../../src/guest/component/wit.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import {
  aliasCore,
  aliasExport,
  aliases,
  bundle,
  bytes,
  canons,
  component,
  coreBundle,
  coreInstances,
  coreModule,
  declareFunc,
  declareType,
  exportAs,
  exports,
  funcType,
  importInstance,
  imports,
  instances,
  instanceType,
  instantiateCore,
  lift,
  lower,
  types,
} from '../../support/component-builder.ts';
import { wat as assemble } from '../../support/wasm.ts';

const provided: readonly ProvidedWit[] = [
  { interfaceName: 'test:host/words@0.2', name: 'next-word', type: func({ n: 'u32' }, list('u8')) },
  { interfaceName: 'test:host/words@0.2', name: 'count', type: func({}, 'u32') },
  { interfaceName: 'test:host/later@0.2', name: 'count', type: asyncFunc({}, 'u32') },
];

interface Shape {
  readonly interfaceName?: string;
  readonly functionName?: string;
  readonly type?: ReturnType<typeof funcType>;
  readonly options?: readonly (readonly number[])[];
  readonly entry?: string;
}

/**
 * A component that imports one function of one interface, gives it to its core module as `host.f`, and exports the
 * module's `run` as `wasi:cli/run`.
 */
function program(wat: string, shape: Shape = {}): Uint8Array {
  const { interfaceName = 'test:host/words@0.2.1', functionName = 'count', entry = 'wasi:cli/run@0.2.3' } = shape;
  const { type = funcType({}, 0x79), options = [] } = shape;
  return component(
    types(instanceType(declareType(type), declareFunc(functionName, 0))),
    imports(importInstance(interfaceName, 0)),
    aliases(aliasExport(0, functionName, 1)),
    // What allocates has to be there before the function that needs it: a module with memory and realloc.
    coreModule(assemble(allocator)),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'realloc'), aliasCore(0, 'memory', 2)),
    canons(lower(0, ...options)),
    coreInstances(coreBundle({ f: 1 })),
    coreModule(assemble(wat)),
    coreInstances(instantiateCore(1, { host: 1, lib: 0 })),
    aliases(aliasCore(2, 'run')),
    types([0x6a, 0, 0], funcType({}, 1)),
    canons(lift(2, 2)),
    instances(bundle('run', 1, 1)),
    exports(exportAs(entry, 5, 1)),
  );
}

const allocator = `(module (memory (export "memory") 1) (global $top (mut i32) (i32.const 1024))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1))) (i32.sub (i32.const 0) (local.get 2))))
    (global.set $top (i32.add (local.get $at) (local.get 3))) (local.get $at)))`;
const counting = `(module (import "host" "f" (func $f (result i32))) (func (export "run") (result i32) (call $f)))`;

function run(linked: Uint8Array, imports: WebAssembly.Imports): unknown {
  const { exports: found } = new WebAssembly.Instance(
    new WebAssembly.Module(linked as Uint8Array<ArrayBuffer>),
    imports,
  );
  return (found._start as () => unknown)();
}

function refusal(component: Uint8Array): { readonly code: string; readonly text: string } {
  try {
    linkComponent(component, { provided, name: 'x.wasm' });
  } catch (error) {
    if (error instanceof PlatformError)
      return { code: error.code, text: [error.message, ...error.details, ...error.hints].join('\n') };
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a linked component', () => {
  it('imports host functions under their interface, and returns the status of run', () => {
    const linked = linkComponent(program(counting), { provided });
    expect(linked).toMatchObject({ world: 'command', entry: 'wasi:cli/run@0.2.3', functions: 1 });
    const module = new WebAssembly.Module(linked.bytes as Uint8Array<ArrayBuffer>);
    expect(WebAssembly.Module.imports(module)).toEqual([
      { module: 'test:host/words@0.2', name: 'count', kind: 'function' },
    ]);
    expect(WebAssembly.Module.exports(module)).toEqual([{ name: '_start', kind: 'function' }]);
    expect(run(linked.bytes, { 'test:host/words@0.2': { count: () => 7 } })).toBe(7);
  });

  it('allocates the lists that a host function returns with its own realloc', () => {
    const wat = `(module (import "host" "f" (func $f (param i32 i32))) (import "lib" "memory" (memory 1))
      (func (export "run") (result i32) (call $f (i32.const 5) (i32.const 16)) (i32.load (i32.const 16))))`;
    const type = funcType({ n: 0x79 }, 1);
    const shape = {
      functionName: 'next-word',
      options: [
        [3, 0],
        [4, 0],
      ],
    };
    // The list type stands before the function that returns it.
    const typed = instanceTypeOf(wat, type, shape);
    const linked = linkComponent(typed, { provided });
    // Bytes × 8 + log2 of the alignment × 2 + 1; one of them is empty.
    const sizes = [24 * 8 + 3 * 2 + 1, 6 * 8 + 1, 1, 0];
    const pointers: number[] = [];
    const asked: number[] = [];
    run(linked.bytes, {
      'test:host/words@0.2': { 'next-word': (n: number) => void asked.push(n) },
      'trisiel:component/glue': {
        'next-allocation': () => sizes.shift(),
        put: (pointer: number) => void pointers.push(pointer),
      },
    });
    expect(asked).toEqual([5]);
    expect(pointers).toEqual([1024, 1048, 1054]);
  });

  it.each([
    ['a memory', []],
    ['realloc', [[3, 0]]],
  ])('is refused without %s where a result needs it', (what, options) => {
    const type = funcType({ n: 0x79 }, 1);
    expect(refusal(instanceTypeOf(counting, type, { functionName: 'next-word', options })).text).toContain(
      `lowered without ${what}`,
    );
  });

  it('is refused if the types of its lowered functions have too many parts', () => {
    // Type n is a tuple of two of type n - 1: 4,096 parts, for each of 500 functions.
    const doubled = Array.from({ length: 12 }, (_, index) => [
      0x6f,
      [2, ...(index === 0 ? [0x7d, 0x7d] : [index - 1, index - 1])],
    ]);
    const count = 500;
    const bomb = component(
      types(...doubled, funcType({ x: 11 })),
      imports([0, 'f', 1, 12]),
      coreModule(assemble('(module (memory (export "memory") 1))')),
      coreInstances(instantiateCore(0)),
      aliases(aliasCore(0, 'memory', 2)),
      canons(...Array.from({ length: count }, () => lower(0, [3, 0]))),
      coreInstances(coreBundle(Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index])))),
      coreModule(assemble('(module (func (export "run") (result i32) (i32.const 0)))')),
      coreInstances(instantiateCore(1, { host: 1 })),
      aliases(aliasCore(2, 'run')),
      types([0x6a, 0, 0], funcType({}, 13)),
      canons(lift(count, 14)),
      instances(bundle('run', 1, 1)),
      exports(exportAs('wasi:cli/run@0.2.3', 5, 0)),
    );
    expect(refusal(bomb)).toMatchObject({
      code: 'module_too_large',
      text: expect.stringContaining('lowered functions'),
    });
  });
});

function instanceTypeOf(wat: string, type: ReturnType<typeof funcType>, shape: Shape): Uint8Array {
  const { functionName = '', options = [] } = shape;
  return component(
    types(
      instanceType(declareType([0x7f]), declareType([0x70, 0x7d]), declareType(type), declareFunc(functionName, 2)),
    ),
    imports(importInstance('test:host/words@0.2.1', 0)),
    aliases(aliasExport(0, functionName, 1)),
    coreModule(assemble(allocator)),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'realloc'), aliasCore(0, 'memory', 2)),
    canons(lower(0, ...options)),
    coreInstances(coreBundle({ f: 1 })),
    coreModule(assemble(wat)),
    coreInstances(instantiateCore(1, { host: 1, lib: 0 })),
    aliases(aliasCore(2, 'run')),
    types([0x6a, 0, 0], funcType({}, 1)),
    canons(lift(2, 2)),
    instances(bundle('run', 1, 1)),
    exports(exportAs('wasi:cli/run@0.2.3', 5, 1)),
  );
}

describe('a component is refused', () => {
  it.each([
    ['a record without fields', [0x72, 0]],
    ['a tuple without types', [0x6f, 0]],
    ['a variant without cases', [0x71, 0]],
    ['enum without labels', [0x6d, 0]],
    ['flags without labels', [0x6e, 0]],
  ])('with %s', (what, type) => {
    expect(refusal(component(types(type)))).toMatchObject({
      code: 'module_invalid',
      text: expect.stringContaining(what),
    });
  });

  it('with an interface that nobody provides', () => {
    const found = refusal(program(counting, { interfaceName: 'test:host/nothing@0.2.0' }));
    expect(found.code).toBe('imports_unknown');
    expect(found.text).toContain('test:host/nothing@0.2.0 count');
  });

  it('with a function that its interface does not have', () => {
    expect(refusal(program(counting, { functionName: 'cuont' })).text).toContain(
      'this function is not in the interface',
    );
  });

  it('with a function of another type, both named', () => {
    const found = refusal(program(counting, { type: funcType({}, 0x7a) }));
    expect(found.code).toBe('imports_unknown');
    expect(found.text).toContain('imported as func() -> s32, provided as func() -> u32');
    expect(refusal(program(counting, { interfaceName: 'test:host/later@0.2.0' })).text).toContain(
      'provided as async func',
    );
  });

  it('built against a pre-release', () => {
    expect(refusal(program(counting, { interfaceName: 'test:host/words@0.2.0-rc-2023-11-10' })).text).toContain(
      'build against a released version of WASI',
    );
  });

  it('built against a pre-release of what is not provided in any version, which another one would not help', () => {
    const { text } = refusal(program(counting, { interfaceName: 'wasi:nn/graph@0.2.0-rc-2024-10-28' }));
    expect(text).toContain('wasi:nn/graph@0.2.0-rc-2024-10-28 count');
    expect(text).not.toContain('released version');
  });

  it('without an entry point, which says what it exports and what is looked for', () => {
    const found = refusal(program(counting, { entry: 'fastly:compute/http-incoming' }));
    expect(found.code).toBe('entry_missing');
    expect(found.text).toContain('it exports fastly:compute/http-incoming');
    expect(found.text).toContain(
      'wasi:http/handler@0.3, wasi:http/incoming-handler@0.2, wasi:cli/run@0.3, wasi:cli/run@0.2',
    );
  });

  it('whose core module imports a function with a type that is not the one of the canonical ABI', () => {
    const wat = `(module (import "host" "f" (func $f (param i32) (result i32))) (func (export "run") (result i32) (call $f (i32.const 1))))`;
    const found = refusal(program(wat));
    expect(found.code).toBe('module_invalid');
    expect(found.text).toContain('host.f is () -> i32; the core module wants (i32) -> i32');
  });

  it('whose core module is not valid', () => {
    const found = refusal(
      component(coreModule(bytes(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 9)), coreInstances(instantiateCore(0))),
    );
    expect(found.code).toMatch(/^(module_invalid|entry_missing)$/);
  });
});

/** Components that are not valid are refused, whether what is wrong with them would be used or not. */
import { describe, expect, it } from 'vitest';
import { linkComponent } from '../../../src/guest/component/link.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import {
  aliasCore,
  aliases,
  canons,
  component,
  coreInstances,
  coreModule,
  declareFunc,
  declareType,
  exportAs,
  exports,
  funcType,
  imports,
  instances,
  instanceType,
  instantiateCore,
  lift,
  lower,
  nested,
  section,
  types,
  vector,
} from '../../support/component-builder.ts';
import { wat } from '../../support/wasm.ts';

function refusal(bytes: Uint8Array): string {
  try {
    linkComponent(bytes, { provided: [], name: 'x.wasm' });
  } catch (error) {
    if (error instanceof PlatformError) return `${error.code}: ${error.details.join(' ')}`;
    throw error;
  }
  throw new Error('it was not refused');
}

/** A component without an entry point is refused for that when nothing else is wrong with it. */
const valid = /^entry_missing|^imports_unknown/;

const noParams = funcType({});
const importFunc = (name: string, type = 0) => [0, name, 1, type];
const importResource = (name: string) => [0, name, 3, 1];
const own = (resource: number) => [0x69, resource];
const borrow = (resource: number) => [0x68, resource];
const coreTypes = (...items: readonly (readonly (number | string | Uint8Array)[])[]) => section(3, vector(items));

describe('names', () => {
  const named = (...names: readonly string[]) =>
    component(nested(component(types(noParams), imports(...names.map((name) => importFunc(name))))));

  it.each([
    [['a', 'B1', 'a-1-b-2', 'a11-B11-123-ABC-abc']],
    [['wasi:http/types', 'wasi:http/types@1.0.0', 'wasi:http/types@2.0.0', 'a:b/c@0.0.0-abcd.1.2+efg.4.ee.5']],
    [['a:b/c@0.2', 'ns-1-a:b-1-c/D-2', 'unlocked-dep=<a:b@{>=1.0.0}>', 'url=<http://a.b/c>']],
  ])('may be %s', (names) => {
    expect(refusal(named(...names))).toMatch(valid);
  });

  it.each([
    '',
    '1',
    '1-a',
    'a-',
    'a--b',
    'aBc',
    'wasi/http',
    'wasi:http/TyPeS',
    'WaSi:http/types',
    'ns:pkg-A/b',
    'a:b/c@',
    'a:b/c@1.',
    'a:b/c@2.0.0-',
    'a:b/c/d',
    '[method]a',
    '[other]a',
  ])('are not %j', (name) => {
    expect(refusal(named(name))).toMatch(/^module_invalid: .* is no name of an import/);
  });

  it.each([
    ['a', 'a'],
    ['a', 'A'],
    ['foo-bar', 'FOOB-ar'],
    ['a:b/c@1.0.0', 'a:b/c@1.0.0'],
  ])('%j and %j are one name', (one, other) => {
    expect(refusal(named(one, other))).toMatch(/^module_invalid: two imports are called/);
  });

  it('are checked in types, in instances and in exports as well', () => {
    const inType = (form: number, declaration: number) =>
      component(types([form, vector([declareType(noParams), [declaration, 0, 'nOt', 1, 0]])]));
    expect(refusal(inType(0x41, 3))).toMatch(/no name of an import/);
    expect(refusal(inType(0x41, 4))).toMatch(/no name of an export/);
    expect(refusal(inType(0x42, 4))).toMatch(/no name of an export/);
    const of = (...more: readonly Uint8Array[]) => component(types(noParams), imports(importFunc('f')), ...more);
    expect(refusal(of(instances([1, vector([[0, 'nOt', 1, 0]])])))).toMatch(/no name of an export/);
    expect(refusal(of(exports(exportAs('a', 1, 0), exportAs('A', 1, 0))))).toMatch(/two exports are called/);
  });
});

describe('names of constructors and methods', () => {
  const withResource = (name: string, type: ReturnType<typeof funcType>) =>
    component(imports(importResource('a')), types(own(0), borrow(0), [0x6a, 1, 1, 0], type), imports([0, name, 1, 4]));

  it.each([
    ['[constructor]a', funcType({}, 1)],
    ['[constructor]a', funcType({}, 3)],
    ['[method]a.b', funcType({ self: 2 })],
    ['[static]a.b', noParams],
  ])('%s has its type', (name, type) => {
    expect(refusal(withResource(name, type))).toMatch(valid);
  });

  it.each([
    ['[constructor]a', noParams, /does not return the resource/],
    ['[constructor]b', funcType({}, 1), /there is no resource "b"/],
    ['[method]a.b', noParams, /not a borrowed self/],
    ['[method]a.b', funcType({ self: 0x79 }), /not a borrowed self/],
    ['[method]a.a', funcType({ self: 2 }), /two imports/],
    ['[static]b.a', noParams, /there is no resource "b"/],
  ])('%s is refused with another one', (name, type, problem) => {
    expect(refusal(withResource(name, type))).toMatch(problem);
  });
});

describe('labels', () => {
  it.each([
    ['a record', [0x72, vector([['', 0x79]])], /not in kebab case/],
    ['an enum', [0x6d, vector(['NevEr'])], /not in kebab case/],
    ['flags', [0x6e, vector(['x', 'y', 'X'])], /two labels/],
    [
      'a variant',
      [
        0x71,
        vector([
          ['x', 0, 0],
          ['x', 0, 0],
        ]),
      ],
      /two labels/,
    ],
    ['a function', funcType({ foo: 0x79, FOO: 0x79 }), /two labels/],
  ])('of %s are checked', (_what, type, problem) => {
    expect(refusal(component(types(type as number[])))).toMatch(problem);
  });
});

describe('options of the canonical ABI', () => {
  const libc = [
    coreModule(
      wat(`(module (memory (export "memory") 1) (func (export "f") (param i32 i32)) (func (export "none"))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))`),
    ),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'f'), aliasCore(0, 'realloc'), aliasCore(0, 'none'), aliasCore(0, 'memory', 2)),
    types([0x70, 0x7d], funcType({ p: 0 }), noParams),
  ];
  const lifted = (func: number, type: number, ...options: readonly (readonly number[])[]) =>
    component(...libc, canons(lift(func, type, ...options)));

  it('may be the memory and realloc of a list', () => {
    expect(refusal(lifted(0, 1, [3, 0], [4, 1]))).toMatch(valid);
  });

  it.each([
    ['no memory', lifted(0, 1), /without a memory/],
    ['no realloc', lifted(0, 1, [3, 0]), /without realloc/],
    ['realloc without memory', lifted(2, 2, [4, 1]), /realloc without a memory/],
    ['one option twice', lifted(0, 1, [3, 0], [3, 0], [4, 1]), /there twice/],
    ['two encodings', lifted(0, 1, [0], [1], [3, 0], [4, 1]), /there twice/],
    ['another realloc', lifted(0, 1, [3, 0], [4, 2]), /the option realloc is/],
    ['another post-return', lifted(2, 2, [5, 0]), /the option post-return is/],
    ['a core function of another type', lifted(0, 2), /a lifted core function is/],
    ['async for a function that is not', lifted(2, 2, [6]), /asynchronous, and its type is not/],
    ['a callback without async', lifted(2, 2, [7, 2]), /callback without async/],
  ])('are refused: %s', (_what, bytes, problem) => {
    expect(refusal(bytes)).toMatch(problem);
  });

  it('post-return belongs to lifted functions', () => {
    const bytes = component(...libc, imports([0, 'f', 1, 2]), canons(lower(0, [5, 2])));
    expect(refusal(bytes)).toMatch(/post-return of a function that is not lifted/);
  });

  it('task.return returns nothing borrowed', () => {
    const bytes = component(types([0x3f, 0x7f, 0], borrow(0)), canons([9, 0, 1, vector([])]));
    expect(refusal(bytes)).toMatch(/task.return of a borrowed resource/);
  });
});

describe('what is never used', () => {
  it('is checked: a nested component', () => {
    expect(refusal(component(nested(component(exports(exportAs('a', 5, 0))))))).toMatch(/instance 0 does not exist/);
  });

  it('is checked: a core module', () => {
    const bytes = Buffer.from(wat('(module (func (result i32) (i32.const 7)))'));
    bytes[bytes.lastIndexOf(0x41)] = 0x42;
    expect(refusal(component(coreModule(bytes)))).toMatch(/a core module that is not instantiated is not valid/);
  });

  it('is checked: the links of core modules without an entry point', () => {
    const bytes = component(
      coreModule(wat('(module (func (export "f") (param i32)))')),
      coreModule(wat('(module (import "m" "f" (func)))')),
      coreInstances(instantiateCore(0), instantiateCore(1, { m: 0 })),
    );
    expect(refusal(bytes)).toMatch(/^module_invalid: m.f is/);
  });
});

describe('types', () => {
  const resource = types([0x3f, 0x7f, 0]);
  const outer = (levels: number) => aliases([3, 2, levels, 0]);

  it('with resources do not cross the bounds of a component', () => {
    expect(refusal(component(resource, nested(component(outer(1)))))).toMatch(/resources is taken from an outer/);
    const within = types([0x42, vector([[2, 3, 2, 1, 0]])]);
    expect(refusal(component(resource, within))).toMatch(valid);
    const asType = types([0x42, vector([[2, 3, 2, 1, 0]])], [0x3f, 0x7f, 0]);
    expect(refusal(component(resource, asType, nested(component(aliases([3, 2, 1, 1])))))).toMatch(
      /resources is taken/,
    );
  });

  it('that are given have to be those that are declared', () => {
    const takes = nested(component(types([0x6f, vector([0x79])]), imports([0, 'x', 3, 0, 0])));
    const given = (type: number) =>
      component(takes, types([0x6f, vector([type])]), instances([0, 0, vector([['x', 3, 0]])]));
    expect(refusal(given(0x79))).toMatch(valid);
    expect(refusal(given(0x73))).toMatch(/the type x is not the one that is declared/);
  });

  it('that exports are said to have are checked', () => {
    const said = (type: number) =>
      component(types(noParams, funcType({ x: 0x79 })), imports(importFunc('f')), exports([0, 'g', 1, 0, 1, 1, type]));
    expect(refusal(said(0))).toMatch(valid);
    expect(refusal(said(1))).toMatch(/^module_invalid: g is a func\(\)/);
  });

  it('of instances define no resources, and take only types and instances from elsewhere', () => {
    expect(refusal(component(types(instanceType(declareType([0x3f, 0x7f, 0])))))).toMatch(/a resource of its own/);
    const alias = types(instanceType([2, 1, 0, 0, 'f']));
    expect(refusal(component(alias))).toMatch(/takes a func from elsewhere/);
    expect(refusal(component(types(noParams, instanceType(declareFunc('f', 0)))))).toMatch(/type 0 does not exist/);
  });
});

describe('a core module that a nested component takes', () => {
  /** `(module (import "m" "f" (func)) (export "g" (func)))` */
  const moduleType = [
    0x50,
    vector([
      [1, 0x60, 0, 0],
      [0, 'm', 'f', 0, 0],
      [3, 'g', 0, 0],
    ]),
  ];
  const taking = (module: string) =>
    component(
      nested(component(coreTypes(moduleType), imports([0, 'm', 0, 0x11, 0]))),
      coreModule(wat(module)),
      instances([0, 0, vector([['m', 0, 0x11, 0]])]),
    );

  it('may import less and export more than its type says', () => {
    expect(refusal(taking('(module (func (export "g")) (func (export "h")))'))).toMatch(valid);
  });

  it.each([
    ['(module (import "m" "other" (func)) (func (export "g")))', /imports the function "other"/],
    ['(module (func (export "f")))', /exports no function "g"/],
  ])('is refused otherwise: %s', (module, problem) => {
    expect(refusal(taking(module))).toMatch(problem);
  });
});

it('two imports of a core module have two names', () => {
  const bytes = component(
    coreModule(wat('(module (func (export "f")))')),
    coreModule(wat('(module (import "m" "f" (func)) (import "m" "f" (func)))')),
    coreInstances(instantiateCore(0), instantiateCore(1, { m: 0 })),
  );
  expect(refusal(bytes)).toMatch(/two imports of one name/);
});

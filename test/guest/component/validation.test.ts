/** Components that are not valid are refused, whether what is wrong with them would be used or not. */
import { describe, expect, it } from 'vitest';
import {
  aliasCore,
  aliasExport,
  aliases,
  bundle,
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
import { refusal } from '../../support/component-refusal.ts';
import { wat } from '../../support/wasm.ts';

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
    [['a:b/c@0.2.0', 'ns-1-a:b-1-c/D-2', 'unlocked-dep=<a:b@{>=1.0.0}>', 'url=<http://a.b/c>']],
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
    'a:b/c@1',
    'a:b/c@0.2',
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

describe('attributes of names', () => {
  const instance = types(instanceType());
  const withAttributes = (name: string, ...attributes: readonly (readonly [number, string])[]) => [
    2,
    name,
    vector(attributes),
  ];
  const imported = (name: string, ...attributes: readonly (readonly [number, string])[]) =>
    component(instance, imports([...withAttributes(name, ...attributes), 5, 0]));

  it.each([
    ['a:b/c@1', [1, '.2.3']],
    ['a:b/c@0.2', [1, '.6+sha.1']],
    ['a:b/c@0.0.1', [1, '-alpha']],
    ['a:b/c@0.0.1', [1, '']],
    ['a', [0, 'a:b/c@1.0.0']],
    ['a:b/c', [2, 'anything']],
  ] as const)('may be %s %j', (name, attribute) => {
    expect(refusal(imported(name, attribute))).toMatch(valid);
  });

  it.each([
    ['a:b/c@1', [1, '.2']],
    ['a:b/c@1', [1, '']],
    ['a:b/c@0', [1, '.1.0']],
    ['a:b/c@0.0', [1, '.1']],
    ['a:b/c@1.2.3', [1, '+sha']],
    ['a:b/c@1.2.3', [1, '']],
    ['a:b/c', [1, '.1']],
    ['a', [1, '']],
    ['a', [0, 'b']],
    ['a', [0, '']],
    ['a:b/c', [0, 'a:b/c']],
  ] as const)('are refused: %s %j', (name, attribute) => {
    expect(refusal(imported(name, attribute))).toMatch(/^module_invalid/);
  });

  it('that name an interface belong to instances', () => {
    const bytes = component(types(noParams), imports([...withAttributes('a', [0, 'a:b/c']), 1, 0]));
    expect(refusal(bytes)).toMatch(/implements an interface and is no instance/);
    const inBundle = instances([1, vector([])], [1, vector([[...withAttributes('a', [0, 'b']), 5, 0]])]);
    expect(refusal(component(inBundle))).toMatch(/no name of an interface/);
  });

  it('do not make a name another one', () => {
    const one = [...withAttributes('a:b/c@1', [1, '.2.3']), 5, 0];
    const other = [...withAttributes('a:b/c@1', [1, '.4.5']), 5, 0];
    expect(refusal(component(instance, imports(one, other)))).toMatch(/two imports are called "a:b\/c@1"/);
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

  it('a lifted function returns nothing borrowed', () => {
    const returned = types([0x3f, 0x7f, 0], borrow(3), funcType({}, 4));
    expect(refusal(component(...libc, returned, canons(lift(2, 5))))).toMatch(/returns a borrowed resource/);
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

  it.each([
    ['another kind', aliasCore(0, 'f', 2), /exports no memory "f"/],
    ['a tag', aliasCore(0, 'f', 4), /exports no tag "f"/],
    ['a function', aliasCore(0, 'memory', 0), /exports no function "memory"/],
    ['another name', aliasCore(0, 'other', 2), /exports no memory "other"/],
    ['another kind of a bundle', aliasCore(1, 'named', 2), /exports no "named"/],
  ])('is checked: an alias of a core export, of %s', (_what, alias, problem) => {
    const bytes = component(
      coreModule(wat('(module (func (export "f")) (memory (export "memory") 1))')),
      coreInstances(instantiateCore(0)),
      aliases(aliasCore(0, 'f'), aliasCore(0, 'memory', 2)),
      coreInstances(coreBundle({ named: 0 })),
      aliases(alias),
    );
    expect(refusal(bytes)).toMatch(problem);
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

describe('a core module that a nested component takes, with memory, table and global', () => {
  /** `(module (import "m" KIND) (export "e" KIND))` with the bytes of a kind and its limits. */
  const taking = (kind: readonly number[], module: string) =>
    component(
      nested(
        component(
          coreTypes([
            0x50,
            vector([
              [0, 'm', 'i', ...kind],
              [3, 'e', ...kind],
            ]),
          ]),
          imports([0, 'm', 0, 0x11, 0]),
        ),
      ),
      coreModule(wat(module)),
      instances([0, 0, vector([['m', 0, 0x11, 0]])]),
    );
  const memory = [2, 1, 2, 4];
  const table = [1, 0x70, 0, 2];
  const global = [3, 0x7f, 0];

  it.each([
    [memory, '(module (import "m" "i" (memory 1)) (export "e" (memory 0)))', /exports no memory/],
    [memory, '(module (memory (export "e") 3 4))', null],
    [memory, '(module (memory (export "e") 2 5))', /exports no memory/],
    [memory, '(module (memory (export "e") 2))', /exports no memory/],
    [
      memory,
      '(module (import "m" "i" (memory 3)) (memory (export "f") 2 4))',
      /imports the memory|exports no memory|multi/,
    ],
    [[2, 0, 0x80, 0x80, 4], '(module)', /exports no memory/],
    [[2, 0, 0x81, 0x80, 4], '(module)', /a memory of more than 65536 pages/],
    [[2, 1, 0, 0x81, 0x80, 4], '(module)', /a memory of more than 65536 pages/],
    [table, '(module (import "m" "i" (table 1 funcref)) (table (export "e") 2 funcref))', null],
    [table, '(module (import "m" "i" (table 3 funcref)) (table (export "e") 2 funcref))', /imports the table/],
    [table, '(module (table (export "e") 1 funcref))', /exports no table/],
    [table, '(module (table (export "e") 2 externref))', /exports no table/],
    [global, '(module (import "m" "i" (global i32)) (global (export "e") i32 (i32.const 0)))', null],
    [global, '(module (global (export "e") i64 (i64.const 0)))', /exports no global/],
    [global, '(module (global (export "e") (mut i32) (i32.const 0)))', /exports no global/],
  ])('%j: %s', (kind, module, problem) => {
    expect(refusal(taking(kind, module))).toMatch(problem ?? valid);
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
    ['(module (func (export "g") (param i32)))', /exports no function "g"/],
    ['(module (import "m" "f" (func (param i32))) (func (export "g")))', /imports the function "f"/],
    ['(module (import "m" "f" (global i32)) (func (export "g")))', /imports the global "f"/],
  ])('is refused otherwise: %s', (module, problem) => {
    expect(refusal(taking(module))).toMatch(problem);
  });
});

describe('types of imports and exports', () => {
  const u32 = 0x79;
  const typeImport = (name: string, equal: number) => [0, name, 3, 0, equal];
  const takes = (type: number) => funcType({ x: type });
  /** Each needs a name: `(record (field "x" u32))`, … */
  const nominal: readonly (readonly [string, (number | string | Uint8Array)[]])[] = [
    ['a record', [0x72, vector([['x', u32]])]],
    ['a variant', [0x71, vector([['x', 0, 0]])]],
    ['an enum', [0x6d, vector(['x'])]],
    ['flags', [0x6e, vector(['x'])]],
  ];

  it.each(nominal)('need a name: %s', (_what, type) => {
    const unnamed = /^module_invalid: "f" uses a type that is not imported/;
    expect(refusal(component(types(type as number[], takes(0)), imports(importFunc('f', 1))))).toMatch(unnamed);
    // The name belongs to what the import makes, not to the type that it equals.
    const beside = [types(type as number[]), imports(typeImport('t', 0))];
    expect(refusal(component(...beside, types(takes(0)), imports(importFunc('f', 2))))).toMatch(unnamed);
    expect(refusal(component(...beside, types(takes(1)), imports(importFunc('f', 2))))).toMatch(valid);
  });

  it.each([
    ['a list', [0x70, 0]],
    ['a tuple', [0x6f, vector([0])]],
    ['an option', [0x6b, 0]],
    ['a result', [0x6a, 1, 0, 0]],
    ['a record', [0x72, vector([['y', 0]])]],
    ['a variant', [0x71, vector([['y', 1, 0, 0]])]],
  ])('have parts with names: %s', (_what, type) => {
    const record = types(nominal[0]?.[1] as number[]);
    expect(refusal(component(record, types(type as number[]), exports([0, 't', 3, 1, 0])))).toMatch(
      /"t" uses a type that is not exported/,
    );
  });

  it('may lack one if they are lists, tuples, options and results of others', () => {
    const plain = types([0x70, u32], [0x6f, vector([0, u32])], [0x6b, 1], [0x6a, 1, 2, 1, 0x73]);
    expect(refusal(component(plain, exports([0, 't', 3, 3, 0])))).toMatch(valid);
  });

  it('have a name in exports if they are imported, and not the other way round', () => {
    const record = types(nominal[0]?.[1] as number[]);
    const both = (first: Uint8Array, second: Uint8Array) => component(record, first, types([0x70, 1]), second);
    const exported = (index: number) => exports([0, `e${index}`, 3, index, 0]);
    const imported = (index: number) => imports(typeImport(`i${index}`, index));
    expect(refusal(both(imported(0), exported(2)))).toMatch(valid);
    expect(refusal(both(exported(0), exported(2)))).toMatch(valid);
    expect(refusal(both(exported(0), imported(2)))).toMatch(/"i2" uses a type that is not imported/);
  });

  it('are checked in instances that are exported, and have names if those export them', () => {
    const record = types(nominal[0]?.[1] as number[]);
    const list = types([0x70, 0]);
    const inBundle = (index: number) => instances(bundle('t', 3, index));
    const of = (...sections: readonly Uint8Array[]) => refusal(component(record, ...sections));
    expect(of(list, inBundle(1))).toMatch(valid);
    expect(of(list, inBundle(1), exports(exportAs('i', 5, 0)))).toMatch(/"i" uses a type that is not exported/);
    const through = [inBundle(0), exports(exportAs('i', 5, 0)), aliases([3, 0, 1, 't']), types([0x70, 1])];
    expect(of(...through, exports([0, 'l', 3, 2, 0]))).toMatch(valid);
  });

  it('are checked in types of components, not in types of instances', () => {
    const within = [declareType(nominal[0]?.[1] as number[]), declareType(takes(0)), declareFunc('f', 1)];
    expect(refusal(component(types([0x41, vector(within)])))).toMatch(/"f" uses a type that is not exported/);
    expect(refusal(component(types([0x42, vector(within)])))).toMatch(valid);
    const imported = component(types([0x42, vector(within)]), imports([0, 'i', 5, 0]));
    expect(refusal(imported)).toMatch(/"i" uses a type that is not imported/);
  });

  it('are those that are written beside an export', () => {
    const core = coreModule(wat('(module (func (export "f") (result i32) (i32.const 0)))'));
    const lifted = (as: readonly number[]) =>
      component(
        core,
        coreInstances(instantiateCore(0)),
        types([0x3f, 0x7f, 0], own(0), funcType({}, 1)),
        aliases(aliasCore(0, 'f')),
        canons(lift(0, 2)),
        exports([0, 'r', 3, 0, 0]),
        types(own(3), funcType({}, 4)),
        exports([0, 'f', 1, 0, ...as]),
      );
    expect(refusal(lifted([0]))).toMatch(/"f" uses a type that is not exported/);
    expect(refusal(lifted([1, 1, 5]))).toMatch(valid);
  });

  it('of a nested component are checked by what it declares, whatever it is given', () => {
    const inner = component(imports(importResource('r')), types(own(0), takes(1)), imports(importFunc('f', 2)));
    expect(refusal(component(nested(inner)))).toMatch(valid);
    const eq = nested(component(imports(importResource('a'), typeImport('b', 0))));
    const given = (index: number) => {
      const args = vector([
        ['a', 3, 0],
        ['b', 3, index],
      ]);
      return refusal(component(imports(importResource('x'), importResource('y')), eq, instances([0, 0, args])));
    };
    expect(given(0)).toMatch(valid);
    expect(given(1)).toMatch(/the type b is not the one that is declared/);
  });

  it('two instances of one declared component have two resources', () => {
    const type = [0x41, vector([[4, 0, 'r', 3, 1]])];
    const eq = nested(component(imports(importResource('a'), typeImport('b', 0))));
    const twice = (second: number) => {
      const args = vector([
        ['a', 3, 1],
        ['b', 3, second],
      ]);
      const inner = component(
        types(type),
        imports([0, 'c', 4, 0]),
        instances([0, 0, vector([])], [0, 0, vector([])]),
        aliases(aliasExport(0, 'r', 3), aliasExport(1, 'r', 3)),
        eq,
        instances([0, 1, args]),
      );
      return refusal(component(nested(inner)));
    };
    expect(twice(1)).toMatch(valid);
    expect(twice(2)).toMatch(/the type b is not the one that is declared/);
  });

  it('methods do not stand in instances that are made of single exports', () => {
    const bytes = component(
      imports(importResource('a')),
      types(borrow(0), funcType({ self: 1 })),
      imports(importFunc('[method]a.b', 2)),
      instances([
        1,
        vector([
          [0, 'a', 3, 0],
          [0, '[method]a.b', 1, 0],
        ]),
      ]),
    );
    expect(refusal(bytes)).toMatch(/there is no resource "a" beside it/);
  });

  it('no stream or future has values that are borrowed, and no stream chars', () => {
    expect(refusal(component(types([0x66, 1, 0x74])))).toMatch(/a stream of char/);
    expect(refusal(component(types([0x65, 1, 0x74])))).toMatch(valid);
    const resource = types([0x3f, 0x7f, 0], borrow(0));
    expect(refusal(component(resource, types([0x66, 1, 1])))).toMatch(/a stream of borrowed/);
    expect(refusal(component(resource, types([0x65, 1, 1])))).toMatch(/a future of borrowed/);
  });
});

it.each([
  ['imports what the declared one does not', component(types(noParams), imports(importFunc('f')))],
  ['lacks an export', component()],
])('a component that is given for another one is refused if it %s', (_what, given) => {
  const declared = [0x41, vector([declareType(noParams), declareFunc('g', 0)])];
  const takes = component(types(declared), imports([0, 'c', 4, 0]));
  const bytes = component(nested(given), nested(takes), instances([0, 1, vector([['c', 4, 0]])]));
  expect(refusal(bytes)).toMatch(/^module_invalid: the component "c"/);
});

it('two imports of a core module have two names, though nothing instantiates it', () => {
  const twice = coreModule(wat('(module (import "m" "f" (func)) (import "m" "f" (func)))'));
  expect(refusal(component(twice))).toMatch(/two imports of one name/);
});

it('two imports of a core module have two names', () => {
  const bytes = component(
    coreModule(wat('(module (func (export "f")))')),
    coreModule(wat('(module (import "m" "f" (func)) (import "m" "f" (func)))')),
    coreInstances(instantiateCore(0), instantiateCore(1, { m: 0 })),
  );
  expect(refusal(bytes)).toMatch(/two imports of one name/);
});

/** What definitions of a component may name, and how many of each there may be. */
import { describe, expect, it } from 'vitest';
import { componentCaps } from '../../../src/guest/component/caps.ts';
import {
  aliasCore,
  aliases,
  canons,
  component,
  coreBundle,
  coreInstances,
  coreModule,
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
const importFunc = (name: string) => [0, name, 1, 0];
const importResource = (name: string) => [0, name, 3, 1];
const emptyModule = wat('(module)');
/** A function of the host, in the space of core functions: core function 0. */
const coreFunction = [types(noParams), imports(importFunc('f')), canons(lower(0))] as const;
/** Component 0, which imports `x` as `of`, with one argument of sort and index. */
const given = (of: readonly number[], sort: number, index: number, ...inner: readonly Uint8Array[]) =>
  [nested(component(...inner, imports([0, 'x', ...of]))), instances([0, 0, vector([['x', sort, index]])])] as const;
const componentType = (...declarations: readonly (readonly (number | string)[])[]) => [0x41, vector(declarations)];

describe('a definition is refused', () => {
  const wrong: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    [
      'where a core instance exports a type',
      [section(3, vector([[0x60, 0, 0]])), coreInstances([1, vector([['a', 0x10, 0]])])],
      'exports no core type',
    ],
    [
      'where a core instance exports a module',
      [coreModule(emptyModule), coreInstances([1, vector([['a', 0x11, 0]])])],
      'exports no core module',
    ],
    [
      'where a core instance exports an instance',
      [coreInstances([1, vector([])], [1, vector([['a', 0x12, 0]])])],
      'exports no core instance',
    ],
    [
      'with two exports of one name in a core instance',
      [
        ...coreFunction,
        coreInstances([
          1,
          vector([
            ['a', 0, 0],
            ['a', 0, 0],
          ]),
        ]),
      ],
      'two exports of a core instance have one name',
    ],
    [
      'with two arguments of one name',
      [
        types(noParams),
        imports(importFunc('f')),
        nested(component()),
        instances([
          0,
          0,
          vector([
            ['a', 1, 0],
            ['a', 1, 0],
          ]),
        ]),
      ],
      'two arguments of an instance have one name',
    ],
    [
      'with two arguments of one name for a core module',
      [
        coreModule(emptyModule),
        coreInstances(
          [1, vector([])],
          [
            0,
            0,
            vector([
              ['a', 0x12, 0],
              ['a', 0x12, 0],
            ]),
          ],
        ),
      ],
      'two arguments of a core instance have one name',
    ],
    [
      'that lifts to what is no function',
      [...coreFunction, types([0x7f]), canons(lift(0, 1))],
      'no type of a function',
    ],
    [
      'that makes a resource of another component',
      [imports(importResource('r')), canons([2, 0])],
      'resource.new of a resource that another component defines',
    ],
    [
      'that takes what a core instance lacks',
      [...coreFunction, coreInstances(coreBundle({ f: 0 })), aliases(aliasCore(0, 'g'))],
      'a core instance exports no "g"',
    ],
    [
      'that takes something of another sort from a core instance',
      [...coreFunction, coreInstances(coreBundle({ f: 0 })), aliases(aliasCore(0, 'f', 2))],
      'a core instance exports no "f"',
    ],
    [
      'that takes a function from outside of its component',
      [types(noParams), imports(importFunc('f')), nested(component(aliases([1, 2, 1, 0])))],
      'a func cannot be taken from an outer component',
    ],
    [
      'that gets a type for a function',
      [types([0x7f]), ...given([1, 0], 3, 0, types(noParams))],
      'is a type, not a func',
    ],
    [
      'that is said to be of another sort',
      [types(noParams), imports(importFunc('f')), exports([0, 'g', 1, 0, 1, 3, 1])],
      'is a func, not a type',
    ],
    ['of an instance whose type is none', [types([0x7f]), imports([0, 'a', 5, 0])], 'no type of an instance'],
    [
      'of a core module whose type is that of a function',
      [nested(component(section(3, vector([[0x60, 0, 0]])), imports([0, 'm', 0, 0x11, 0])))],
      'no type of a core module',
    ],
    ['that gets a value for a resource', [types([0x7f]), ...given([3, 1], 3, 0)], 'x is no resource'],
    ['of a value whose type is a function', [types(noParams, [0x6b, 0])], 'type 0 is no type of a value'],
    [
      'that gets an instance for a type of components',
      [types(instanceType()), ...given([3, 0, 0], 3, 0, types(componentType()))],
      'the type x is not the one that is declared',
    ],
    [
      'that gets a component for a type of instances',
      [types(componentType()), ...given([3, 0, 0], 3, 0, types(instanceType()))],
      'the type x is not the one that is declared',
    ],
    [
      'that gets a component which lacks an export',
      [types(componentType()), ...given([3, 0, 0], 3, 0, types(componentType([1, 0x40, 0, 1, 0], [4, 0, 'f', 1, 0])))],
      '"f"',
    ],
  ];
  it.each(wrong)('%s', (_what, sections, expected) => {
    expect(refusal(component(...sections))).toMatch(/^module_invalid: /);
    expect(refusal(component(...sections))).toContain(expected);
  });

  it('with control characters in names of core modules, which it does not show', () => {
    const wants = coreModule(wat('(module (import "a\\1b" "b\\0a" (func)))'));
    const shown = refusal(component(wants, coreInstances(instantiateCore(0))));
    expect(shown).toContain('a\\u{1b}.b\\u{a}');
    expect(shown).not.toMatch(/\p{Cc}/u);
  });

  it('and is not, where it gets what it declares', () => {
    expect(refusal(component(types(componentType()), ...given([3, 0, 0], 3, 0, types(componentType()))))).toMatch(
      valid,
    );
    expect(refusal(component(types(noParams, instanceType()), imports([0, 'a', 5, 1])))).toMatch(valid);
    expect(
      refusal(component(...coreFunction, coreInstances(coreBundle({ f: 0 })), aliases(aliasCore(0, 'f')))),
    ).toMatch(valid);
  });
});

describe('the most there may be, and one more:', () => {
  const repeated = (count: number, item: readonly (number | Uint8Array)[]) => Array.from({ length: count }, () => item);

  /** A signed LEB128 of a number below 8,192. */
  const signed = (value: number) => (value < 64 ? [value] : [0x80 | (value & 0x7f), value >> 7]);

  const counted: readonly (readonly [keyof typeof componentCaps, number, (count: number) => Uint8Array])[] = [
    [
      'typeDepth',
      componentCaps.typeDepth,
      // Each is an option of the one before.
      (levels) =>
        component(types([0x6b, 0x7f], ...Array.from({ length: levels - 2 }, (_, at) => [0x6b, ...signed(at)]))),
    ],
    [
      'instances',
      // The component itself is one, and each component within it is checked as one.
      componentCaps.instances - 2,
      (count) => component(nested(component()), instances(...repeated(count, [0, 0, vector([])]))),
    ],
    [
      'memories',
      componentCaps.memories,
      (count) =>
        component(coreModule(wat('(module (memory 1))')), coreInstances(...repeated(count, instantiateCore(0)))),
    ],
    [
      'coreInstances',
      componentCaps.coreInstances,
      (count) => component(coreModule(emptyModule), coreInstances(...repeated(count, instantiateCore(0)))),
    ],
  ];
  it.each(counted)('%s', (_cap, most, make) => {
    expect(refusal(make(most))).toMatch(valid);
    expect(refusal(make(most + 1))).toMatch(/^module_too_large: /);
  });

  it('steps of the instantiation', () => {
    const definitions = 2_000;
    const inner = component(types(...repeated(definitions, [0x7f])));
    const with_ = (count: number) => component(nested(inner), instances(...repeated(count, [0, 0, vector([])])));
    expect(refusal(with_(50))).toMatch(valid);
    expect(refusal(with_(componentCaps.definitions / definitions))).toContain('steps of the instantiation');
  });

  it('steps of comparing core modules with their declared types, and of types taken from around them', () => {
    const count = 500;
    const names = Array.from({ length: count }, (_, index) => `e${index}`);
    const module = wat(`(module (func $f) ${names.map((name) => `(export "${name}" (func $f))`).join('')})`);
    const type = (functionType: readonly number[]) => [
      0x50,
      vector([functionType, ...names.map((name) => [3, name, 0, 0])]),
    ];
    const importing = (times: number) => {
      const given = Array.from({ length: times }, (_, index) => `m${index}`);
      return component(
        coreModule(module),
        nested(
          component(
            section(3, vector([type([1, 0x60, 0, 0])])),
            imports(...given.map((name) => [0, name, 0, 0x11, 0])),
          ),
        ),
        instances([0, 0, vector(given.map((name) => [name, 0, 0x11, 0]))]),
      );
    };
    expect(refusal(importing(100))).toMatch(valid);
    expect(refusal(importing(componentCaps.definitions / count))).toContain('steps of the instantiation');
    const taken = component(section(3, vector([[0x60, 0, 0], type([2, 0x10, 1, 1, 0])])));
    const taking = (times: number) => component(nested(taken), instances(...repeated(times, [0, 0, vector([])])));
    expect(refusal(taking(100))).toMatch(valid);
    expect(refusal(taking(componentCaps.definitions / count))).toContain('steps of the instantiation');
  });
});

/** The binary format of components: what is read, what is refused, and how far a hostile component gets. */
import { describe, expect, it } from 'vitest';
import { componentCaps } from '../../../src/guest/component/caps.ts';
import { decodeComponent } from '../../../src/guest/component/decode.ts';
import { evaluateComponent } from '../../../src/guest/component/evaluate.ts';
import { isComponent } from '../../../src/guest/component/recognise.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import {
  aliasExport,
  aliases,
  bytes,
  canons,
  component,
  coreInstances,
  coreModule,
  exports,
  funcType,
  imports,
  instances,
  instantiateCore,
  leb,
  lift,
  magic,
  nested,
  section,
  types,
  vector,
} from '../../support/component-builder.ts';

const emptyModule = bytes(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function refusal(act: () => unknown): { readonly code: string; readonly details: readonly string[] } {
  try {
    act();
  } catch (error) {
    if (error instanceof PlatformError) return { code: error.code, details: error.details };
    throw error;
  }
  throw new Error('it was not refused');
}
const decode = (...sections: readonly Uint8Array[]) => decodeComponent(component(...sections), 'x.wasm');
const evaluate = (...sections: readonly Uint8Array[]) => evaluateComponent(decode(...sections), 'x.wasm');

describe('decoding', () => {
  it('tells components from modules', () => {
    expect(isComponent(component())).toBe(true);
    expect(isComponent(emptyModule)).toBe(false);
    expect(isComponent(bytes(0, 0x61))).toBe(false);
  });

  it('keeps definitions in order, those of nested components inside', () => {
    const definitions = decode(
      coreModule(emptyModule),
      nested(component(types([0x7f]))),
      types([0x70, 0x7d], [0x6b, 0]),
    );
    expect(definitions.map((one) => one.kind)).toEqual(['core module', 'component', 'type', 'type']);
    expect(definitions[1]).toEqual({
      kind: 'component',
      definitions: [{ kind: 'type', type: { kind: 'primitive', type: 'bool' } }],
    });
    expect(definitions[3]).toEqual({ kind: 'type', type: { kind: 'option', of: 0 } });
  });

  it('reads canonical options and names with attributes', () => {
    const [canon] = decode(canons(lift(3, 2, [3, 0], [4, 1], [6], [7, 9])));
    expect(canon).toMatchObject({
      canon: {
        op: 'lift',
        func: 3,
        type: 2,
        options: { memory: 0, realloc: 1, postReturn: null, async: true, callback: 9 },
      },
    });
    expect(decode(imports([2, 'a:b/c@1.0.0', vector([[1, '.1']]), 1, 0]))).toEqual([
      {
        kind: 'import',
        name: 'a:b/c@1.0.0',
        attributes: { implements: null, versionSuffix: '.1' },
        of: { kind: 'func', type: 0 },
      },
    ]);
  });

  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ['an unknown section', section(77, bytes())],
    ['a section longer than the file', bytes(7, 50, 0)],
    ['bytes behind the last entry', section(7, bytes(1, 0x7f, 0))],
    ['a count without entries', section(7, bytes(leb(1_000_000)))],
    [
      'an attribute of a name twice',
      imports([
        2,
        'a:b/c@1',
        vector([
          [1, '.1'],
          [1, '.1'],
        ]),
        1,
        0,
      ]),
    ],
    ['an unknown attribute of a name', imports([2, 'a', vector([[3, 'a']]), 1, 0])],
    ['an unknown type', types([0x01])],
    ['an unknown sort', exports([0, 'a', 9, 0, 0])],
    ['a resource that is no i32', types([0x3f, 0x7d, 0])],
    ['a name that is not UTF-8', imports([0, 1, 0xff, 1, 0])],
    ['a module where a component should be', nested(emptyModule)],
  ];
  it.each(malformed)('refuses %s', (_name, part) => {
    expect(refusal(() => decode(part)).code).toBe('module_invalid');
  });

  /** Each is well-formed in all that stands behind the byte that is wrong. */
  const moduleType = (...declarations: readonly (readonly (number | string)[])[]) =>
    section(3, vector([[0x50, vector(declarations)]]));
  const coreFunction = [1, 0x60, 0, 0] as const;
  const wrongBytes: readonly (readonly [string, Uint8Array, string])[] = [
    ['an argument of a core module', coreInstances([0, 0, vector([['a', 0x11, 0]])]), 'takes instances only'],
    ['a core instance', coreInstances([2, vector([])]), 'invalid core instance 0x2'],
    ['an instance', instances([2, vector([])]), 'invalid instance 0x2'],
    ['the form of a name', imports([3, 'a', 1, 0]), 'invalid form of a name 0x3'],
    ['an option', types([0x71, vector([['a', 2, 0x7f, 0]])]), 'invalid option 0x2'],
    ['a case that refines another', types([0x71, vector([['a', 0, 1]])]), 'a case that refines another'],
    ['a byte of zero', canons([0, 1, 0, vector([]), 0]), '0x00 was expected'],
    ['a flag', canons([6, 2]), 'invalid async 0x2'],
    ['a result', canons([9, 2, 0x7f, vector([])]), 'invalid result 0x2'],
    [
      'a post-return of an async function',
      canons([0, 0, 0, vector([[5, 0], [6]]), 0]),
      'post-return and async together',
    ],
    ['an import of core', imports([0, 'a', 0, 0x10, 0]), 'a core module was expected'],
    ['the bound of a type', imports([0, 'a', 3, 2, 0]), 'invalid type bound 0x2'],
    ['an alias of a core export', aliases([1, 1, 0, 'a']), 'a core instance exports no func'],
    ['an alias', aliases([1, 3, 0, 0]), 'invalid alias target 0x3'],
    [
      'two imports of a core module',
      moduleType(coreFunction, [0, 'm', 'f', 0, 0], [0, 'm', 'f', 0, 0]),
      'two imports of one name',
    ],
    [
      'two exports of a core module',
      moduleType(coreFunction, [3, 'f', 0, 0], [3, 'f', 0, 0]),
      'two exports of one name',
    ],
    ['a core type', moduleType([1, 0x5e, 0, 0]), 'a core type that is no function'],
    ['the sort of a core alias', moduleType([2, 0x11, 1, 0, 0]), 'no outer type'],
    ['the target of a core alias', moduleType([2, 0x10, 0, 0, 0]), 'no outer type'],
    ['the kind of a core import', moduleType([0, 'm', 'f', 5, 0, 0]), 'invalid kind 0x5'],
    ['a tag', moduleType(coreFunction, [0, 'm', 't', 4, 1, 0]), 'invalid tag'],
    ['the type of a core import', moduleType([0, 'm', 'f', 0, 0]), 'core type 0 does not exist'],
    ['limits', moduleType([0, 'm', 'm', 2, 4, 1]), 'limits that are no 32-bit numbers'],
  ];
  it.each(wrongBytes)('says what is wrong with %s', (_name, part, expected) => {
    const { code, details } = refusal(() => decode(part));
    expect({ code, details: details.join() }).toEqual({
      code: 'module_invalid',
      details: expect.stringContaining(expected),
    });
  });

  it('refuses another version of the format', () => {
    for (const place of [4, 5, 7]) {
      const other = component();
      other[place]! += 1;
      expect(refusal(() => decodeComponent(other, 'x.wasm')).code).toBe('module_invalid');
    }
  });

  const unsupported: readonly (readonly [string, Uint8Array])[] = [
    ['a resource of 64 bits', types([0x3f, 0x7e, 0])],
    ['a start function', section(9, bytes(0, 0, 0))],
    ['a value', section(12, bytes(0))],
    ['an imported value', imports([0, 'v', 2, 0, 0])],
    ['an unknown canonical function', canons([0x7f])],
    ['a value that is exported', exports([0, 'v', 2, 0, 0])],
    ['a function with two forms of results', types([0x40, vector([]), 2, 0])],
    ['a function with named results', types([0x40, vector([]), 1, 1, 'a', 0x7f])],
    ['a core type that is no function', section(3, bytes(1, 0x5f, 0, 0))],
  ];
  it.each([
    ['thread.index', canons([0x26])],
    ['thread.new-indirect', canons([0x27, 0, 0])],
    ['thread.yield-then-promote', canons([0x2d, 0])],
    ['thread.available_parallelism', canons([0x42])],
    ['stream.forward', canons([0x2e, 0])],
    ['future.forward', canons([0x2f, 0])],
    ['resource.drop async', canons([7, 0])],
    ['contexts of 64 bits', canons([0x0a, 0x7e, 0])],
    ['the option cancellable', canons([0x0c, 1])],
    ['the option cancellable', canons([0x20, 1, 0])],
    ['the type map', types([0x63, 0x73, 0x79])],
  ])('names %s, which is of a proposal', (name, part) => {
    expect(() => decode(part)).toThrow(`x.wasm uses ${name}`);
    expect(refusal(() => decode(part)).code).toBe('module_unsupported');
  });

  it.each(unsupported)('says that %s is not supported', (_name, part) => {
    expect(refusal(() => decode(part)).code).toBe('module_unsupported');
  });

  it('refuses every truncation of a component', () => {
    const whole = component(
      coreModule(emptyModule),
      types(funcType({ a: 0x79 }, 0x73)),
      imports([0, 'f', 1, 0]),
      exports([0, 'g', 1, 0, 0]),
    );
    const ends = new Set([8]);
    // Where a section ends, what is before is a component too.
    for (let at = 8; at < whole.length; at += 2 + (whole[at + 1] as number)) ends.add(at);
    for (let length = 0; length < whole.length; length += 1) {
      if (ends.has(length)) continue;
      expect(refusal(() => decodeComponent(whole.subarray(0, length), 'x.wasm')).code, `${length}`).toBe(
        'module_invalid',
      );
    }
  });
});

describe('a hostile component', () => {
  it('nested too deeply is refused', () => {
    let inner = component();
    for (let depth = 0; depth <= componentCaps.nesting; depth += 1) inner = component(nested(inner));
    expect(refusal(() => decodeComponent(inner, 'x.wasm')).code).toBe('module_too_large');
  });

  it('with declarations nested too deeply is refused', () => {
    let type: Uint8Array = bytes(0x42, vector([]));
    for (let depth = 0; depth <= componentCaps.nesting; depth += 1) type = bytes(0x42, vector([[1, type]]));
    expect(refusal(() => decode(types(type))).code).toBe('module_too_large');
  });

  it('that instantiates 2^n times is refused in bounded time', () => {
    // Each level holds the one below and instantiates it twice.
    let level = component(coreModule(emptyModule), coreInstances(instantiateCore(0)));
    for (let depth = 0; depth < 30; depth += 1)
      level = component(nested(level), instances([0, 0, vector([])], [0, 0, vector([])]));
    expect(refusal(() => evaluateComponent(decodeComponent(level, 'x.wasm'), 'x.wasm'))).toEqual({
      code: 'module_too_large',
      details: [`core instances: at most ${componentCaps.coreInstances}`],
    });
  });

  it('whose type has 2^n parts is refused', () => {
    const doubled = Array.from({ length: 40 }, (_, index) => [0x6f, vector([leb(index), leb(index)])]);
    expect(refusal(() => evaluate(types([0x7f], ...doubled))).code).toBe('module_too_large');
    const longest = [0x67, 0x7d, leb(0xffff_ffff)];
    const nestedLists = Array.from({ length: 50 }, (_, index) => [0x67, leb(index), leb(0xffff_ffff)]);
    for (const hostile of [types(longest), types([0x7f], ...nestedLists), types([0x67, 0x7d, leb(10_000)])])
      expect(refusal(() => evaluate(hostile))).toEqual({
        code: 'module_too_large',
        details: ['parts of one type, with each element of a list of fixed length: at most 10,000'],
      });
    evaluate(types([0x67, 0x7d, leb(5_000)]));
  });

  it('with too many definitions is refused', () => {
    const many = bytes(
      magic,
      section(7, bytes(leb(componentCaps.definitions + 1), new Uint8Array(componentCaps.definitions + 1).fill(0x7f))),
    );
    expect(refusal(() => decodeComponent(many, 'x.wasm')).code).toBe('module_too_large');
  });
});

describe('a component that imports code', () => {
  it.each([
    ['core module', section(3, vector([[0x50, vector([])]])), [0x00, 0x11]],
    ['component', types([0x41, vector([])]), [0x04]],
  ])('is refused if it is to be given a %s', (what, type, sort) => {
    expect(() => evaluate(type, imports([0, 'lib', ...sort, 0]))).toThrow(
      `uses an import of a ${what} (lib), which is not supported`,
    );
  });
});

describe('evaluation', () => {
  const wrong: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['an instance of no module', [coreInstances(instantiateCore(0))]],
    ['a function of no type', [imports([0, 'f', 1, 0])]],
    ['a type of no resource', [types([0x7f], [0x69, 0])]],
    ['an export of nothing', [exports([0, 'f', 1, 0, 0])]],
    [
      'an alias of an export that is not there',
      [types([0x42, vector([])]), imports([0, 'a:b/c', 5, 0]), aliases(aliasExport(0, 'f', 1))],
    ],
    ['an alias too far out', [aliases([3, 2, ...leb(7), 0])]],
    [
      'a nested component without its import',
      [nested(component(types(funcType({})), imports([0, 'f', 1, 0]))), instances([0, 0, vector([])])],
    ],
    ['two exports of one name', [types([0x7f]), exports([0, 't', 3, 0, 0], [0, 't', 3, 0, 0])]],
    ['an empty variant', [types([0x71, vector([])])]],
    ['an import of a function whose type is none', [types([0x7f]), imports([0, 'f', 1, 0])]],
    ['an import of a component whose type is none', [types([0x7f]), imports([0, 'c', 4, 0])]],
    ['a new stream whose type is none', [types([0x7f]), canons([0x0e, 0])]],
    ['a new future whose type is a stream', [types([0x66, 0]), canons([0x15, 0])]],
    ['33 flags', [types([0x6e, vector(Array.from({ length: 33 }, (_, index) => `f${index}`))])]],
  ];
  it.each(wrong)('refuses %s', (_name, sections) => {
    expect(refusal(() => evaluate(...sections)).code).toBe('module_invalid');
  });

  it('refuses a function that a nested component wants with another type', () => {
    const inner = component(types(funcType({ a: 0x79 })), imports([0, 'f', 1, 0]));
    const found = refusal(() =>
      evaluate(
        types(funcType({ a: 0x77 })),
        imports([0, 'f', 1, 0]),
        nested(inner),
        instances([0, 0, vector([['f', 1, 0]])]),
      ),
    );
    expect(found).toEqual({ code: 'module_invalid', details: ['f is a func(a: u64), not a func(a: u32)'] });
  });
});

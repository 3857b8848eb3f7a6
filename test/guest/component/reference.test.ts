/**
 * Components that the reference tools refuse and the linker once took: found by test/fuzz/component-validity.test.ts.
 */
import { describe, expect, it } from 'vitest';
import {
  aliasCore,
  aliasExport,
  aliases,
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
  nested,
  types,
  vector,
} from '../../support/component-builder.ts';
import { refusal } from '../../support/component-refusal.ts';
import { wat } from '../../support/wasm.ts';

/** A component without an entry point is refused for that when nothing else is wrong with it. */
const valid = /^entry_missing/;
const u8 = 0x7d;
const u32 = 0x79;
const string = 0x73;
const noParams = funcType({});
const resource = [0x3f, 0x7f, 0];
const equalTo = (type: number) => [3, 0, type];

describe('types', () => {
  it('a list of fixed length has elements', () => {
    expect(refusal(component(types([0x67, u8, 1])))).toMatch(valid);
    expect(refusal(component(types([0x67, u8, 0])))).toMatch(/a list of fixed length without elements/);
  });

  it('a function returns no borrowed resource, whether it is lifted or not', () => {
    expect(refusal(component(types(resource, [0x69, 0], funcType({}, 1))))).toMatch(valid);
    expect(refusal(component(types(resource, [0x68, 0], funcType({}, 1))))).toMatch(/returns a borrowed resource/);
  });

  it('an import is equal to no resource that the component itself defines', () => {
    const named = imports([0, 'a', ...equalTo(0)]);
    expect(refusal(component(types([0x70, u8]), named))).toMatch(valid);
    expect(refusal(component(types(resource), named))).toMatch(/"a" uses a type that is not imported/);
    const inType = (resourceOf: 3 | 4) =>
      component(
        types([
          0x41,
          vector([
            [resourceOf, 0, 'a', 3, 1],
            [3, 0, 'b', ...equalTo(0)],
          ]),
        ]),
      );
    expect(refusal(inType(3))).toMatch(valid);
    expect(refusal(inType(4))).toMatch(/"b" uses a type that is not imported/);
  });

  it('a constructor is not asynchronous', () => {
    const made = (form: number) =>
      component(
        imports([0, 'r', 3, 1]),
        types([0x69, 0], [form, vector([]), 0, 1]),
        imports([0, '[constructor]r', 1, 2]),
      );
    expect(refusal(made(0x40))).not.toMatch(/constructor/);
    expect(refusal(made(0x43))).toMatch(/a constructor is not asynchronous/);
  });

  it('a method is one of the resource that its name names, not of another name of that resource', () => {
    const made = (self: number) =>
      component(
        imports([0, 'r', 3, 1]),
        exports(exportAs('s', 3, 0)),
        types([0x68, self], funcType({ self: 2 })),
        imports([0, '[method]r.f', 1, 3]),
      );
    expect(refusal(made(0))).not.toMatch(/^module_invalid/);
    expect(refusal(made(1))).toMatch(/^module_invalid/);
  });

  it('the layer of the format has two bytes', () => {
    const made = component();
    made[7] = 1;
    expect(refusal(made)).toMatch(/^module_invalid/);
  });
});

describe('options of canonical functions', () => {
  const libc = wat(`(module (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0) (func (export "f")))`);
  const memory = [3, 0];
  const realloc = [4, 0];
  const made = (canon: readonly unknown[]) =>
    component(
      coreModule(libc),
      coreInstances(instantiateCore(0)),
      aliases(aliasCore(0, 'memory', 2), aliasCore(0, 'realloc'), aliasCore(0, 'f')),
      types([0x66, 1, string], [0x65, 1, u8], [0x43, vector([]), 0, string]),
      canons(canon as never), // bytes and vectors
    );
  const options = (...given: readonly (readonly number[])[]) => vector(given);

  it.each([
    ['error-context.new', [0x1c, options()], [0x1c, options(memory)]],
    ['error-context.debug-message', [0x1d, options(memory)], [0x1d, options(memory, realloc)]],
    ['error-context.new', [0x1c, options(memory, [6])], [0x1c, options(memory)]],
    ['stream.read', [0x0f, 0, options(memory)], [0x0f, 0, options(memory, realloc)]],
    ['stream.write', [0x10, 0, options()], [0x10, 0, options(memory)]],
    ['future.write', [0x17, 1, options()], [0x17, 1, options(memory)]],
    ['task.return', [9, 0, u32, options(memory, realloc)], [9, 0, u32, options(memory)]],
    ['task.return', [9, 0, u32, options([6])], [9, 0, u32, options()]],
    ['task.return', [9, 0, string, options()], [9, 0, string, options(memory)]],
    ['lifted', lift(1, 2, [6]), lift(1, 2, [6], memory)],
  ])('%s needs what it uses, and takes nothing else', (name, refused, taken) => {
    expect(refusal(made(taken))).toMatch(valid);
    expect(refusal(made(refused))).toMatch(/^module_invalid: .*(without|with the option)/);
    expect(refusal(made(refused))).toContain(name);
  });

  it('a context has two slots, whoever uses it', () => {
    expect(refusal(component(canons([0x0a, 0x7f, 1])))).toMatch(valid);
    expect(refusal(component(canons([0x0a, 0x7f, 2])))).toMatch(/slot 2 of the context, at most 1/);
  });

  it('a canonical function that is lifted has the type of the lifted one', () => {
    const lifted = (result: number | null) =>
      component(types(resource), canons([4, 0]), types(funcType({ a: u32 }, result)), canons(lift(0, 1)));
    expect(refusal(lifted(u32))).toMatch(valid);
    expect(refusal(lifted(null))).toMatch(/a lifted core function is \(i32\) -> i32/);
  });
});

describe('core modules of components that nothing instantiates', () => {
  const wanting = (type: string) => wat(`(module (import "m" "f" (func ${type})))`);
  const made = (module: Uint8Array, ...args: readonly [] | readonly [Record<string, number>]) =>
    component(
      nested(
        component(
          types(resource),
          canons([3, 0]),
          coreInstances(coreBundle({ f: 0 })),
          coreModule(module),
          coreInstances(instantiateCore(0, ...args)),
        ),
      ),
    );

  it('get all that they import, of its type', () => {
    expect(refusal(made(wanting('(param i32)'), { m: 0 }))).toMatch(valid);
    expect(refusal(made(wanting('(param i32)')))).toMatch(/a core module gets no m\.f/);
    expect(refusal(made(wanting('(param i64)'), { m: 0 }))).toMatch(/m\.f is \(i32\) -> \(\); the core module wants/);
  });
});

describe('what is given for something declared, or said to be it', () => {
  const takes = (param: number) => component(types(funcType({ a: param })), imports([0, 'f', 1, 0]));
  const typeOf = (param: number) => types([0x41, vector([declareType(funcType({ a: param })), [3, 0, 'f', 1, 0]])]);

  it('a component imports what its declared type imports, of the same types', () => {
    const made = (declared: number) =>
      component(
        nested(takes(u8)),
        nested(component(typeOf(declared), imports([0, 'c', 4, 0]))),
        instances([0, 1, vector([['c', 4, 0]])]),
      );
    expect(refusal(made(u8))).toMatch(valid);
    expect(refusal(made(u32))).toMatch(/^module_invalid: the component "c": f is a func/);
  });

  it('the same where an export says which type it has', () => {
    const made = (declared: number) => component(nested(takes(u8)), typeOf(declared), exports([0, 'c', 4, 0, 1, 4, 0]));
    expect(refusal(made(u8))).toMatch(valid);
    expect(refusal(made(u32))).toMatch(/^module_invalid: the component "c": f is a func/);
  });

  it('a type is within the bounds of a declared type of an instance', () => {
    const exporting = (result: number) => instanceType(declareType(funcType({}, result)), declareFunc('f', 0));
    const made = (given: number) =>
      component(
        types(exporting(given)),
        nested(component(types(exporting(u8)), imports([0, 't', ...equalTo(0)]))),
        instances([0, 0, vector([['t', 3, 0]])]),
      );
    expect(refusal(made(u8))).toMatch(valid);
    expect(refusal(made(u32))).toMatch(/^module_invalid: f is a func/);
  });

  it.each(['instance', 'component'] as const)('an %s shows what its declared type has, and nothing else', (sort) => {
    const inner = component(types(noParams), exports(exportAs('a', 3, 0), exportAs('b', 3, 0)));
    const declared = [4, 0, 'a', ...equalTo(0)];
    const made = (name: string) =>
      sort === 'instance'
        ? component(
            nested(inner),
            instances([0, 0, vector([])]),
            types(instanceType(declareType(noParams), declared)),
            exports([0, 'i', 5, 0, 1, 5, 0]),
            aliases(aliasExport(1, name, 3)),
          )
        : component(
            nested(inner),
            types([0x41, vector([declareType(noParams), declared])]),
            exports([0, 'c', 4, 0, 1, 4, 0]),
            instances([0, 1, vector([])]),
            aliases(aliasExport(0, name, 3)),
          );
    expect(refusal(made('a'))).toMatch(valid);
    expect(refusal(made('b'))).toMatch(/exports no type "b"/);
  });

  it('an instance that is exported has a declared type whose types have names', () => {
    const record = [0x72, vector([['a', u8]])];
    const shown = instanceType(declareType(record), declareType([0x70, 0]), [4, 0, 'b', ...equalTo(1)]);
    const made = (...more: readonly Uint8Array[]) =>
      component(
        types(record),
        imports([0, 'r', ...equalTo(0)]),
        types([0x70, 1]),
        instances([1, vector([[0, 'b', 3, 2]])]),
        ...more,
      );
    expect(refusal(made(exports(exportAs('i', 5, 0))))).toMatch(valid);
    expect(refusal(made(types(shown), exports([0, 'i', 5, 0, 1, 5, 3])))).toMatch(
      /"i" uses a type that is not exported/,
    );
  });
});

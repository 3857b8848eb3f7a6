/**
 * Values between parts of a composed component. The host gives a random value to one part, which passes it to another
 * one, which passes it to the host; then back. How the host reads and writes values is the measure.
 */
import { randomFillSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { flattenFunction, flattenType } from '../../../src/guest/component/flatten.ts';
import { vetProgram } from '../../../src/guest/component/vet-program.ts';
import { func, type WitType } from '../../../src/guest/component/wit.ts';
import { providedBy } from '../../../src/guest/kernel/abi/provided.ts';
import { linkerGlue } from '../../../src/guest/kernel/abi/wasi2/component/glue.ts';
import { guestResources } from '../../../src/guest/kernel/abi/wasi2/component/resources.ts';
import { toKey } from '../../../src/guest/kernel/canonical/lift.ts';
import { witInterface, witRow } from '../../../src/guest/kernel/canonical/row.ts';
import { GuestInstance, makeMemory } from '../../../src/guest/kernel/instance.ts';
import { GasMeter } from '../../../src/guest/kernel/meter.ts';
import type { FuncType } from '../../../src/protocol/module.ts';
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
  exportAs,
  exports,
  funcType,
  imports,
  instances,
  instanceType,
  instantiateCore,
  leb,
  lift,
  lower,
  nested,
  types,
  vector,
} from '../../support/component-builder.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { randomOf } from '../../support/random.ts';
import { assemble } from '../../support/run-guest.ts';

type Random = (below: number) => number;
type Bytes = readonly (number | string | Uint8Array | Bytes)[];

const primitives = 'bool s8 u8 s16 u16 s32 u32 s64 u64 f32 f64 char string'.split(' ');
const codes = Object.fromEntries(primitives.map((name, index) => [name, 0x7f - index]));

function randomType(random: Random, depth: number): WitType {
  const inner = () => randomType(random, depth - 1);
  const some = <T>(make: (index: number) => T): T[] => Array.from({ length: 1 + random(3) }, (_, index) => make(index));
  const labels = Array.from({ length: 1 + random(12) }, (_, index) => `label-${index}`);
  switch (depth === 0 ? 8 + random(3) : random(11)) {
    case 0:
      return { kind: 'list', of: inner(), length: null };
    case 1:
      return { kind: 'record', fields: some((index) => ({ name: `field-${index}`, type: inner() })) };
    case 2:
      return { kind: 'tuple', of: some(inner) };
    case 3:
      return {
        kind: 'variant',
        cases: some((index) => ({ name: `case-${index}`, type: random(4) === 0 ? null : inner() })),
      };
    case 4: {
      const of = inner();
      return typeof of !== 'string' && of.kind === 'option' ? of : { kind: 'option', of };
    }
    case 5:
      return { kind: 'result', ok: random(4) === 0 ? null : inner(), err: random(2) === 0 ? null : inner() };
    case 6:
      return { kind: 'list', of: inner(), length: 1 + random(3) };
    case 7:
      return { kind: random(2) === 0 ? 'flags' : 'enum', labels };
    default:
      return primitives[random(primitives.length)] as WitType;
  }
}

function randomValue(random: Random, type: WitType): unknown {
  const whole = (bits: number) => BigInt.asUintN(bits, (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32)));
  if (typeof type === 'string') {
    const bits = Number(/\d+$/.exec(type)?.[0] ?? 0);
    if (type === 'bool') return random(2) === 1;
    if (type === 'char') return ['a', 'é', '€', '😀', '\u{10ffff}', '\ud7ff'][random(6)];
    if (type === 'string')
      return ['', 'word', 'größer €', '😀'.repeat(random(50)), 'x'.repeat(random(90_000))][random(5)];
    if (type === 'f32') return Math.fround(random(1000) / 7);
    if (type === 'f64') return random(1000) / 7;
    const value = type.startsWith('s') ? BigInt.asIntN(bits, whole(bits)) : whole(bits);
    return bits === 64 ? value : Number(value);
  }
  switch (type.kind) {
    case 'list': {
      const length = type.length ?? random(5);
      const values = Array.from({ length }, () => randomValue(random, type.of));
      return type.of === 'u8' && type.length === null ? Uint8Array.from(values as number[]) : values;
    }
    case 'record':
      return Object.fromEntries(type.fields.map(({ name, type: of }) => [toKey(name), randomValue(random, of)]));
    case 'tuple':
      return type.of.map((of) => randomValue(random, of));
    case 'variant': {
      const { name, type: of } = type.cases[random(type.cases.length)] as (typeof type.cases)[number];
      return of === null ? { tag: name } : { tag: name, value: randomValue(random, of) };
    }
    case 'option':
      return random(3) === 0 ? null : randomValue(random, type.of);
    case 'result': {
      const tag = random(2) === 0 ? 'ok' : 'err';
      const of = type[tag];
      return { tag, value: of === null ? undefined : randomValue(random, of) };
    }
    case 'enum':
      return type.labels[random(type.labels.length)];
    case 'flags':
      return new Set(type.labels.filter(() => random(2) === 0));
    default:
      throw new Error(`no values of ${type.kind}`);
  }
}

/** Definitions of types in one index space. What needs a name outside is named `t0`, `t1` … in order. */
class TypeList {
  readonly #steps: ({ readonly definition: Bytes } | { readonly name: string; readonly index: number })[] = [];

  get size(): number {
    return this.#steps.length;
  }

  get names(): string[] {
    return this.#steps.flatMap((step) => ('name' in step ? [step.name] : []));
  }

  /** Sections of a component that imports the named types. */
  get sections(): Uint8Array[] {
    return this.#steps.map((step) =>
      'name' in step ? imports([0, step.name, 3, 0, ...leb(step.index)]) : types(step.definition as number[]),
    );
  }

  /** Declarations of an instance type that exports the named types. */
  get declarations(): Bytes[] {
    return this.#steps.map((step) =>
      'name' in step ? [4, 0, step.name, 3, 0, ...leb(step.index)] : [1, step.definition],
    );
  }

  add(definition: Bytes): number {
    return this.#steps.push({ definition }) - 1;
  }

  /** Returns a reference to `type`, with the definitions that it needs. */
  ref(type: WitType): Bytes {
    if (typeof type === 'string') return [codes[type] as number];
    let index = this.add(this.#definition(type));
    if (['record', 'variant', 'enum', 'flags'].includes(type.kind))
      index = this.#steps.push({ name: `t${this.names.length}`, index }) - 1;
    return index < 64 ? [index] : [(index & 0x7f) | 0x80, index >> 7];
  }

  #definition(type: Exclude<WitType, string>): Bytes {
    const optional = (of: WitType | null): Bytes => (of === null ? [0] : [1, this.ref(of)]);
    const names = (labels: readonly string[]) => vector(labels);
    switch (type.kind) {
      case 'list': {
        const of = this.ref(type.of);
        return type.length === null ? [0x70, of] : [0x67, of, ...leb(type.length)];
      }
      case 'record':
        return [0x72, vector(type.fields.map(({ name, type: of }) => [name, this.ref(of)]))];
      case 'tuple':
        return [0x6f, vector(type.of.map((of) => this.ref(of)))];
      case 'variant':
        return [0x71, vector(type.cases.map(({ name, type: of }) => [name, optional(of), 0]))];
      case 'option':
        return [0x6b, this.ref(type.of)];
      case 'result':
        return [0x6a, optional(type.ok), optional(type.err)];
      case 'flags':
        return [0x6e, names(type.labels)];
      case 'enum':
        return [0x6d, names(type.labels)];
      default:
        throw new Error(`no definition of ${type.kind}`);
    }
  }
}

/** Grows its memory page by page, so that the memories of other parts move while values are passed. */
const allocator = (pages: number) => `(memory (export "memory") ${pages}) (global $top (mut i32) (i32.const 8192))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get 2))))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (loop (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
      (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable))) (br 1))))
    (local.get $at))`;
const area = 64;

function signature({ params, results }: FuncType): string {
  return `(param ${params.join(' ')}) (result ${results.join(' ')})`;
}

/** A component with the program `main`, which gets the imported functions and a module with memory and realloc. */
function partOf(
  type: WitType,
  names: readonly string[],
  {
    pages,
    main,
    exported,
  }: { readonly pages: number; readonly main: string; readonly exported: (first: number) => Uint8Array[] },
): Uint8Array {
  const list = new TypeList();
  const ref = list.ref(type);
  const take = list.add(funcType({ v: ref as number[] }));
  const give = list.add(funcType({}, ref as number[]));
  const options = [
    [3, 0],
    [4, 0],
  ];
  return component(
    ...list.sections,
    imports(...names.map((name) => [0, name, 1, ...leb(name === 'put' || name === 'f' ? take : give)])),
    coreModule(assemble(`(module ${allocator(pages)})`)),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'realloc'), aliasCore(0, 'memory', 2)),
    canons(...names.map((_, index) => lower(index, ...options))),
    coreInstances(coreBundle(Object.fromEntries(names.map((name, index) => [name, index + 1])))),
    coreModule(assemble(main)),
    coreInstances(instantiateCore(1, { host: 1, lib: 0 })),
    ...exported(list.size),
  );
}

function composed(type: WitType): Uint8Array {
  const put = flattenFunction(func({ v: type }), 'lower');
  const get = flattenFunction(func({}, type), 'lower');
  const made = flattenFunction(func({}, type), 'lift');
  const isIndirect = get.results.length === 0;
  const host = (name: string, core: FuncType) => `(import "host" "${name}" (func $${name} ${signature(core)}))`;
  const inner = partOf(type, ['put', 'get'], {
    pages: 2,
    main: `(module ${host('put', put)} ${host('get', get)} (import "lib" "memory" (memory 1))
      (func (export "f") ${signature(put)} (call $put ${put.params.map((_, index) => `(local.get ${index})`).join(' ')}))
      (func (export "g") ${signature(made)}
        ${isIndirect ? `(call $get (i32.const ${area})) (i32.const ${area})` : '(call $get)'}))`,
    exported: (first) => [
      aliases(aliasCore(2, 'f'), aliasCore(2, 'g')),
      canons(lift(3, first - 2, [3, 0], [4, 0]), lift(4, first - 1, [3, 0], [4, 0])),
      exports(exportAs('f', 1, 2), exportAs('g', 1, 3)),
    ],
  });
  const pass = (to: string, from: string) =>
    isIndirect
      ? `(call $${from} (i32.const ${area})) (call $${to} (i32.const ${area}))`
      : `(call $${to} (call $${from}))`;
  const outer = partOf(type, ['put', 'get', 'f', 'g'], {
    pages: 3,
    main: `(module ${host('put', put)} ${host('get', get)} ${host('f', put)} ${host('g', get)} (import "lib" "memory" (memory 1))
      (func (export "run") (result i32) ${pass('f', 'get')} ${pass('put', 'g')} (i32.const 0)))`,
    exported: (first) => [
      aliases(aliasCore(2, 'run')),
      types([0x6a, 0, 0], funcType({}, [...leb(first)])),
      canons(lift(5, first + 1)),
      instances(bundle('run', 1, 4)),
      exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
    ],
  });
  const list = new TypeList();
  const ref = list.ref(type);
  const take = list.add(funcType({ v: ref as number[] }));
  const give = list.add(funcType({}, ref as number[]));
  const declared = list.declarations;
  const exported = [
    [4, 0, 'get', 1, ...leb(give)],
    [4, 0, 'put', 1, ...leb(take)],
  ];
  const named = (name: string, index: number): Bytes => [name, 1, ...leb(index)];
  const given = list.names.map((name, index) => [name, 3, ...leb(index + 1)]);
  return component(
    types(instanceType(...(declared as number[][]), ...(exported as number[][]))),
    imports([0, hostName, 5, 0]),
    aliases(aliasExport(0, 'get', 1), aliasExport(0, 'put', 1), ...list.names.map((name) => aliasExport(0, name, 3))),
    nested(inner),
    nested(outer),
    instances([0, 0, vector([named('get', 0), named('put', 1), ...given] as number[][])]),
    aliases(aliasExport(1, 'f', 1), aliasExport(1, 'g', 1)),
    instances([0, 1, vector([named('get', 0), named('put', 1), named('f', 2), named('g', 3), ...given] as number[][])]),
    aliases(aliasExport(2, 'wasi:cli/run@0.2.0', 5)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 3)),
  );
}

const hostName = 'test:values/host@1.0.0';

/** Runs the composed component. Returns the values that the host gets. */
async function passed(type: WitType, value: unknown): Promise<unknown[]> {
  const got: unknown[] = [];
  const host = witInterface('wasi2', 'test:values/host@1', [
    witRow('get', func({}, type), () => value),
    witRow('put', func({ v: type }), (_guest, v: unknown) => void got.push(structuredClone(v))),
  ]);
  const abis = [host, linkerGlue, guestResources];
  const interfaces = host.syscalls.map(({ name, wit }) => ({
    interfaceName: 'test:values/host@1',
    name,
    type: wit as never,
  }));
  const linked = providedBy(abis);
  const { bytes, module } = vetProgram(composed(type), { provided: [], interfaces, linked, elements: new Set() });
  const memory = makeMemory(module.plan, { limit: 1024, reserve: 4 });
  const instance = new GuestInstance({
    module: new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>),
    plan: module.plan,
    abis,
    memory,
  });
  // Nested lists of long texts cost many times what the default meter allows.
  const guest = new ComponentGuest({ random: (into) => void randomFillSync(into), meter: new GasMeter(1_000_000_000) });
  const end = await instance.run(guest.process);
  expect(end).toEqual({ kind: 'exit', status: 0 });
  return got;
}

it('keeps random values of random types as they are, there and back', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const random = randomOf(seed);
  for (let round = 0; round < 60; round += 1) {
    const shape = randomType(random, round % 5);
    // More than 16 core values travel in memory, and one as it is: the parts need no code that knows the type.
    const pads = new Array<WitType>(17).fill('u64');
    const type: WitType = flattenType(shape).length === 1 ? shape : { kind: 'tuple', of: [shape, ...pads] };
    const value = randomValue(random, type);
    expect(await passed(type, value), `FUZZ_SEED=${seed}, round ${round}: ${JSON.stringify(type)}`).toEqual([
      value,
      value,
    ]);
  }
});

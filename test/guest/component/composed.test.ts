/** Composed components: several components in one file, each with a memory of its own, that call each other. */
import { describe, expect, it } from 'vitest';
import { vetProgram } from '../../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { besideAnother } from '../../support/beside-another.ts';
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
  instantiateCore,
  lift,
  lower,
  nested,
  section,
  types,
  vector,
} from '../../support/component-builder.ts';
import { composedParts } from '../../support/composed-parts.ts';
import { RecordedHttp, type RequestOptions } from '../../support/incoming-http.ts';
import { assemble, fixture, type GuestOptions, runGuest, runVetted } from '../../support/run-guest.ts';

const vet = (bytes: Uint8Array) => vetProgram(bytes, { provided: providedFunctions, ...providedInterfaces });
const composed = (name: string) => fixture(`component/composed/${name}`);

describe('text between two components', () => {
  it('arrives in the memory of the other one', async () => {
    expect((await runGuest(composed('text'))).end).toEqual({ kind: 'exit', status: 0 });
  });

  it('traps if it is not UTF-8', async () => {
    const bytes = Buffer.from(composed('text'));
    bytes[bytes.indexOf('hello')] = 0xff;
    expect((await runGuest(bytes)).end).toEqual({ kind: 'trap', message: 'a string that is not UTF-8' });
  });
});

it.each(['utf16', 'latin1+utf16'])(
  'a component of %s gives strings to the host and gets them from it',
  async (encoding) => {
    const { end, logs } = await runGuest(composed(`strings-${encoding}`), { env: { Größe: '3 € 😀' } });
    expect(end).toEqual({ kind: 'exit', status: 0 });
    expect(logs.map(({ text }) => text).join()).toMatch(/Größe.*3 € 😀/s);
  },
);

it('the stack of a failed part has source lines of every part, in code that reads one of several memories too', async () => {
  const bytes = composedParts({
    hasLines: true,
    param: [0x79],
    f: `(param i32) (i32.store (i32.const 16) (i32.const 5))
      (drop (i32.div_u (i32.load (i32.const 16)) (i32.sub (local.get 0) (i32.const 7))))`,
    run: '(call $f (i32.add (i32.const 3) (i32.const 4))) (i32.const 0)',
  });
  const { end, guest } = await runGuest(bytes);
  expect(end).toMatchObject({ kind: 'trap', message: expect.stringContaining('divide by zero') });
  const lines = guest.stack.flatMap((frame) => {
    const [, source, line] = /\((\w+\.ts):(\d+)\)$/.exec(frame) ?? [];
    return source === undefined ? [] : [[source, Number(line)] as const];
  });
  expect(lines.map(([source]) => source)).toEqual(['callee.ts', 'caller.ts']);
  // A line is the offset in a core module: of the division, and of the call.
  const file = Buffer.from(bytes);
  const starts = [...file.toString('latin1').matchAll(/\0asm\x01\0\0\0/g)].map(({ index }) => index);
  for (const [opcode, line] of [
    [0x6e, lines[0]?.[1] ?? 0],
    [0x10, lines[1]?.[1] ?? 0],
  ] as const)
    expect(starts.map((start) => file[start + line])).toContain(opcode);
});

describe('resources between three components', () => {
  it('are lent, given away and destroyed once', async () => {
    expect((await runGuest(composed('resources'))).end).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['kept', 'a borrowed handle is kept', 'a call returns before it has dropped 1 borrowed resource handles'],
    ['given', 'a handle was given away', 'there is no resource handle 1'],
    ['forged', 'another component holds the handle', 'there is no resource handle 1'],
    [
      'both-middle',
      'a handle is lent and given away in one call',
      'resource handle 1 is given up while a call in progress borrows it',
    ],
    [
      'both-maker',
      'a handle is lent to its maker and given away in one call',
      'resource handle 1 is given up while a call in progress borrows it',
    ],
  ])('trap (%s) if %s', async (name, _when, message) => {
    expect((await runGuest(composed(name))).end).toEqual({ kind: 'trap', message });
  });

  it('are given away after a call to which they were lent', async () => {
    expect((await runGuest(composed('both-free'))).end).toEqual({ kind: 'exit', status: 0 });
  });
});

describe('a part', () => {
  it('is called by another part while it waits for a call of that', async () => {
    expect((await runGuest(composed('reentered'))).end).toEqual({ kind: 'exit', status: 0 });
  });

  /** Runs the component with the bytes after the words set. */
  async function confined(set: Readonly<Record<string, number>>) {
    const bytes = Buffer.from(composed('confined'));
    for (const [word, value] of Object.entries(set)) bytes[bytes.indexOf(`${word}0`) + word.length] = 48 + value;
    return (await runGuest(bytes)).end;
  }

  it('calls others before and after its realloc and post-return', async () => {
    expect(await confined({})).toEqual({ kind: 'exit', status: 0 });
    expect(await confined({ path: 1 })).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['realloc for arguments calls another part', { 'callee-mode': 1 }],
    ['realloc for arguments calls the host', { 'callee-mode': 2 }],
    ['post-return calls another part', { 'callee-mode': 3 }],
    ['post-return calls the host', { 'callee-mode': 4 }],
    ['realloc for a result calls another part', { 'caller-mode': 1 }],
    ['realloc for a result calls the host', { 'caller-mode': 2 }],
    ['realloc for a result of the host calls another part', { 'caller-mode': 1, path: 1 }],
    ['realloc for a result of the host calls the host', { 'caller-mode': 2, path: 1 }],
    ['post-return of the entry point calls another part', { 'caller-mode': 3 }],
    ['post-return of the entry point calls the host', { 'caller-mode': 4 }],
  ])('traps if its %s', async (_what, set) => {
    expect(await confined(set)).toMatchObject({ kind: 'trap', message: /^unreachable/ });
  });
});

describe('a part that makes asynchronous calls of the host', () => {
  const beside = vet(besideAnother(fixture('component/http3'), 'wasi:http/handler@0.3.0'));
  const answer = async (request: RequestOptions, options: GuestOptions = {}) => {
    const http = new RecordedHttp(request);
    const run = await runVetted(beside, { ...options, http });
    return { ...run, http };
  };

  it.each(['echo', 'copy'])('answers through streams and futures: /%s', async (path) => {
    const body = 'abcdefghij'.repeat(50_000);
    const { end, http } = await answer({ method: 'POST', pathWithQuery: `/${path}`, body });
    expect([end, http.answered === body]).toEqual([{ kind: 'exit', status: 0 }, true]);
  });

  it.each([
    ['sleep', 'slept\n'],
    ['yield', 'yielded\n'],
    ['cancel', 'cancelled\n'],
    ['late', 'arrived\n'],
  ])('waits, yields and cancels: /%s', async (path, text) => {
    expect((await answer({ pathWithQuery: `/${path}` })).http.answered).toBe(text);
  });

  it('uses the same gas each time: a limit of it passes, one less does not', async () => {
    const request = { method: 'POST', pathWithQuery: '/copy', body: 'some words' };
    const { used } = (await answer(request)).guest.meter;
    expect((await answer(request, { limits: { gas: used } })).end.kind).toBe('exit');
    expect((await answer(request, { limits: { gas: used - 1 } })).end).toMatchObject({ kind: 'gas' });
  });

  it('may be a program that waits inside', async () => {
    const program = vet(besideAnother(fixture('component/cli3'), 'wasi:cli/run@0.3.0'));
    const { end, stdout } = await runVetted(program, { stdin: 'some words\n'.repeat(1000) });
    expect([end, stdout.toString()]).toEqual([{ kind: 'exit', status: 0 }, 'SOME WORDS\n'.repeat(1000)]);
  });
});

describe('a component before another one that serves HTTP', () => {
  const vetted = vet(composed('middleware'));
  const answer = async (request: RequestOptions, options: GuestOptions = {}) => {
    const http = new RecordedHttp(request);
    const run = await runVetted(vetted, { ...options, http });
    return { ...run, http };
  };

  it('passes requests on and refuses some itself', async () => {
    const body = 'x'.repeat(3_000_000);
    const passed = await answer({ method: 'POST', body });
    expect([passed.end, passed.http.answered === body]).toEqual([{ kind: 'exit', status: 0 }, true]);
    const { http } = await answer({ pathWithQuery: '/private/x' });
    expect(http.events[0]).toMatchObject(['answer', 403, {}]);
  });

  it('uses the same gas each time: a limit of it passes, one less does not', async () => {
    const request = { method: 'POST', body: 'some words' };
    const { used } = (await answer(request)).guest.meter;
    expect((await answer(request, { limits: { gas: used } })).end.kind).toBe('exit');
    expect((await answer(request, { limits: { gas: used - 1 } })).end).toMatchObject({ kind: 'gas' });
  });
});

/** Returns a program of two components: `second` exports wasi:cli/run and imports the `f` that `first` exports. */
function programOf(first: Uint8Array, second: Uint8Array): Uint8Array {
  return component(
    nested(first),
    nested(second),
    instances([0, 0, vector([])]),
    aliases(aliasExport(0, 'f', 1)),
    instances([0, 1, vector([['f', 1, 0]])]),
    aliases(aliasExport(1, 'wasi:cli/run@0.2.0', 5)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 2)),
  );
}

interface Pair {
  /** Fields of the module of the component that exports `f: func(x: u32) -> u32`; it has 3 pages. */
  readonly inner?: string;
  /** Body of `run` of the component that calls it; it has 1 page, and `$f`. */
  readonly run: string;
}

/** Two components, of which one calls the other. Each has a memory; that of the caller comes last. */
function pair({ inner = '(local.get 0)', run }: Pair): Uint8Array {
  const u32 = funcType({ x: 0x79 }, 0x79);
  const first = component(
    coreModule(
      assemble(`(module (memory (export "memory") 3) (data (i32.const 8) "inner")
        (func (export "f") (param i32) (result i32) ${inner}))`),
    ),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'f'), aliasCore(0, 'memory', 2)),
    types(u32),
    canons(lift(0, 0)),
    exports(exportAs('f', 1, 0)),
  );
  const second = component(
    types(u32),
    imports([0, 'f', 1, 0]),
    canons(lower(0)),
    coreInstances(coreBundle({ f: 0 })),
    coreModule(
      assemble(`(module (import "host" "f" (func $f (param i32) (result i32))) (memory 1 4)
        (data (i32.const 8) "outer") (data $passive "passive")
        (func $run (export "run") (result i32) ${run}))`),
    ),
    coreInstances(instantiateCore(0, { host: 0 })),
    aliases(aliasCore(1, 'run')),
    types([0x6a, 0, 0], funcType({}, 1)),
    canons(lift(1, 2)),
    instances(bundle('run', 1, 1)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
  );
  return programOf(first, second);
}

describe('the memory of each component', () => {
  it('has its own data, and keeps it when it is moved', async () => {
    const { end } = await runGuest(
      pair({
        inner: `(if (i32.eqz (local.get 0)) (then (return (memory.grow (i32.const 2)))))
          (i32.store (i32.const 327676) (i32.const 9))
          (i32.add (i32.load8_u (i32.const 8)) (i32.add (i32.load (i32.const 200000)) (memory.size)))`,
        run: `(i32.store (i32.const 65532) (i32.const 77))
          (if (i32.ne (call $f (i32.const 0)) (i32.const 3)) (then (return (i32.const 1))))
          (if (i32.ne (call $f (i32.const 1)) (i32.const 110)) (then (return (i32.const 1))))
          (if (i32.ne (i32.load (i32.const 65532)) (i32.const 77)) (then (return (i32.const 1))))
          (i32.ne (i32.load8_u (i32.const 8)) (i32.const 111))`,
      }),
    );
    expect(end).toEqual({ kind: 'exit', status: 0 });
  });

  it('grows up to its own maximum', async () => {
    const { end } = await runGuest(
      pair({
        run: `(if (i32.ne (memory.grow (i32.const 3)) (i32.const 1)) (then (return (i32.const 1))))
          (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 1))))
          (i32.store (i32.const 262140) (i32.const 5))
          (i32.ne (i32.mul (memory.size) (i32.load (i32.const 262140))) (i32.const 20))`,
      }),
    );
    expect(end).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['a load that ends beyond it', '(drop (i32.load (i32.const 65533)))'],
    ['a load of its first byte behind', '(drop (i32.load8_u (i32.const 65536)))'],
    ['a load by its offset', '(drop (i64.load offset=65530 (i32.const 0)))'],
    ['a load by an offset above its size', '(drop (i32.load offset=70000 (i32.const 0)))'],
    ['an address below 0', '(drop (i32.load8_u (i32.const -1)))'],
    ['an address that goes around', '(drop (i32.load offset=16 (i32.const -8)))'],
    ['an i32 store', '(i32.store (i32.const 65533) (i32.const 1))'],
    ['an i64 store', '(i64.store (i32.const 65529) (i64.const 1))'],
    ['an f32 store', '(f32.store (i32.const 65534) (f32.const 1))'],
    ['an f64 store', '(f64.store (i32.const -4) (f64.const 1))'],
    ['an i64 load', '(drop (i64.load (i32.const 65529)))'],
    ['an i64 load of 32 bits', '(drop (i64.load32_u (i32.const 65533)))'],
    ['an i64 store of 16 bits', '(i64.store16 (i32.const 65535) (i64.const 1))'],
    ['a vector load', '(drop (v128.load (i32.const 65521)))'],
    ['a vector store', '(v128.store (i32.const 65521) (v128.const i64x2 1 2))'],
    ['a vector load of one lane', '(drop (v128.load32_splat (i32.const 65533)))'],
    ['a vector load of zeros', '(drop (v128.load64_zero (i32.const 65529)))'],
    ['a vector load that extends', '(drop (v128.load8x8_u (i32.const 65529)))'],
    ['a load into a lane', '(drop (v128.load16_lane 1 (i32.const 65535) (v128.const i64x2 1 2)))'],
    ['a store of a lane', '(v128.store64_lane 1 (i32.const 65529) (v128.const i64x2 1 2))'],
    ['a fill', '(memory.fill (i32.const 65530) (i32.const 1) (i32.const 7))'],
    ['a copy from it', '(memory.copy (i32.const 0) (i32.const 65530) (i32.const 7))'],
    ['a copy to it', '(memory.copy (i32.const 65530) (i32.const 0) (i32.const 7))'],
    ['data', '(memory.init $passive (i32.const 65530) (i32.const 0) (i32.const 7))'],
  ])('ends a guest that leaves it: %s', async (_what, access) => {
    const { end } = await runGuest(pair({ run: `${access} (i32.const 0)` }), { exactMemory: false });
    expect(end).toMatchObject({ kind: 'trap' });
  });

  it('is used up to its last byte', async () => {
    const run = `(v128.store (i32.const 65520) (v128.load (i32.const 65520)))
      (v128.store64_lane 1 (i32.const 65528) (v128.load16_lane 1 (i32.const 65534) (v128.load64_zero (i32.const 65528))))
      (i64.store (i32.const 65528) (i64.const 3)) (f64.store (i32.const 65520) (f64.const 1))
      (memory.fill (i32.const 65510) (i32.const 1) (i32.const 7)) (memory.copy (i32.const 65513) (i32.const 65510) (i32.const 7))
      (memory.init $passive (i32.const 65500) (i32.const 0) (i32.const 7))
      (i32.sub (i32.wrap_i64 (i64.load offset=8 (i32.const 65520))) (i32.const 3))`;
    expect((await runGuest(pair({ run }))).end).toEqual({ kind: 'exit', status: 0 });
  });
});

it('one component with two memories gives the host that which its functions name', async () => {
  const bytes = component(
    types([0x6a, 0, 0], funcType({}, 0)),
    coreModule(assemble('(module (memory 2) (data (i32.const 8) "else"))')),
    coreModule(
      assemble(`(module (memory (export "memory") 1) (data (i32.const 8) "text")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))`),
    ),
    coreInstances(instantiateCore(0), instantiateCore(1)),
    aliases(aliasCore(1, 'realloc'), aliasCore(1, 'memory', 2)),
    // error-context.new and error-context.debug-message
    canons(
      [0x1c, vector([[3, 0]])],
      [
        0x1d,
        vector([
          [3, 0],
          [4, 0],
        ]),
      ],
    ),
    coreInstances(coreBundle({ new: 1, message: 2 })),
    coreModule(
      assemble(`(module (import "host" "new" (func $new (param i32 i32) (result i32)))
        (import "host" "message" (func $message (param i32 i32))) (import "lib" "memory" (memory 1))
        (func (export "run") (result i32)
          (call $message (call $new (i32.const 8) (i32.const 4)) (i32.const 128))
          (i32.ne (i32.load (i32.load (i32.const 128))) (i32.load (i32.const 8)))))`),
    ),
    coreInstances(instantiateCore(2, { host: 2, lib: 1 })),
    aliases(aliasCore(3, 'run')),
    canons(lift(3, 1)),
    instances(bundle('run', 1, 0)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
  );
  expect((await runGuest(bytes)).end).toEqual({ kind: 'exit', status: 0 });
});

/** Two components, of which one gives text to `f: func(text: string) -> u32` of the other, which returns its length. */
function textPair(innerOptions: readonly (readonly number[])[]): Uint8Array {
  const length = funcType({ text: 0x73 }, 0x79);
  const first = component(
    coreModule(
      assemble(`(module (memory (export "memory") 1)
        (func (export "f") (param i32 i32) (result i32) (local.get 1))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))`),
    ),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'f'), aliasCore(0, 'realloc'), aliasCore(0, 'memory', 2)),
    types(length),
    canons(lift(0, 0, ...innerOptions)),
    exports(exportAs('f', 1, 0)),
  );
  const second = component(
    types(length, [0x6a, 0, 0], funcType({}, 1)),
    imports([0, 'f', 1, 0]),
    coreModule(assemble('(module (memory (export "memory") 1) (data (i32.const 8) "some text"))')),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'memory', 2)),
    canons(lower(0, [3, 0])),
    coreInstances(coreBundle({ f: 0 })),
    coreModule(
      assemble(`(module (import "host" "f" (func $f (param i32 i32) (result i32)))
        (func (export "run") (result i32) (i32.ne (call $f (i32.const 8) (i32.const 9)) (i32.const 9))))`),
    ),
    coreInstances(instantiateCore(1, { host: 1 })),
    aliases(aliasCore(2, 'run')),
    canons(lift(1, 2)),
    instances(bundle('run', 1, 1)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
  );
  return programOf(first, second);
}

describe('a composed component is refused', () => {
  function refusal(bytes: Uint8Array): string {
    try {
      vet(bytes);
    } catch (error) {
      if (error instanceof PlatformError) return [`${error.code}: ${error.message}`, ...error.details].join('\n');
      throw error;
    }
    throw new Error('it was not refused');
  }

  it.each([
    ['a memory', [[0]]],
    ['realloc', [[3, 0]]],
  ])('if a part takes text without %s', async (what, options) => {
    expect(refusal(textPair(options))).toMatch(
      new RegExp(`^module_invalid: .*\\n.* is lifted without ${what}, which its type needs$`),
    );
    expect(
      (
        await runGuest(
          textPair([
            [3, 0],
            [4, 1],
          ]),
        )
      ).end,
    ).toMatchObject({
      status: 0,
    });
  });
});

it('a component that another one gets as an argument is made with a core module of its parent', async () => {
  const u32 = funcType({}, 0x79);
  // (component (import "m" (core module (export "f" (func (result i32))))) (export "f" (func (result u32))))
  const coreType = section(
    3,
    vector([
      [
        0x50,
        vector([
          [1, 0x60, 0, 1, 0x7f],
          [3, 'f', 0, 0],
        ]),
      ],
    ]),
  );
  const given = component(
    coreType,
    imports([0, 'm', 0, 0x11, 0]),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'f')),
    types(u32),
    canons(lift(0, 0)),
    exports(exportAs('f', 1, 0)),
  );
  // Imports a component, which it makes twice, each time with a module of the outermost component.
  const componentType = [
    0x41,
    vector([
      [
        0,
        0x50,
        vector([
          [1, 0x60, 0, 1, 0x7f],
          [3, 'f', 0, 0],
        ]),
      ],
      [3, 0, 'm', 0, 0x11, 0],
      declareType(u32),
      declareFunc('f', 0),
    ]),
  ];
  const maker = component(
    types(componentType),
    imports([0, 'c', 4, 0]),
    aliases([0, 0x11, 2, 1, 0], [0, 0x11, 2, 1, 1]),
    instances([0, 0, vector([['m', 0, 0x11, 0]])], [0, 0, vector([['m', 0, 0x11, 1]])]),
    aliases(aliasExport(0, 'f', 1), aliasExport(1, 'f', 1)),
    canons(lower(0), lower(1)),
    coreInstances(coreBundle({ one: 0, two: 1 })),
    coreModule(
      assemble(`(module (import "host" "one" (func $one (result i32))) (import "host" "two" (func $two (result i32)))
        (func (export "run") (result i32)
          (i32.ne (i32.add (call $one) (i32.mul (i32.const 10) (call $two))) (i32.const 75))))`),
    ),
    coreInstances(instantiateCore(2, { host: 0 })),
    aliases(aliasCore(1, 'run')),
    types([0x6a, 0, 0], funcType({}, 1)),
    canons(lift(2, 2)),
    instances(bundle('run', 1, 2)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 2)),
  );
  const five = '(module (func (export "f") (result i32) (i32.const 5)))';
  const seven = '(module (func (export "f") (result i32) (i32.const 7)))';
  const bytes = component(
    coreModule(assemble(five)),
    coreModule(assemble(seven)),
    nested(given),
    nested(maker),
    instances([0, 1, vector([['c', 4, 0]])]),
    aliases(aliasExport(0, 'wasi:cli/run@0.2.0', 5)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 1)),
  );
  expect((await runGuest(bytes)).end).toEqual({ kind: 'exit', status: 0 });
});

describe('exceptions', () => {
  const endOf = async (name: string) => (await runGuest(fixture(`component/composed/exceptions-${name}`))).end;

  it('are thrown and caught by core modules of one part that share a tag', async () => {
    expect(await endOf('shared')).toEqual({ kind: 'exit', status: 0 });
  });

  it('that a part does not catch trap, and are not caught by its caller', async () => {
    expect(await endOf('uncaught')).toMatchObject({ kind: 'trap', message: expect.stringContaining('uncaught') });
  });

  it.each(['throws', 'throws-legacy'])('of C++ (%s) are thrown and caught as in a module', async (name) => {
    const stdin = '10 500';
    const { end, stdout } = await runGuest(fixture(`component/${name}`), { stdin });
    const module = await runGuest(fixture(`wasi/${name}`), { stdin });
    expect([end, String(stdout)]).toEqual([{ kind: 'exit', status: 0 }, String(module.stdout)]);
  });
});

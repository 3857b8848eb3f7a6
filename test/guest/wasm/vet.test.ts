import { describe, expect, test } from 'vitest';
import { METER_VERSION } from '../../../src/guest/wasm/meter/costs.ts';
import { vetModule } from '../../../src/guest/wasm/rewrite.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { ProvidedFunction } from '../../../src/protocol/module.ts';
import { body, bytes, largeSection, leb, section, vector } from '../../support/module-builder.ts';
import { wat } from '../../support/wasm.ts';

const provided: ProvidedFunction[] = [
  { module: 'h', name: 'h', abi: 'h', signatures: [{ params: ['i32'], results: [] }] },
];
const vet = (module: Uint8Array) => vetModule(module, { provided, name: 'dist/hello.wasm' });

function refusal(module: Uint8Array): PlatformError {
  try {
    vet(module);
  } catch (error) {
    if (error instanceof PlatformError) return error;
    throw error;
  }
  throw new Error('not refused');
}

test('a good module comes with everything that a runner must know', () => {
  const h = Buffer.from(
    'AGFzbQEAAAABCAJgAX8AYAAAAgcBAWgBaAAAAwIBAQcFAQFoAAEKGwEZAQN/QQohAEHoACEBQSchAiABEAAgABAACw==',
    'base64',
  );
  const { module, bytes: rewritten } = vet(h);
  expect(module).toEqual({
    sha256: '8457720ae0dd2deee38761a9d7b305eabe30cba731b1148a5bbc5399bf82401a',
    meterVersion: METER_VERSION,
    originalBytes: 67,
    features: [],
    functions: 1,
    plan: {
      imports: [{ module: 'h', name: 'h', params: ['i32'], results: [] }],
      memory: null,
      gasGlobal: 'trisiel.gas_left',
      start: null,
      initialize: null,
      entry: { name: 'h', returnsStatus: false },
      abis: ['h'],
      mutableGlobals: [],
      table: null,
      functions: 2,
      tableEntries: 0,
      mutates: { table: false, segments: false },
    },
  });
  expect(WebAssembly.validate(rewritten as Uint8Array<ArrayBuffer>)).toBe(true);
  expect(vet(h).bytes).toEqual(rewritten);
  expect(JSON.parse(JSON.stringify(module))).toEqual(module);
});

test('of the exports only those are kept that the kernel calls; one function sets the globals back', () => {
  const { module, bytes: rewritten } = vet(
    wat(`(module (memory (export "memory") 1) (func $f (export "f")) (table (export "t") 1 funcref)
      (global (export "a") (mut i64) (i64.const 2)) (global (mut v128) (v128.const i64x2 5 6))
      (global (mut funcref) (ref.func $f)) (global $k i32 (i32.const 3)) (global $b (mut i32) (i32.const 4))
      (func (export "_initialize")) (func (export "_start") (global.set $b (i32.const 9))))`),
  );
  expect(module.plan.mutableGlobals).toEqual([]);
  expect(module.plan.restore).toBe('trisiel.restore');
  const compiled = new WebAssembly.Module(rewritten as Uint8Array<ArrayBuffer>);
  expect(WebAssembly.Module.exports(compiled).map(({ name }) => name)).toEqual([
    '_initialize',
    '_start',
    ...['gas_left', 'reserve', 'restore', 'table'].map((name) => `trisiel.${name}`),
  ]);
});

test('what only an export has declared can still be named by ref.func', () => {
  const own = '(table 1 funcref) (elem (i32.const 0) $main)';
  for (const fields of ['', own]) {
    const { bytes: rewritten } = vet(
      wat(`(module (import "h" "h" (func $n (param i32))) ${fields}
        (func $x (export "x")) (func $main (export "_start") (drop (ref.func $x)) (drop (ref.func $n)))
        (export "n" (func $n)))`),
    );
    expect(() => new WebAssembly.Module(rewritten as Uint8Array<ArrayBuffer>)).not.toThrow();
  }
});

test('a module exports nothing for its state where it has none', () => {
  expect(vet(wat('(module (global i32 (i32.const 1)) (func (export "_start")))')).module.plan.restore).toBeUndefined();
});

test('tables can grow to the cap at most', () => {
  const text = (limits: string) => wat(`(module (table (export "t") ${limits} funcref) (func (export "_start")))`);
  const grow = (limits: string, by: number) => {
    const { bytes: rewritten } = vet(text(limits));
    const instance = new WebAssembly.Instance(new WebAssembly.Module(rewritten as Uint8Array<ArrayBuffer>), {
      trisiel: { gas: () => -1 },
    });
    return () => (instance.exports['trisiel.table'] as WebAssembly.Table).grow(by);
  };
  expect(grow('10', 65_526)).not.toThrow();
  expect(grow('10', 65_527)).toThrow(RangeError);
  expect(grow('10 20', 11)).toThrow(RangeError);
});

describe('what is no module', () => {
  test.each([
    ['HTML', '<!doctype html>', '3c 21 64 6f', 'the file starts with "<!do": this looks like HTML'],
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:1',
      '76 65 72 73',
      'this is a Git LFS pointer, not the file itself',
    ],
    ['text format', '(module)', '28 6d 6f 64', 'the file starts with "(mod": this looks like the text format'],
    ['PNG', '\x89PNG\r\n', '89 50 4e 47', 'this looks like a picture'],
    ['gzip', '\x1f\x8b\x08\x00', '1f 8b 08 00', 'this looks like a gzip file'],
  ])('%s is told as what it is', (_, contents, found, hint) => {
    const error = refusal(Buffer.from(contents, 'latin1'));
    expect(error.code).toBe('module_invalid');
    expect(error.message).toBe('dist/hello.wasm is not a valid WebAssembly module');
    expect(error.details).toEqual([`expected magic word 00 61 73 6d, found ${found} @+0`]);
    expect(error.hints[0]).toContain(hint);
  });

  test('a component is told as one', () => {
    const error = refusal(Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 7]));
    expect(error).toMatchObject({
      code: 'module_unsupported',
      message: 'dist/hello.wasm is a WebAssembly component, not a module',
    });
  });

  test('an empty file, and another version', () => {
    expect(refusal(new Uint8Array(0)).details).toEqual(['the file is empty @+0']);
    expect(refusal(Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0])).details).toEqual([
      'expected version 01 00 00 00, found 02 00 00 00 @+4',
    ]);
  });
});

test('all findings are in one error, the gravest first', () => {
  const error = refusal(wat('(module (import "h" "x" (func)) (memory 20000) (func (export "main") (param i32)))'));
  expect(error).toMatchObject({ code: 'module_too_large', message: 'dist/hello.wasm exceeds a limit' });
  expect(error.details).toEqual([
    'initial memory in pages of 64 KiB: 20,000, at most 16,384',
    'it also imports 1 function that nothing provides',
    '  h.x  () -> ()',
    'it also has an entry point that cannot be called',
    '  main  (i32) -> ()',
  ]);
});

describe('bombs', () => {
  const start = [
    section(1, ...vector([[0x60, 0, 0]])),
    section(3, 1, 0),
    section(7, 1, 6, ...Buffer.from('_start'), 0, 0),
  ];
  const withBody = (instructions: readonly number[], locals: readonly number[] = [0]) =>
    bytes(...start, largeSection(10, vector([body(instructions, locals)])));

  test('locals x branches: refused, saying which cap and how large the value is', () => {
    const ifs = Array.from({ length: 2_000 }, () => [0x41, 0, 0x04, 0x40, 0x0b]).flat();
    const error = refusal(withBody([...ifs, 0x0b], [1, ...leb(49_000), 0x7f]));
    expect(error.code).toBe('module_too_large');
    expect(error.details).toEqual([
      '(locals + operand depth) x branches in function 0 "_start": 98,002,000, at most 2,000,000',
    ]);
    expect(error.hints[0]).toContain('2.3 GiB');
  });

  test('a branch table counts with each of its entries', () => {
    const labels = Array.from({ length: 60_000 }, () => 0);
    const instructions = [0x41, 0, 0x0e, ...leb(labels.length), ...labels, 0, 0x0b];
    expect(refusal(withBody(instructions, [1, ...leb(100), 0x7f])).details[0]).toContain('6,060,101, at most');
    expect(() => vet(withBody(instructions))).not.toThrow();
  });

  test('operands count like locals', () => {
    const deep = Array.from({ length: 5_000 }, () => [0x41, 0]).flat();
    const ifs = Array.from({ length: 500 }, () => [0x41, 0, 0x04, 0x40, 0x0b]).flat();
    const drops = Array.from({ length: 5_000 }, () => 0x1a);
    expect(refusal(withBody([...deep, ...ifs, ...drops, 0x0b])).details[0]).toContain('2,500,500, at most');
  });

  test('a body that is huge after metering', () => {
    const instructions = [...Array.from({ length: 1_100_000 }, () => 0x01), 0x0b];
    expect(refusal(withBody(instructions)).details[0]).toMatch(
      /^body in bytes after metering in function 0 "_start": 1,1\d\d,\d{3}, at most 1,048,576$/,
    );
  });

  test('more locals than the engine takes with ours', () => {
    expect(refusal(withBody([0x0b], [1, ...leb(50_000), 0x7f])).details[0]).toContain(
      'number of locals in function 0 "_start": 50,000',
    );
  });

  test('tables', () => {
    const tables = Array.from({ length: 20 }, () => [0x70, 0, ...leb(10_000_000)]);
    const module = bytes(
      start[0]!,
      start[1]!,
      section(4, ...vector(tables)),
      start[2]!,
      section(10, ...vector([body([0x0b])])),
    );
    expect(refusal(module).details).toEqual([
      'number of tables: 20, at most 8',
      'initial size of all tables in entries: 200,000,000, at most 1,000,000',
    ]);
  });

  test('garbage-collected arrays', () => {
    const module = bytes(
      section(
        1,
        ...vector([
          [0x60, 0, 0],
          [0x5e, 0x7f, 1],
        ]),
      ),
      section(3, 1, 0),
      section(10, ...vector([body([0x41, 0, 0xfb, 7, 1, 0x1a, 0x0b])])),
    );
    const error = refusal(module);
    expect(error.code).toBe('module_unsupported');
    expect(error.details[0]).toMatch(/^garbage collection: array type @\+\d+$/);
  });

  test('deeply nested blocks are read without recursion, in linear time', () => {
    const depth = 300_000;
    const nested = [
      ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
      ...Array.from({ length: depth }, () => 0x0b),
      0x0b,
    ];
    const loops = [
      ...Array.from({ length: 20_000 }, () => [0x03, 0x40]).flat(),
      ...Array.from({ length: 20_000 }, () => 0x0b),
      0x0b,
    ];
    expect(() => vet(withBody(nested))).not.toThrow();
    expect(() => vet(withBody(loops))).not.toThrow();
  });

  test('many functions with a breach each make no long list', () => {
    const types = section(1, ...vector([[0x60, 0, 0]]));
    const count = 200;
    const big = body([0x0b], [1, ...leb(60_000), 0x7f]);
    const module = bytes(
      types,
      section(3, ...vector(Array.from({ length: count }, () => [0]))),
      section(10, ...vector(Array.from({ length: count }, () => big))),
    );
    expect(refusal(module).details.length).toBeLessThan(40);
  });
});

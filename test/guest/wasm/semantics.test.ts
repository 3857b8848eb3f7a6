/** Original and rewritten module agree on every result, trap and memory byte, given enough gas. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linkComponent } from '../../../src/guest/component/link.ts';
import { isComponent } from '../../../src/guest/component/recognise.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { shape, simdDeltas, simdShapes } from '../../../src/guest/wasm/format/opcodes.ts';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { body, bytes, leb, section, text, vector } from '../../support/module-builder.ts';
import { pageBytesOf } from '../../support/pages.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

/** Runs `run` with each list of arguments in both, and compares results, traps and memories. */
function same(module: Uint8Array, argumentLists: readonly (readonly unknown[])[] = [[]]): void {
  const before = plain(module);
  const after = meter(module, { slice: 1_000 });
  for (const list of argumentLists) {
    expect(outcome(() => call(after.exports, 'run', ...list))).toEqual(outcome(() => call(before, 'run', ...list)));
    const memory = pageBytesOf(before.memory);
    if (memory !== null) expect(pageBytesOf(after.exports.memory)?.equals(memory)).toBe(true);
  }
}

describe('traps keep their kind', () => {
  test.each([
    'unreachable',
    '(drop (i32.div_s (i32.const 1) (i32.const 0)))',
    '(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))',
    '(drop (i64.rem_u (i64.const 1) (i64.const 0)))',
    '(drop (i32.trunc_f32_s (f32.const nan)))',
    '(drop (i32.load (i32.const -1)))',
    '(memory.copy (i32.const 0) (i32.const 65530) (i32.const 100))',
    '(memory.init $d (i32.const 0) (i32.const 0) (i32.const 100))',
    '(call_indirect (i32.const 9))',
    '(call_indirect (i32.const 1))',
    '(call_indirect (param i32) (i32.const 1) (i32.const 0))',
    '(drop (table.get 0 (i32.const 9)))',
    '(table.init $e (i32.const 0) (i32.const 0) (i32.const 100))',
    '(call $forever)',
  ])('%s', (instruction) => {
    same(
      wat(`(module (memory (export "memory") 1) (data $d "abc") (table 3 funcref) (elem $e (i32.const 0) $f)
        (func $f) (func $forever (call $forever) (call $f)) (func (export "run") ${instruction}))`),
    );
  });
});

describe('shapes of control', () => {
  test.each([
    [
      'multi-value blocks',
      '(func (export "run") (param i32) (result i32 i32) (i32.const 1) (i32.const 2) (block (param i32 i32) (result i32 i32) (br_if 0 (local.get 0)) (drop) (i32.const 7)))',
      [[0], [1]],
    ],
    [
      'loops with parameters',
      '(func (export "run") (param i32) (result i32) (i32.const 0) (loop (param i32) (result i32) (i32.add (i32.const 3)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))',
      [[1], [500]],
    ],
    [
      'loops with results',
      '(func (export "run") (param i32) (result i64) (loop (result i64) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))) (i64.const 5)))',
      [[3]],
    ],
    [
      'wrapped loops with several results, left from inside others',
      '(func (export "run") (param i32) (result i32 i64) (local i32) (block (result i32 i64) (loop (result i32 i64) (loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 9))) (i32.const 7) (i64.const 8) (br_if 2 (local.get 0)) (drop) (drop) (br_if 1 (i32.lt_u (local.get 1) (i32.const 30)))) (i32.const 3) (i64.const 4))))',
      [[0], [5]],
    ],
    [
      'a branch table out of wrapped loops',
      '(func (export "run") (param i32) (result i32) (local i32) (block $out (block $mid (loop $a (loop $b (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if $b (i32.lt_u (local.get 1) (i32.const 2000))) (br_if $a (i32.lt_u (local.get 1) (i32.const 2010))) (br_table $out $mid $out (local.get 0))))) (return (i32.const 1))) (i32.add (local.get 1) (i32.const 5)))',
      [[0], [1], [2]],
    ],
    [
      'branch tables with values',
      '(func (export "run") (param i32) (result i32) (block (result i32) (block (result i32) (i32.const 10) (br_table 0 1 0 (local.get 0))) (i32.add (i32.const 1))))',
      [[0], [1], [9]],
    ],
    [
      'code behind branches',
      '(func (export "run") (result i32) (block (br 0) (drop (i32.add)) (loop (br 1) (br 0)) (if (then (unreachable)) (else (br 1)))) (return (i32.const 4)) (i32.const 5))',
      [[]],
    ],
    [
      'mutual tail calls',
      '(func $even (export "run") (param i32) (result i32) (if (result i32) (local.get 0) (then (return_call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1)))) (func $odd (param i32) (result i32) (if (result i32) (local.get 0) (then (return_call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))',
      [[100_000], [7]],
    ],
    [
      'typed select and references',
      '(table 2 externref) (func (export "run") (param externref i32) (result externref) (table.set 0 (i32.const 1) (local.get 0)) (select (result externref) (table.get 0 (i32.const 1)) (ref.null extern) (local.get 1)))',
      [
        ['x', 1],
        ['x', 0],
      ],
    ],
    [
      'two tables',
      '(table $a 2 funcref) (table $b 3 funcref) (elem (table $b) (i32.const 1) func $f) (func $f (result i32) (i32.const 8)) (func (export "run") (result i32) (table.copy $a $b (i32.const 0) (i32.const 1) (i32.const 1)) (i32.add (call_indirect $a (result i32) (i32.const 0)) (table.grow $a (ref.null func) (i32.const 4))))',
      [[]],
    ],
    [
      'dropped segments',
      '(memory (export "memory") 1) (data $d "abc") (elem $e func $f) (table 1 funcref) (func $f) (func (export "run") (memory.init $d (i32.const 1) (i32.const 0) (i32.const 3)) (data.drop $d) (elem.drop $e) (memory.init $d (i32.const 1) (i32.const 0) (i32.const 1)))',
      [[]],
    ],
    [
      'growth',
      '(memory (export "memory") 1 3) (func (export "run") (param i32) (result i32) (memory.fill (i32.const 5) (i32.const 9) (i32.const 700)) (memory.grow (local.get 0)))',
      [[1], [0], [1], [1], [-1]],
    ],
    [
      'extended constants and passive data',
      '(memory (export "memory") 1) (global $g i32 (i32.mul (i32.const 6) (i32.const 7))) (data (i32.add (i32.const 40) (i32.const 2)) "xyz") (func (export "run") (result i32) (i32.load8_u (global.get $g)))',
      [[]],
    ],
  ] as const)('%s', (_, source, lists) => {
    same(wat(`(module ${source})`), lists);
  });
});

test('NaN payloads pass unchanged, as integers see them', () => {
  same(
    wat(`(module (memory (export "memory") 1)
      (func $f (param f32) (result f32) (local f32) (loop (br_if 0 (i32.const 0)) (local.set 1 (local.get 0))) (local.get 1))
      (func (export "run") (param i32 i64) (result i32)
        (f32.store (i32.const 0) (call $f (f32.reinterpret_i32 (local.get 0))))
        (f64.store (i32.const 8) (f64.neg (f64.reinterpret_i64 (local.get 1))))
        (f64.store (i32.const 16) (f64.copysign (f64.reinterpret_i64 (local.get 1)) (f64.const -1)))
        (i32.reinterpret_f32 (f32.const nan:0x1234))))`),
    [
      [0x7fa0_0001, 0x7ff4_0000_0000_1234n],
      [-1, -1n],
      [0x7fc0_0000, 0x7ff8_0000_0000_0000n],
    ],
  );
});

/** Stack arguments of a vector instruction: found by letting the engine type-check the guesses. */
const operandKinds = [
  [],
  ['v'],
  ['v', 'v'],
  ['v', 'v', 'v'],
  ['i'],
  ['I'],
  ['f'],
  ['F'],
  ['v', 'i'],
  ['v', 'I'],
  ['v', 'f'],
  ['v', 'F'],
  ['i', 'v'],
];
const results = ['v', 'i', 'I', 'f', 'F', ''];
const vectorConstant = (seed: number) => [
  0xfd,
  12,
  ...Array.from({ length: 16 }, (_, index) => (seed * 37 + index * 91) & 0xff),
];
const push: Record<string, (seed: number) => number[]> = {
  v: vectorConstant,
  i: (seed) => [0x41, ...leb(seed % 60)],
  I: (seed) => [0x42, ...leb(seed % 60)],
  f: (seed) => [0x43, 0, 0, 0x80 + (seed & 7), 0x7f],
  F: (seed) => [0x44, 1, 0, 0, 0, 0, 0, 0xf0 + (seed & 7), 0x7f],
};
/** Stores a result of each type at the address below it. */
const store: Record<string, number[]> = {
  v: [0xfd, 11, 0, 64],
  i: [0x36, 0, 64],
  I: [0x37, 0, 64],
  f: [0x38, 0, 64],
  F: [0x39, 0, 64],
  '': [],
};

test('every vector instruction gives the same bytes', () => {
  let tested = 0;
  for (let sub = 0; sub < 256; sub++) {
    const kind = simdShapes[sub];
    if (kind === shape.undefined) continue;
    const immediates: Record<number, number[]> = {
      [shape.memoryArgument]: [0, 8],
      [shape.memoryLane]: [0, 8, 1],
      [shape.lane]: [1],
      [shape.v128]: vectorConstant(5).slice(2),
      [shape.shuffle]: Array.from({ length: 16 }, (_, index) => (index * 7) % 32),
    };
    const instruction = [0xfd, ...leb(sub), ...(immediates[kind ?? 0] ?? [])];
    let found: Uint8Array<ArrayBuffer> | null = null;
    for (const operands of operandKinds) {
      for (const result of results) {
        const delta = (result === '' ? 0 : 1) - operands.length;
        if (delta !== simdDeltas[sub]) continue;
        const code = [
          ...(result === '' ? [] : [0x41, 0]),
          ...operands.flatMap((operand, index) => push[operand]?.(sub + index) ?? []),
          ...instruction,
          ...(store[result] ?? []),
          0x0b,
        ];
        const candidate = bytes(
          section(1, ...vector([[0x60, 0, 0]])),
          section(3, 1, 0),
          section(5, 1, 0, 1),
          section(
            7,
            ...vector([
              [...text('run'), 0, 0],
              [...text('memory'), 2, 0],
            ]),
          ),
          section(10, ...vector([body(code)])),
          section(11, 1, 0, 0x41, 0, 0x0b, 128, 1, ...Array.from({ length: 128 }, (_, index) => (index * 73) & 0xff)),
        );
        if (WebAssembly.validate(candidate)) found ??= candidate;
      }
    }
    // No candidate: the effect on the stack in our table is wrong.
    expect(found, `vector instruction ${sub}`).not.toBeNull();
    if (found !== null) same(found);
    tested++;
  }
  expect(tested).toBe(236);
});

describe('built guests', () => {
  const folder = new URL('../../../fixtures/guests', import.meta.url).pathname;
  const files = existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wasm'))
    : [];
  const workloads = new URL('../../../bench/guests/workloads.wasm', import.meta.url).pathname;

  test.each([...files.map((file) => join(folder, file)), workloads])('%s is rewritten to a valid module', (file) => {
    const bytes = readFileSync(file);
    const module = isComponent(bytes) ? linkComponent(bytes, { provided: providedInterfaces.interfaces }).bytes : bytes;
    const { bytes: rewritten } = rewriteModule(module);
    expect(WebAssembly.validate(rewritten as Uint8Array<ArrayBuffer>)).toBe(true);
  });

  // Large C++ and C programs that other packages carry in their sources.
  test.each([
    ['a layout engine', 'ink', 'yoga-layout/dist/binaries/yoga-wasm-base64-esm.js'],
    ['a parser', 'vitest', 'es-module-lexer/dist/lexer.js'],
  ])('%s of a published package is rewritten to a valid module', (_, dependent, file) => {
    const packages = createRequire(import.meta.resolve(dependent)).resolve.paths(file) ?? [];
    const found = packages.map((folder) => join(folder, file)).find((path) => existsSync(path));
    if (found === undefined) throw new Error(`no ${file}`);
    const base64 = /AGFzbQ[A-Za-z0-9+/=]+/.exec(readFileSync(found, 'utf8'))?.[0] ?? '';
    const { bytes: rewritten } = rewriteModule(Buffer.from(base64, 'base64'));
    expect(rewritten.length).toBeGreaterThan(10_000);
    expect(WebAssembly.validate(rewritten as Uint8Array<ArrayBuffer>)).toBe(true);
  });

  test('the workloads of the bench compute the same', () => {
    const before = plain(readFileSync(workloads));
    const after = meter(readFileSync(workloads), { slice: 100_000 });
    const gas: number[] = [];
    for (const name of ['hash', 'jsonText', 'sorting', 'interpreter', 'fnv']) {
      const start = after.used();
      expect(call(after.exports, name, 1)).toBe(call(before, name, 1));
      gas.push(after.used() - start);
    }
    const again = meter(readFileSync(workloads), { slice: 2 ** 29 });
    for (const [index, name] of ['hash', 'jsonText', 'sorting', 'interpreter', 'fnv'].entries()) {
      const start = again.used();
      call(again.exports, name, 1);
      expect(again.used() - start).toBe(gas[index]);
    }
  });
});

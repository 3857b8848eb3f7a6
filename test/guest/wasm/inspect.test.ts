import { describe, expect, test } from 'vitest';
import { inspectModule } from '../../../src/guest/wasm/inspect/inspect.ts';
import type { ProvidedFunction } from '../../../src/protocol/module.ts';
import { wat } from '../../support/wasm.ts';

const provided: ProvidedFunction[] = [
  { module: 'cwa', name: 'log_write', abi: 'cwa', signatures: [{ params: ['i32', 'i32', 'i32'], results: [] }] },
  { module: 'env', name: 'log_write', abi: 'cwa', signatures: [{ params: ['i32', 'i32', 'i32'], results: [] }] },
  { module: 'cwa', name: 'resource_open', abi: 'cwa', signatures: [{ params: ['i32', 'i32'], results: ['i32'] }] },
  {
    module: 'dagger',
    name: 'open',
    abi: 'dagger',
    signatures: [
      { params: ['i32', 'i32'], results: ['i32'] },
      { params: ['i64', 'i64'], results: ['i64'] },
    ],
  },
];
const inspect = (text: string, features?: Record<string, boolean>) =>
  inspectModule(wat(text, features), { provided, docsUrl: 'http://HOST/docs/imports' });
const start = '(func (export "_start"))';

describe('imports', () => {
  test('decide the ABIs; a type may be any of those provided', () => {
    const found = inspect(`(module (import "dagger" "open" (func (param i64 i64) (result i64)))
      (import "cwa" "log_write" (func (param i32 i32 i32))) ${start})`);
    expect(found.findings).toEqual([]);
    expect(found.abis).toEqual(['cwa', 'dagger']);
    expect(found.imports[0]).toEqual({ module: 'dagger', name: 'open', params: ['i64', 'i64'], results: ['i64'] });
  });

  test('that nothing provides are listed all at once, with the nearest name', () => {
    const [finding, ...others] = inspect(`(module (import "env" "foo" (func (param i32 i32) (result i32)))
      (import "cwa" "resource_opne" (func (param i32 i32) (result i32)))
      (import "x" "log_writ" (func)) (import "dagger" "log_write" (func)) ${start})`).findings;
    expect(others).toEqual([]);
    expect(finding).toEqual({
      code: 'imports_unknown',
      message: 'imports 4 functions that nothing provides',
      details: [
        'env.foo            (i32, i32) -> i32',
        'cwa.resource_opne  (i32, i32) -> i32   did you mean resource_open?',
        'x.log_writ         () -> ()   did you mean cwa.log_write?',
        'dagger.log_write   () -> ()   did you mean cwa.log_write?',
      ],
      hints: ['provided imports: wasmcloud docs, or http://HOST/docs/imports'],
    });
  });

  test('with another type are told apart from unknown ones', () => {
    const [finding] = inspect(`(module (import "cwa" "log_write" (func (param i32))) ${start})`).findings;
    expect(finding).toMatchObject({
      code: 'imports_unknown',
      message: 'imports 1 function with a type that is not the provided one',
      details: ['cwa.log_write  (i32) -> ()   provided: (i32, i32, i32) -> ()'],
    });
  });

  test('of memories, tables and globals are refused', () => {
    const [finding] = inspect(`(module (import "env" "memory" (memory 1)) ${start})`).findings;
    expect(finding).toMatchObject({
      code: 'imports_unknown',
      message: 'imports a memory, which nothing provides',
      details: ['env.memory  (memory)'],
    });
    const [both] = inspect(
      `(module (import "env" "g" (global i32)) (import "env" "t" (table 1 funcref)) ${start})`,
    ).findings;
    expect(both?.details).toEqual(['env.g  (global)', 'env.t  (table)']);
  });

  test('a name with control characters or of any length stays one short line', () => {
    const [finding] = inspect(`(module (import "a\\0a\\1b[31m" "${'x'.repeat(5_000)}" (func)) ${start})`).findings;
    expect(finding?.details[0]).toMatch(/^a\\u\{a\}\\u\{1b\}\[31m\.x{60}… {2}\(\) -> \(\)$/);
  });

  test.each([
    ['of another kind', '(import "a\\1b" "b\\7f" (memory 1))', 'a\\u{1b}.b\\u{7f}  (memory)'],
    ['of another host', '(import "extism:host/\\1b" "b\\0a" (func))', 'extism:host/\\u{1b}.b\\u{a}'],
  ])('%s with control characters in their names show none', (_what, text, expected) => {
    const found = inspect(`(module ${text} ${start})`).findings;
    const all = found.flatMap(({ message, details, hints }) => [message, ...details, ...hints]).join('\n');
    expect(all).toContain(expected);
    expect(all).not.toMatch(/[^\P{Cc}\n]/u);
  });

  test('ten thousand unknown imports take no longer than reading them, and are counted', () => {
    const imports = Array.from({ length: 10_000 }, (_, index) => `(import "m" "resource_ope${index}" (func))`).join('');
    const [, finding] = inspect(`(module ${imports} ${start})`).findings;
    expect(finding?.message).toBe('imports 10000 functions that nothing provides');
    expect(finding?.details).toHaveLength(31);
    expect(finding?.details.at(-1)).toBe('… and 9970 more');
  });
});

describe('the entry point', () => {
  const func = (name: string, type = '', body = '') => `(func (export "${name}") ${type} ${body})`;
  test.each([
    [['h', 'cwa_main', 'main', 'handle', '_start'], '_start'],
    [['h', 'cwa_main', 'main', 'handle'], 'handle'],
    [['h', 'cwa_main', 'main'], 'main'],
    [['h', 'cwa_main'], 'cwa_main'],
    [['h'], 'h'],
  ])('of %j is %s', (names, expected) => {
    const found = inspect(`(module ${names.map((name) => func(name)).join('')})`);
    expect(found.entry).toEqual({ name: expected, returnsStatus: false });
  });

  test('may return a status, and _initialize comes before it', () => {
    const found = inspect(`(module ${func('_initialize')} ${func('handle', '(result i32)', 'i32.const 0')})`);
    expect(found.entry).toEqual({ name: 'handle', returnsStatus: true });
    expect(found.initialize).toBe('_initialize');
    expect(found.abis).toEqual(['dagger']);
  });

  test('is missing', () => {
    const found = inspect('(module (func (export "other")) (memory (export "main") 1))');
    expect(found.entry).toBeNull();
    expect(found.findings[0]).toMatchObject({ code: 'entry_missing', message: 'has no entry point' });
  });

  test("is C's main with arguments: refused, saying what to do", () => {
    const [finding] = inspect('(module (func (export "main") (param i32 i32) (result i32) i32.const 0))').findings;
    expect(finding).toMatchObject({
      code: 'entry_missing',
      message: 'has an entry point that cannot be called',
      details: ['main  (i32, i32) -> i32'],
    });
    expect(finding?.hints.join('\n')).toContain('_start');
  });

  test('that cannot be called does not hide one that can', () => {
    const found = inspect(
      `(module (func (export "main") (param i32 i32) (result i32) i32.const 0) ${func('cwa_main')})`,
    );
    expect(found.entry?.name).toBe('cwa_main');
    expect(found.findings).toEqual([]);
  });

  test.each([
    ['(result i64)', 'i64.const 0'],
    ['(result i32 i32)', 'i32.const 0 i32.const 0'],
  ])('with %s is refused', (type, body) => {
    expect(inspect(`(module ${func('handle', type, body)})`).findings[0]?.code).toBe('entry_missing');
  });
});

describe('a module built for another host', () => {
  const imports = (module: string, names: readonly string[]) =>
    names.map((name) => `(import "${module}" "${name}" (func))`).join(' ');
  const many = (module: string, first: string) =>
    imports(module, [first, ...Array.from({ length: 29 }, (_, index) => `f${index}`)]);

  test.each([
    ["Emscripten's JavaScript", many('env', 'emscripten_resize_heap'), '-sSTANDALONE_WASM'],
    ["Emscripten's JavaScript", imports('a', ['a', 'b', 'aa']), '-sSTANDALONE_WASM'],
    ["Go's JavaScript support (wasm_exec.js)", many('gojs', 'runtime.wasmExit'), 'GOOS=wasip1'],
    ["Go's JavaScript support (wasm_exec.js)", many('go', 'syscall/js.valueGet'), 'GOOS=wasip1'],
    ['threads of WASI', imports('wasi', ['thread-spawn']), 'wasm32-wasip1'],
    ["Javy's provider module", imports('javy_quickjs_provider_v3', ['eval_bytecode']), 'without -C dynamic'],
    ['Extism', many('extism:host/env', 'input_length'), 'stdin'],
    ["wasm-bindgen's JavaScript", many('./hello_bg.js', '__wbindgen_throw'), 'without wasm-bindgen'],
    ["wasm-bindgen's JavaScript", many('__wbindgen_placeholder__', '__wbindgen_describe'), 'without wasm-bindgen'],
    ["AssemblyScript's JavaScript", imports('env', ['console.log', 'abort']), 'wasi-shim'],
    ["ruby.wasm's JavaScript", many('rb-js-abi-host', 'eval-js: func(code: string)'), 'bin/ruby'],
    ["Fastly's Compute", many('fastly_http_body', 'new'), 'wasi:http/proxy'],
    ['Proxy-Wasm', many('env', 'proxy_log'), 'stdin'],
    ['WASIX', many('wasix_32v1', 'proc_fork'), 'wasi-sdk'],
  ])('%s: one finding, which says what to build instead', (host, text, hint) => {
    // No entry point either: that follows from the host, and is not told besides.
    const { findings } = inspect(`(module ${text})`);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      code: 'imports_unknown',
      message: `was built for ${host}, which is not here`,
      details: [expect.stringMatching(/^\d+ imports?: /)],
      hints: [expect.stringContaining(hint)],
    });
  });

  test.each([
    ['wasi:io/poll@0.2.10', '[method]pollable.block'],
    ['cm32p2|wasi:io/poll@0.2', '[method]pollable.block'],
  ])(
    'the core module of a component, which imports %s: one finding, which says how to make the component',
    (from, name) => {
      expect(inspect(`(module ${imports(from, [name])})`).findings).toEqual([
        {
          code: 'imports_unknown',
          message: 'is the core module of a component, not yet the component',
          details: [`1 import: ${from}.${name}`],
          hints: [expect.stringContaining('wasm-tools component new')],
        },
      ]);
    },
  );

  test('an object file: one finding, which says to link it', () => {
    const { findings } = inspect('(module (import "env" "__linear_memory" (memory 0)) (import "env" "f" (func)))');
    expect(findings).toEqual([
      {
        code: 'imports_unknown',
        message: 'is an object file, which a linker has yet to make a program of',
        details: ['it imports env.__linear_memory  (memory)'],
        hints: ['link it: clang without -c, or wasm-ld'],
      },
    ]);
  });

  test('counts the imports that it does not show, those that are no functions left out', () => {
    const [finding] = inspect(
      `(module ${many('env', 'emscripten_exit')} (import "env" "memory" (memory 1)) ${start})`,
    ).findings;
    expect(finding?.details).toEqual(['30 imports: env.emscripten_exit, env.f0, env.f1 and 27 more']);
  });

  test('beside others that nothing provides: those are listed as always', () => {
    const { findings } = inspect(`(module ${many('gojs', 'runtime.ticks')} (import "x" "log_writ" (func)) ${start})`);
    expect(findings.map(({ message }) => message)).toEqual([
      "was built for Go's JavaScript support (wasm_exec.js), which is not here",
      'imports 1 function that nothing provides',
    ]);
  });
});

test('a name of one or two letters is not taken for another one', () => {
  const [finding] = inspect(`(module (import "cwa" "lo" (func)) (import "h" "x" (func)) ${start})`).findings;
  expect(finding?.details.join()).not.toContain('did you mean');
});

describe('features', () => {
  test.each([
    ['', []],
    ['(table 1 funcref) (elem (i32.const 0) $f)', []],
    ['(global (export "g") (mut i32) (i32.const 0))', ['mutable-globals']],
    ['(func (drop (i32.extend8_s (i32.const 1))))', ['sign-extension']],
    ['(func (drop (i32.trunc_sat_f32_s (f32.const 1))))', ['nontrapping-float-to-int']],
    ['(func (result i32 i32) i32.const 1 i32.const 1)', ['multi-value']],
    ['(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))', ['bulk-memory']],
    ['(func (param externref))', ['reference-types']],
    ['(func (drop (v128.const i64x2 0 0)))', ['simd']],
    ['(func return_call $f)', ['tail-call']],
    ['(global i32 (i32.add (i32.const 1) (i32.const 2)))', ['extended-const']],
    ['(tag $t) (func (throw $t))', ['exceptions']],
    ['(func (try_table))', ['exceptions']],
    ['(func (local exnref))', ['exceptions']],
    ['(global exnref (ref.null exn))', ['exceptions']],
    ['(func (try (do) (catch_all)))', ['legacy-exceptions']],
  ])('%s', (text, expected) => {
    expect(inspect(`(module (func $f) ${text} ${start})`).features).toEqual(expected);
  });

  test('refused ones are named with function and byte offset, in every function at once', () => {
    const atomics = inspect(
      '(module (memory 1 1) (func $wait (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))) (func $b (atomic.fence)) (func (export "_start")))',
      { threads: true },
    );
    expect(atomics.findings[0]?.details).toEqual([
      expect.stringMatching(/^threads: atomic instruction 0xfe 1 in function 0 "wait" @\+\d+$/),
      expect.stringMatching(/^threads: atomic instruction 0xfe 3 in function 1 "b" @\+\d+$/),
    ]);
  });

  test.each([
    ['(memory 1 1 shared)', { threads: true }, 'threads: shared memory'],
    ['(memory i64 1)', { memory64: true }, 'memory64: 64-bit memory'],
    ['(memory 1) (memory 1)', { multi_memory: true }, 'multiple memories: 2 memories'],
    ['(import "env" "oops" (tag))', {}, 'exception tags that are shared: import of tag "oops"'],
    ['(tag (export "oops"))', {}, 'exception tags that are shared: export of tag "oops"'],
    ['(table 1 exnref)', {}, 'exceptions in tables or globals: exnref'],
    ['(elem exnref (ref.null exn))', {}, 'exceptions in tables or globals: exnref'],
    ['(global (mut exnref) (ref.null exn))', {}, 'exceptions in tables or globals: mutable global of type exnref'],
  ])('%s is refused', (text, features, expected) => {
    expect(inspect(`(module ${text} ${start})`, features).findings[0]?.details[0]).toContain(expected);
  });
});

test('everything that refuses a module is found in one go', () => {
  const found =
    inspect(`(module (import "env" "nope" (func)) (import "env" "m" (memory 1)) (table 1000000 funcref) (table 1 funcref)
    (func (export "main") (param i32)))`);
  expect(found.findings.map((finding) => finding.code)).toEqual([
    'module_too_large',
    'imports_unknown',
    'imports_unknown',
    'entry_missing',
  ]);
  expect(found.findings[0]?.details).toEqual(['initial size of all tables in entries: 1,000,001, at most 1,000,000']);
});

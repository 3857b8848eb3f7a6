import { describe, expect, test } from 'vitest';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { body, bytes, moduleWith, section, text, vector } from '../../support/module-builder.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PlatformError) return `${error.code}: ${error.details.join('; ')}`;
    throw error;
  }
  return 'accepted';
}

const importsOf = (module: Uint8Array) =>
  WebAssembly.Module.imports(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)).map(
    (entry) => `${entry.module}.${entry.name} ${entry.kind}`,
  );
const exportsOf = (module: Uint8Array) =>
  WebAssembly.Module.exports(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)).map((entry) => entry.name);

describe('what the guest cannot reach', () => {
  // moduleWith has one of everything: index 1 is what rewriting puts behind it.
  test.each([
    ['the counter, read', [0x23, 1, 0x1a, 0x0b], 'global index 1 out of range'],
    ['the counter, written', [0x41, 0, 0x24, 1, 0x0b], 'global index 1 out of range'],
    ['the reserve, written', [0x41, 0, 0x24, 2, 0x0b], 'global index 2 out of range'],
    ['trisiel.gas, called', [0x10, 1, 0x0b], 'function index 1 out of range'],
    ['a helper, called', [0x10, 2, 0x0b], 'function index 2 out of range'],
    ['a helper, tail-called', [0x12, 2, 0x0b], 'function index 2 out of range'],
    ['a helper, taken as a reference', [0xd2, 2, 0x1a, 0x0b], 'function index 2 out of range'],
    ['an added type, called through', [0x41, 0, 0x11, 1, 0, 0x0b], 'type index 1 out of range'],
    ['an added type, as a block type', [0x02, 1, 0x0b, 0x0b], 'type index 1 out of range'],
    ['another table', [0x41, 0, 0x25, 1, 0x1a, 0x0b], 'table index 1 out of range'],
    ['another element segment', [0xfc, 13, 1, 0x0b], 'element segment 1 out of range'],
    ['another data segment', [0xfc, 9, 1, 0x0b], 'data segment 1 out of range'],
    ['the local that the meter adds', [0x20, 0, 0x1a, 0x0b], 'local index 0 out of range'],
    ['a label beyond the function', [0x0c, 1, 0x0b], 'label 1 out of range'],
  ])('%s', (_, instructions, expected) => {
    expect(codeOf(() => rewriteModule(moduleWith(instructions)))).toContain(`module_invalid: ${expected}`);
  });

  const base = [section(1, ...vector([[0x60, 0, 0]])), section(3, 1, 0)];
  const code = section(10, ...vector([body([0x0b])]));
  test.each([
    ['an exported function', [...base, section(7, ...vector([[...text('f'), 0, 1]])), code], 'function index 1'],
    ['an exported global', [...base, section(7, ...vector([[...text('g'), 3, 0]])), code], 'exported global 0'],
    ['an exported memory', [...base, section(7, ...vector([[...text('m'), 2, 0]])), code], 'exported memory 0'],
    ['a start function', [...base, section(8, 1), code], 'start function 1'],
    [
      'a global initialised with the counter',
      [...base, section(6, ...vector([[0x7f, 0, 0x23, 0, 0x0b]])), code],
      'global index 0',
    ],
    [
      'an element',
      [...base, section(4, 1, 0x70, 0, 1), section(9, 1, 0, 0x41, 0, 0x0b, 1, 1), code],
      'function index 1',
    ],
    [
      'an element expression',
      [...base, section(4, 1, 0x70, 0, 1), section(9, 1, 4, 0x41, 0, 0x0b, 1, 0xd2, 1, 0x0b), code],
      'function index 1',
    ],
    ['a segment offset', [...base, section(5, 1, 0, 1), code, section(11, 1, 0, 0x23, 0, 0x0b, 0)], 'global index 0'],
    [
      'data for a memory that is not there',
      [...base, code, section(11, 1, 0, 0x41, 0, 0x0b, 0)],
      'active data segment without a memory',
    ],
  ])('%s', (_, parts, expected) => {
    expect(codeOf(() => rewriteModule(bytes(...parts)))).toMatch(`module_invalid: ${expected}`);
  });

  test('an export under a name of ours is refused', () => {
    expect(codeOf(() => rewriteModule(wat('(module (func (export "trisiel.gas_left")))')))).toContain('reserved');
  });

  test('an import from the module of ours is refused', () => {
    for (const kind of ['(func (param i32) (result i32))', '(memory 1)'])
      expect(codeOf(() => rewriteModule(wat(`(module (import "trisiel" "gas" ${kind}))`)))).toContain('reserved');
  });

  test('a module that does not validate is refused with the words of the engine', () => {
    expect(codeOf(() => rewriteModule(moduleWith([0x41, 0, 0x0b])))).toMatch(
      /^module_invalid: Compiling function #0 failed: .* @\+\d+$/,
    );
  });
});

describe('memory', () => {
  test('becomes an import with its own limits, exported or not', () => {
    for (const name of ['', '(export "memory")']) {
      const rewritten = rewriteModule(wat(`(module (memory ${name} 2 5) (data (i32.const 0) "x"))`));
      expect(rewritten.plan.memory).toMatchObject({ initialPages: 2, maximumPages: 5 });
      expect(importsOf(rewritten.bytes)).toEqual(['trisiel.gas function', 'trisiel.memory memory']);
    }
    expect(rewriteModule(wat('(module (memory 1))')).plan.memory).toMatchObject({
      initialPages: 1,
      maximumPages: null,
    });
    expect(rewriteModule(wat('(module)')).plan.memory).toBeNull();
  });

  test('grows up to what the host made it with', () => {
    const text = '(module (memory 1 10) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))';
    const metered = meter(wat(text), { memoryPagesMax: 4 });
    expect(call(metered.exports, 'grow', 3)).toBe(1);
    expect(call(metered.exports, 'grow', 1)).toBe(-1);
    expect(call(metered.exports, 'grow', 0)).toBe(4);
  });

  test('active segments are written into the memory that is handed in', () => {
    const metered = meter(wat('(module (memory 1) (data (i32.const 3) "abc"))'));
    expect(Buffer.from(metered.memory?.buffer ?? new ArrayBuffer(0)).toString('latin1', 2, 7)).toBe('\0abc\0');
  });
});

describe('start, globals, table', () => {
  test('a start function runs when the host calls it, with gas', () => {
    const bytes = wat(
      '(module (global $g (export "g") (mut i32) (i32.const 0)) (func $s (global.set $g (i32.const 7))) (start $s))',
    );
    const rewritten = rewriteModule(bytes);
    expect(rewritten.plan.start).toBe('trisiel.start');
    const compiled = new WebAssembly.Module(rewritten.bytes as Uint8Array<ArrayBuffer>);
    const untouched = new WebAssembly.Instance(compiled, { trisiel: { gas: () => -1 } });
    expect((untouched.exports.g as WebAssembly.Global).value).toBe(0);
    const metered = meter(bytes);
    expect((metered.exports.g as WebAssembly.Global).value).toBe(7);
    expect(metered.used()).toBe(3);
    expect(outcome(() => meter(bytes, { limit: 2 }).used() > 2)).toEqual({ value: true });
  });

  test('an imported start function is exported as well', () => {
    let calls = 0;
    const host = { host: { start: () => calls++ } };
    meter(wat('(module (import "host" "start" (func $s)) (start $s))'), { imports: host });
    expect(calls).toBe(1);
  });

  test('every mutable global and the table can be reached by the host, under hidden names', () => {
    const { plan, bytes } = rewriteModule(
      wat(`(module (global i32 (i32.const 1)) (global (mut i64) (i64.const 2)) (global (mut f32) (f32.const 3))
        (global (mut f64) (f64.const 4)) (global (mut v128) (v128.const i64x2 5 6)) (global (mut funcref) (ref.null func))
        (global (mut externref) (ref.null extern)) (table 3 9 funcref))`),
    );
    expect(plan.mutableGlobals).toEqual(
      ['i64', 'f32', 'f64', 'v128', 'funcref', 'externref'].map((type, index) => ({
        exportName: `trisiel.global.${index + 1}`,
        type,
      })),
    );
    expect(plan.table).toEqual({ exportName: 'trisiel.table', initial: 3 });
    for (const name of ['trisiel.gas_left', 'trisiel.global.5', 'trisiel.table'])
      expect(exportsOf(bytes)).toContain(name);
  });

  test('a hidden function sets every mutable global back, to values of constant expressions too', () => {
    const { bytes, plan } = rewriteModule(
      wat(`(module (import "host" "k" (global $k i32)) (import "host" "h" (func $h))
        (func $f (export "f") (result i32) (i32.const 77)) (table 2 funcref) (elem (i32.const 0) func $f)
        (global $a (mut i32) (i32.add (global.get $k) (i32.const 1))) (global $b (mut i64) (i64.const -2))
        (global $c (mut f64) (f64.const 0.5)) (global $d (mut v128) (v128.const i64x2 5 6))
        (global $e (mut funcref) (ref.func $f)) (global $x (mut externref) (ref.null extern))
        (func (export "change") (global.set $a (i32.const 0)) (global.set $b (i64.const 0)) (global.set $c (f64.const 0))
          (global.set $d (v128.const i64x2 0 0)) (global.set $e (ref.null func)))
        (func (export "tell") (result i64) (table.set (i32.const 1) (global.get $e))
          (i64.add (i64.add (i64.extend_i32_u (global.get $a)) (global.get $b)) (i64.add
            (i64.extend_i32_u (call_indirect (result i32) (i32.const 1))) (i64x2.extract_lane 1 (global.get $d))))))`),
    );
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), {
      host: { k: 41, h: () => {} },
      trisiel: { gas: () => 1_000_000 },
    });
    const { change, tell } = instance.exports as Record<string, () => unknown>;
    const restore = instance.exports[plan.restore as string] as () => void;
    expect(tell?.()).toBe(42n - 2n + 77n + 6n);
    change?.();
    expect(() => tell?.()).toThrow(WebAssembly.RuntimeError);
    restore();
    expect(tell?.()).toBe(42n - 2n + 77n + 6n);
  });

  test.each([
    ['(table.set 0 (i32.const 0) (ref.null func))', { table: true, segments: false }],
    ['(drop (table.grow 0 (ref.null func) (i32.const 1)))', { table: true, segments: false }],
    ['(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))', { table: true, segments: false }],
    ['(elem.drop $e)', { table: false, segments: true }],
    ['(data.drop $d)', { table: false, segments: true }],
    ['(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))', { table: false, segments: false }],
    ['(drop (table.get 0 (i32.const 0)))', { table: false, segments: false }],
  ])('%s: what it changes is told', (instruction, expected) => {
    const text = `(module (memory 1) (table 2 funcref) (elem $e func $f) (data $d "x") (func $f ${instruction}))`;
    expect(rewriteModule(wat(text)).plan.mutates).toEqual(expected);
  });
});

describe('what stays as it was', () => {
  test('exports, their order, and function indices wherever they stand', () => {
    const source = `(module
      (import "host" "add" (func $add (param i32 i32) (result i32)))
      (global $r funcref (ref.func $two))
      (table (export "t") 6 funcref)
      (elem (i32.const 0) $one $add $two) (elem (i32.const 3) funcref (ref.func $one) (ref.null func) (ref.func $add))
      (elem declare func $one)
      (func $one (export "one") (result i32) i32.const 1)
      (func $two (export "two") (result i32) (call $add (call $one) (i32.const 1)))
      (func (export "taken") (result i32) (table.set (i32.const 5) (ref.func $one)) (call_indirect (result i32) (i32.const 5)))
      (export "add" (func $add)) (export "r" (global $r)))`;
    const host = { host: { add: (left: number, right: number) => left + right } };
    const before = plain(wat(source), host);
    const { exports: after, rewritten } = meter(wat(source), { imports: host });
    expect(exportsOf(rewritten.bytes).filter((name) => !name.startsWith('trisiel.'))).toEqual(Object.keys(before));
    for (const exports of [before, after]) {
      expect(call(exports, 'two')).toBe(2);
      expect(call(exports, 'taken')).toBe(1);
      expect(call(exports, 'add', 2, 3)).toBe(5);
      const table = exports.t as WebAssembly.Table;
      expect([0, 2, 3].map((index) => table.get(index)())).toEqual([1, 2, 1]);
      expect([1, 5].map((index) => table.get(index)(4, 5))).toEqual([9, expect.anything()].slice(0, 1).concat([1]));
      expect((exports.r as WebAssembly.Global).value()).toBe(2);
    }
  });

  test('names of functions stay with their functions, in traps too', () => {
    const source =
      '(module (import "host" "f" (func $f)) (func $inner unreachable) (func $outer (export "run") call $inner))';
    const { exports } = meter(wat(source), { imports: { host: { f: () => undefined } } });
    let stack = '';
    try {
      call(exports, 'run');
    } catch (error) {
      stack = error instanceof Error ? (error.stack ?? '') : '';
    }
    expect(stack).toMatch(/\binner\b[\s\S]*\bouter\b/);
  });

  test('custom sections stay where they are; those that would lie are dropped', () => {
    const custom = (name: string) => section(0, ...text(name), 1, 2, 3);
    const source = bytes(
      custom('first'),
      section(1, 0),
      custom('producers'),
      custom('linking'),
      custom('metadata.code.x'),
    );
    const rewritten = rewriteModule(source).bytes;
    const sections = (name: string) =>
      WebAssembly.Module.customSections(new WebAssembly.Module(rewritten as Uint8Array<ArrayBuffer>), name);
    for (const name of ['first', 'producers'])
      expect(sections(name).map((entry) => [...new Uint8Array(entry)])).toEqual([[1, 2, 3]]);
    for (const name of ['linking', 'metadata.code.x']) expect(sections(name)).toEqual([]);
    expect(Buffer.from(rewritten).indexOf('first')).toBeLessThan(Buffer.from(rewritten).indexOf('producers'));
  });

  test('a broken name section does no harm', () => {
    const source = bytes(section(1, 0), section(0, ...text('name'), 1, 200, 5));
    expect(() => rewriteModule(source)).not.toThrow();
  });

  test('imported memories, tables and globals pass through rewriteModule', () => {
    const source = `(module (import "s" "m" (memory 1)) (import "s" "t" (table 1 funcref)) (import "s" "g" (global $g (mut i32)))
      (table 2 externref) (func (export "run") (result i32) (global.set $g (i32.const 9)) (i32.load (i32.const 0))))`;
    const memory = new WebAssembly.Memory({ initial: 1 });
    new Uint8Array(memory.buffer)[0] = 42;
    const g = new WebAssembly.Global({ value: 'i32', mutable: true }, 1);
    const s = { m: memory, t: new WebAssembly.Table({ initial: 1, element: 'anyfunc' }), g };
    const { exports, rewritten } = meter(wat(source), { imports: { s } });
    expect(rewritten.plan).toMatchObject({ memory: null, table: null, mutableGlobals: [] });
    expect(call(exports, 'run')).toBe(42);
    expect(g.value).toBe(9);
  });
});

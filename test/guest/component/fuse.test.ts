/**
 * Fused modules do what the modules do that they are made of, each instantiated with the exports of the ones before.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CoreModules } from '../../../src/guest/component/core-modules.ts';
import { fuse } from '../../../src/guest/component/fuse.ts';
import { Memories } from '../../../src/guest/component/memories.ts';
import type { ImportTarget, Unit } from '../../../src/guest/component/unit.ts';
import { findSection } from '../../../src/guest/wasm/format/model.ts';
import { readModule } from '../../../src/guest/wasm/format/read-module.ts';
import { sourceLineLimits } from '../../../src/guest/wasm/lines/rows.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { FuncType } from '../../../src/protocol/module.ts';
import { withSourceMap } from '../../support/source-lines.ts';
import { wat } from '../../support/wasm.ts';

const i32: FuncType = { params: ['i32'], results: ['i32'] };
type Exports = Record<string, WebAssembly.ExportValue>;

/** Modules whose imports are called `N.name`: an export of module N; `host.name`: a function of the host. */
function unitsOf(modules: readonly Uint8Array[], hostType: FuncType = i32): Unit[] {
  return modules.map((bytes) => ({
    bytes,
    resolve: (module, name): ImportTarget | null => {
      if (module === 'host') return { kind: 'host', module, name, type: hostType };
      return { kind: 'unit', unit: Number(module), name };
    },
  }));
}

const host = { log: (value: number) => value * 3 };

function unfused(modules: readonly Uint8Array[]): Exports {
  const instances: Exports[] = [];
  for (const bytes of modules) {
    const imports: Record<string, Exports> = { host };
    instances.forEach((exports, index) => {
      imports[index] = exports;
    });
    instances.push(
      new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), imports as never)
        .exports as Exports,
    );
  }
  return instances.at(-1) as Exports;
}

function fused(
  modules: readonly Uint8Array[],
  name: string,
): { readonly bytes: Uint8Array; readonly exports: Exports } {
  const { bytes } = fuse(unitsOf(modules), [{ unit: modules.length - 1, name }], { subject: 'x.wasm' });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  return { bytes, exports: new WebAssembly.Instance(module, { host } as never).exports as Exports };
}

const call = (exports: Exports, name: string, value: number) => (exports[name] as (value: number) => number)(value);

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof PlatformError) return `${error.code}: ${error.details.join('; ')}`;
    throw error;
  }
  throw new Error('it was not refused');
}

const nothingElse = {
  exports: new Map(),
  allInstances: [],
  definers: new Map(),
  imports: [],
  signatures: [],
  coreAliases: [],
  unusedModules: [],
};

/** Returns what fuses two instances of `bytes`, whose memories lie in one, and the bytes of all that is fused. */
function fusedTwice(bytes: Uint8Array) {
  const instances = [0, 1].map((index) => ({
    index,
    component: index,
    module: bytes,
    declared: null,
    args: new Map(),
  }));
  const memories = new Memories({ instances, ...nothingElse }, new CoreModules('x.wasm'), 'x.wasm');
  const units = [...unitsOf([bytes, bytes]), { bytes: memories.laidOut(), resolve: () => null }];
  const act = (fusedBytesMax?: number) =>
    fuse(units, [{ unit: 0, name: 'run' }], {
      subject: 'x.wasm',
      memories: { unit: 2, placed: memories.placed, ofUnit: [[0], [1], []] },
      ...(fusedBytesMax === undefined ? {} : { fusedBytesMax }),
    });
  return { act, total: units.reduce((sum, unit) => sum + unit.bytes.length, 0) };
}

describe('fusing', () => {
  it('bounds the code that it writes: accesses of one of several memories become longer', () => {
    const loads = '(drop (i32.load (i32.const 0)))'.repeat(1000);
    const bytes = wat(`(module (memory 1) (func (export "run") ${loads}))`);
    const { act, total } = fusedTwice(bytes);
    expect(act().bytes.length).toBeGreaterThan(2 * total);
    expect(refusal(() => act(2 * total))).toContain('module_too_large: bytes of all core instances');
  });

  it('finds source lines again where the code was copied to', () => {
    // Numbers change, also to longer ones: 200 functions, globals and types stand before those of the second module.
    const many = Array.from(
      { length: 200 },
      (_, n) => `(global (mut i32) (i32.const ${n})) (func (param ${'i32 '.repeat(n % 9)}))`,
    );
    const inner = withSourceMap(
      wat(`(module ${many.join('')} (type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $f)
        (global $g (mut i32) (i32.const 0))
        (func $f (type $t) (global.set $g (local.get 0)) (i32.div_u (i32.const 1) (i32.sub (global.get $g) (i32.const 7))))
        (func (export "f") (type $t) (call_indirect (type $t) (local.get 0) (i32.const 0))))`),
      'inner.ts',
    );
    const plain = wat(`(module (import "0" "f" (func $f (param i32) (result i32)))
      (func (export "g") (param i32) (result i32) (call $f (local.get 0))))`);
    const outer = withSourceMap(
      wat(`(module (import "1" "g" (func $g (param i32) (result i32))) (import "host" "log" (func $log (param i32) (result i32)))
        (func $own (param i32) (result i32) (drop (call $log (i32.const 1))) (call $g (local.get 0)))
        (func (export "run") (param i32) (result i32) (block (result i32) (call $own (i32.add (local.get 0) (i32.const 3))))))`),
      'outer.ts',
    );
    const modules = [inner, plain, outer];
    const offsets = (exports: Exports) => {
      try {
        call(exports, 'run', 4);
      } catch (error) {
        return [...String((error as Error).stack).matchAll(/wasm-function\[\d+\]:0x([0-9a-f]+)/g)].map(([, hex = '']) =>
          Number.parseInt(hex, 16),
        );
      }
      throw new Error('it did not trap');
    };
    const seen = offsets(unfused(modules));
    expect(seen).toHaveLength(5);
    const { bytes, lines } = fuse(unitsOf(modules), [{ unit: 2, name: 'run' }], { subject: 'x.wasm' });
    const code = findSection(readModule(bytes, 'x.wasm'), 10)?.start ?? 0;
    const found = offsets(
      new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), { host } as never)
        .exports as Exports,
    ).map((offset) => {
      const at = lines?.addresses.findLastIndex((address) => address + code <= offset) ?? -1;
      const place = lines?.places[at] ?? 0;
      return place === 0 ? null : `${lines?.files[place >>> 20]}:${place & 0xf_ffff}`;
    });
    const [divided, called, , own, run] = seen;
    expect(found).toEqual([`inner.ts:${divided}`, `inner.ts:${called}`, null, `outer.ts:${own}`, `outer.ts:${run}`]);
    expect(fuse(unitsOf([wat('(module (func))')]), [], { subject: 'x.wasm' }).lines).toBeNull();
  });

  it('keeps a bounded number of source lines, however many instances a module has', () => {
    const bytes = withSourceMap(wat(`(module (func ${'(drop (i32.const 1))'.repeat(30_000)}))`), 'a.ts');
    const { lines } = fuse(unitsOf([bytes, bytes, bytes, bytes]), [], { subject: 'x.wasm' });
    expect(lines?.addresses.length).toBe(sourceLineLimits.rows);
    expect(lines?.places.at(-1)).toBe(0);
    expect(lines?.files).toEqual(['a.ts']);
  });

  it('bounds the initial size of all memories: they lie in one', () => {
    const memoriesOf = (...pages: readonly number[]) => {
      const instances = pages.map((count, index) => ({
        ...{ index, component: index, declared: null, args: new Map() },
        module: wat(`(module (memory ${count}))`),
      }));
      return new Memories({ instances, ...nothingElse }, new CoreModules('x.wasm'), 'x.wasm');
    };
    expect(memoriesOf(65_534, 1).placed).toHaveLength(2);
    expect(refusal(() => memoriesOf(65_535, 1))).toMatch(/^module_too_large: initial pages of all memories/);
  });

  it('renumbers functions, types, tables, globals, segments and block types, and keeps what they do', () => {
    const first = wat(`(module
      (type (func (param i64) (result i64)))
      (type $t (func (param i32) (result i32)))
      (import "host" "log" (func $log (type $t)))
      (memory (export "memory") 1 4)
      (table (export "table") 6 funcref)
      (global (export "base") i32 (i32.const 64))
      (global $calls (export "calls") (mut i32) (i32.const 0))
      (data (i32.const 0) "\\01\\02\\03\\04") (data $lazy "\\07\\08")
      (elem (i32.const 1) func $twice $log)
      (func $twice (export "twice") (type $t)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.mul (local.get 0) (i32.const 2)))
      (func (export "lazy") (memory.init $lazy (i32.const 16) (i32.const 0) (i32.const 2)) (data.drop $lazy)))`);
    const second = wat(
      `(module
      (type $pair (func (param i32 i32) (result i32 i32)))
      (type $t (func (param i32) (result i32)))
      (import "0" "memory" (memory 1 4))
      (import "0" "table" (table 6 funcref))
      (import "0" "base" (global $base i32))
      (import "0" "calls" (global $calls (mut i32)))
      (import "0" "twice" (func $twice (type $t)))
      (import "0" "lazy" (func $lazy))
      (import "host" "log" (func $log (type $t)))
      (table $own 3 funcref)
      (global $sum (mut i32) (i32.const 5))
      (global $copy i32 (global.get $base))
      (data (global.get $base) "\\09") (data $mine "\\0b")
      (elem (i32.const 3) func $thrice)
      (elem (table $own) (i32.const 1) func $twice)
      (elem $later func $thrice)
      (elem declare func $twice)
      (func $swap (type $pair) (local.get 1) (local.get 0))
      (func $thrice (type $t) (i32.mul (local.get 0) (i32.const 3)))
      (func (export "run") (type $t) (local v128 i64)
        (call $lazy)
        (memory.init $mine (i32.const 17) (i32.const 0) (i32.const 1))
        (table.init $own $later (i32.const 2) (i32.const 0) (i32.const 1))
        (local.set 1 (i32x4.splat (local.get 0)))
        (global.set $sum (i32x4.extract_lane 2 (local.get 1)))
        (local.get 0) (global.get $sum)
        (block (type $pair) (br_if 0 (global.get $copy)))
        (block $done (param i32 i32) (result i32)
          (loop (type $pair) (br_table 1 1 (i32.const 0)))
          i32.sub)
        (i32.add (call_indirect (type $t) (local.get 0) (i32.const 1)))
        (i32.add (call_indirect $own (type $t) (local.get 0) (i32.const 1)))
        (i32.add (call_indirect $own (type $t) (local.get 0) (i32.const 2)))
        (i32.add (call_indirect (type $t) (local.get 0) (i32.const 3)))
        (i32.add (call $log (local.get 0)))
        (i32.add (i32.load8_u (i32.const 16))) (i32.add (i32.load8_u (i32.const 17)))
        (i32.add (i32.load8_u (global.get $base))) (i32.add (i32.load (i32.const 0)))
        (i32.add (call_indirect (type $t) (local.get 0) (i32.const 2)))
        (i32.add (global.get $calls)) (i32.add (select (result i32) (i32.const 1) (i32.const 2) (local.get 0)))
        (i32.add (ref.is_null (ref.func $twice)))))`,
    );
    const modules = [first, second];
    expect(call(fused(modules, 'run').exports, 'run', 9)).toBe(call(unfused(modules), 'run', 9));
  });

  it('drops data that is written behind a start function, as the engine drops what it writes', () => {
    const first = wat(`(module (memory (export "m") 1) (func $s (i32.store8 (i32.const 0) (i32.const 1))) (start $s))`);
    const second = wat(`(module (import "0" "m" (memory 1)) (data $d (i32.const 0) "\\07")
      (func (export "run") (param i32) (result i32)
        (memory.init $d (i32.const 8) (i32.const 0) (local.get 0)) (i32.load8_u (i32.const 0))))`);
    for (const exports of [unfused([first, second]), fused([first, second], 'run').exports]) {
      expect(call(exports, 'run', 0)).toBe(7);
      expect(() => call(exports, 'run', 1)).toThrow(WebAssembly.RuntimeError);
    }
  });

  it('exports nothing but what is kept, and imports each host function once', () => {
    const first = wat('(module (import "host" "log" (func $l (param i32) (result i32))) (export "f" (func $l)))');
    const second =
      wat(`(module (import "host" "log" (func $l (param i32) (result i32))) (import "0" "f" (func $f (param i32) (result i32)))
      (func (export "run") (param i32) (result i32) (i32.add (call $l (local.get 0)) (call $f (local.get 0)))))`);
    const { bytes, exports } = fused([first, second], 'run');
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    expect(WebAssembly.Module.exports(module).map((one) => one.name)).toEqual(['run']);
    expect(WebAssembly.Module.imports(module)).toHaveLength(1);
    expect(call(exports, 'run', 2)).toBe(12);
  });

  it('runs the start functions of all modules, in their order', () => {
    const first = wat(
      '(module (global $g (export "g") (mut i32) (i32.const 1)) (func $s (global.set $g (i32.const 5))) (start $s))',
    );
    const second = wat(
      '(module (import "0" "g" (global $g (mut i32))) (func $s (global.set $g (i32.mul (global.get $g) (i32.const 7)))) (start $s) (func (export "run") (param i32) (result i32) (global.get $g)))',
    );
    const modules = [first, second];
    expect(call(fused(modules, 'run').exports, 'run', 0)).toBe(35);
    expect(call(unfused(modules), 'run', 0)).toBe(35);
  });

  it('of random graphs of calls and globals changes no result', () => {
    const node = fc.record({
      calls: fc.array(fc.tuple(fc.nat(), fc.nat(2)), { maxLength: 4 }),
      constants: fc.tuple(fc.integer({ min: -99, max: 99 }), fc.integer({ min: -99, max: 99 })),
      extraTypes: fc.nat(3),
    });
    fc.assert(
      fc.property(
        fc.array(node, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: -1000, max: 1000 }),
        (nodes, value) => {
          const modules = nodes.map(({ calls, constants, extraTypes }, index) => {
            const targets = index === 0 ? [] : calls.map(([unit, which]) => [unit % index, which] as const);
            const imported = targets.map(([unit, which], n) =>
              which === 2
                ? `(import "${unit}" "g" (global $i${n} (mut i32)))`
                : `(import "${unit}" "f${which}" (func $i${n} (param i32) (result i32)))`,
            );
            const uses = targets.map(([, which], n) =>
              which === 2
                ? `(global.set $i${n} (i32.add (global.get $i${n}) (i32.const 3))) (local.set 0 (i32.xor (local.get 0) (global.get $i${n})))`
                : `(local.set 0 (call $i${n} (local.get 0)))`,
            );
            const types = Array.from({ length: extraTypes }, (_, n) => `(type (func (param ${'i64 '.repeat(n + 1)})))`);
            return wat(`(module ${types.join(' ')} ${imported.join(' ')} (global $g (export "g") (mut i32) (i32.const ${constants[0]}))
            (table 2 funcref) (elem (i32.const 0) func $f0 $f1)
            (func $f0 (export "f0") (param i32) (result i32) (global.set $g (i32.add (global.get $g) (local.get 0))) (i32.mul (local.get 0) (i32.const ${constants[1]})))
            (func $f1 (export "f1") (param i32) (result i32) ${uses.join(' ')} (i32.add (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0)) (global.get $g))))`);
          });
          expect(call(fused(modules, 'f1').exports, 'f1', value)).toBe(call(unfused(modules), 'f1', value));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('fusing refuses', () => {
  const exporting = wat(
    '(module (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 0)) (table (export "t") 2 4 funcref) (func (export "f") (param i64)))',
  );
  const wrong: readonly (readonly [string, string, string])[] = [
    [
      'a function of another type',
      '(import "0" "f" (func (param i32)))',
      '0.f is (i64) -> (); the core module wants (i32) -> ()',
    ],
    ['an export that is not there', '(import "0" "x" (func))', 'a core module exports no function "x"'],
    ['an export of another kind', '(import "0" "m" (func))', 'a core module exports no function "m"'],
    [
      'a global that is not mutable there',
      '(import "0" "g" (global i32))',
      '0.g is a global of i32; the core module wants one of i32',
    ],
    ['a memory that is too small', '(import "0" "m" (memory 2))', '0.m is 1 or more; the core module wants 2 or more'],
    [
      'a table that may grow further',
      '(import "0" "t" (table 1 3 funcref))',
      '0.t is 2 to 4; the core module wants 1 to 3',
    ],
    ['a memory of the host', '(import "host" "m" (memory 1))', 'host.m is a function, not a memory'],
  ];
  it.each(wrong)('%s', (_name, wanted, message) => {
    const importing = wat(`(module ${wanted})`);
    expect(refusal(() => fuse(unitsOf([exporting, importing]), [], { subject: 'x.wasm' }))).toBe(
      `module_invalid: ${message}`,
    );
  });

  it('two memories', () => {
    const one = wat('(module (memory 1))');
    expect(refusal(() => fuse(unitsOf([one, one]), [], { subject: 'x.wasm' }))).toMatch(/^module_unsupported/);
  });

  it('data of one of several memories that lies outside of it', () => {
    const module = (offset: number) =>
      wat(`(module (memory 1) (func (export "run")) (data (i32.const ${offset}) "\\02"))`);
    expect(fusedTwice(module(65_535)).act().bytes.length).toBeGreaterThan(0);
    expect(refusal(fusedTwice(module(65_536)).act)).toContain('data lies outside of the memory of a core module');
  });

  it('an import that nothing gives', () => {
    const bytes = wat('(module (import "0" "f" (func)))');
    expect(refusal(() => fuse([{ bytes, resolve: () => null }], [], { subject: 'x.wasm' }))).toBe(
      'module_invalid: a core module gets no 0.f',
    );
  });

  it('modules that import in a circle', () => {
    const module = wat('(module (import "0" "f" (func $f)) (export "f" (func $f)))');
    expect(refusal(() => fuse(unitsOf([module]), [], { subject: 'x.wasm' }))).toContain('import in a circle');
  });
});

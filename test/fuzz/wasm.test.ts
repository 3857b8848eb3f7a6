/** Arbitrary bytes into the reader: a coded error or a valid module, in little time; seed printed on failure. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inspectModule } from '../../src/guest/wasm/inspect/inspect.ts';
import { rewriteModule } from '../../src/guest/wasm/rewrite.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import { header, section } from '../support/module-builder.ts';
import { wat } from '../support/wasm.ts';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const options = { seed, interruptAfterTimeLimit: 8_000, numRuns: 20_000 };

/** Every section and many kinds of instruction, small. */
const everything = wat(`(module
  (import "host" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1 4) (table $t 4 9 funcref) (table $x 2 externref)
  (global $g (mut i32) (i32.const 1)) (global $r funcref (ref.func $a)) (global $v (mut v128) (v128.const i64x2 1 2))
  (elem (i32.const 0) $a $f) (elem $p func $a) (elem (table $t) (offset (i32.const 1)) funcref (ref.func $a) (ref.null func))
  (data $d "hello") (data (i32.const 8) "world")
  (func $a (export "a") (param i32) (result i32) (local i64 f32 f64 v128)
    (block $b (loop $l (br_if $l (i32.eqz (call $f (local.get 0)))) (br_table $b $l $b (local.get 0))))
    (if (result i32) (local.get 0) (then (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0))) (else (i32.const -77777))))
  (func (export "b") (result i32 i64) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 2)) (data.drop $d) (elem.drop $p)
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2)) (table.set $t (i32.const 0) (ref.func $a))
    (v128.store (i32.const 0) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (global.get $v) (global.get $v)))
    (drop (memory.grow (i32.const 1))) (i32.trunc_sat_f64_s (f64.const 1.5)) (i64.extend32_s (i64.const 0x123456789abcdef)))
  (func $s (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3))) (return_call $s)) (start $s))`);

/** Must hold for any input. */
function survive(input: Uint8Array): void {
  const started = process.threadCpuUsage();
  const inspected = () => {
    inspectModule(input, { provided: [] });
    return null;
  };
  for (const run of [() => rewriteModule(input).bytes, inspected]) {
    try {
      const rewritten = run();
      if (rewritten === null) continue;
      // Accepted: then the original was valid, and the result is.
      expect(WebAssembly.validate(input as Uint8Array<ArrayBuffer>)).toBe(true);
      expect(WebAssembly.validate(rewritten as Uint8Array<ArrayBuffer>)).toBe(true);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      expect(['module_invalid', 'module_unsupported', 'module_too_large']).toContain(error.code);
    }
  }
  // CPU time, not wall clock: far above what is normal, far below what an endless loop takes.
  const used = process.threadCpuUsage(started);
  expect(used.user + used.system).toBeLessThan(2_000_000);
}

describe('the reader survives', () => {
  test('the module that the others are made from', () => {
    expect(WebAssembly.validate(rewriteModule(everything).bytes as Uint8Array<ArrayBuffer>)).toBe(true);
  });

  test('arbitrary bytes behind a header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survive(Uint8Array.from([...header, ...bytes]))),
      options,
    );
  });

  test('sections of arbitrary contents', () => {
    const one = fc
      .tuple(fc.integer({ min: 0, max: 14 }), fc.uint8Array({ maxLength: 60 }))
      .map(([id, contents]) => section(id, ...contents));
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), (parts) =>
        survive(Uint8Array.from([...header, ...parts.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0)).flat()])),
      ),
      options,
    );
  });

  test('every truncation', () => {
    for (let length = 0; length < everything.length; length++) survive(everything.subarray(0, length));
  });

  test('flipped, deleted, doubled and replaced bytes', () => {
    const change = fc.record({
      at: fc.nat(everything.length - 1),
      kind: fc.constantFrom('flip', 'set', 'delete', 'insert', 'double'),
      value: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        let bytes = [...everything];
        for (const { at, kind, value } of changes) {
          const position = at % Math.max(1, bytes.length);
          if (kind === 'flip') bytes[position] = (bytes[position] ?? 0) ^ (1 << (value & 7));
          else if (kind === 'set') bytes[position] = value;
          else if (kind === 'delete') bytes.splice(position, 1 + (value & 3));
          else if (kind === 'insert') bytes.splice(position, 0, value);
          else bytes = [...bytes.slice(0, position), ...bytes.slice(Math.max(0, position - value))];
        }
        survive(Uint8Array.from(bytes));
      }),
      options,
    );
  });

  test('changed bytes of a real program', () => {
    const real = readFileSync(new URL('../../bench/guests/workloads.wasm', import.meta.url));
    fc.assert(
      fc.property(fc.nat(real.length - 1), fc.nat(255), fc.nat(real.length - 1), (first, value, second) => {
        const changed = Uint8Array.from(real);
        changed[first] = value;
        changed[second] = (changed[second] ?? 0) ^ (1 << (value & 7));
        survive(changed);
      }),
      { ...options, numRuns: 3_000 },
    );
  });
});

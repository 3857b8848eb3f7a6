/** A slot that has lived before and a fresh one must not be told apart: same inputs, same outputs, same gas. */
import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { Slot } from '../../src/runner/slot.ts';
import { codeOf, type GuestRun, runIn, type TestCode } from '../support/runner-guests.ts';

const inputs = ['', 'a', 'x=1&y=2\n'.repeat(500), 'last'];
const gas = 2_000_000;

/** Runs `code` once per input in pooled slots, and once per input in a slot of its own. */
async function compare(code: TestCode, given: readonly string[]): Promise<readonly GuestRun[]> {
  const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
  const runs: GuestRun[] = [];
  for (const input of given) {
    const slot = pool.take();
    if (slot === null) throw new Error('no slot');
    const pooled = await runIn(slot, code, input, gas);
    pool.give(slot, pooled.end.kind === 'exit');
    const fresh = await runIn(new Slot(code, { image: null, reservePages: 0 }), code, input, gas);
    expect(pooled).toEqual(fresh);
    runs.push(pooled);
  }
  pool.close();
  return runs;
}

describe('every fixture', () => {
  const root = new URL('../../fixtures/guests/', import.meta.url);
  // Those that sleep for ever or want a network are left out.
  const files = globSync('*/*.wasm', { cwd: root }).filter((file) => !/sleep|net|poll/.test(file));

  for (const file of files.sort()) {
    it(`${file} runs in a used slot as in a fresh one`, async () => {
      const code = await codeOf(readFileSync(new URL(file, root)));
      await compare(code, [...inputs, ...inputs, ...inputs]);
    });
  }
});

const address = fc.integer({ min: 0, max: 131_064 });
const value = fc.integer({ min: -1_000_000, max: 1_000_000 });
const entry = fc.integer({ min: 0, max: 5 });

/** One thing a guest may do; each leaves something behind or mixes what it finds into $mix. */
const statement = fc.oneof(
  fc
    .tuple(address, value)
    .map(([at, v]) => `(i32.store (i32.const ${at}) (i32.add (local.get $mix) (i32.const ${v})))`),
  address.map(
    (at) => `(local.set $mix (i32.add (i32.mul (local.get $mix) (i32.const 31)) (i32.load (i32.const ${at}))))`,
  ),
  fc
    .tuple(address, fc.integer({ min: 0, max: 2_000 }))
    .map(([at, n]) => `(memory.fill (i32.const ${Math.min(at, 129_000)}) (local.get $mix) (i32.const ${n}))`),
  fc.constant('(global.set $a (i32.add (global.get $a) (local.get $mix)))'),
  fc.constant('(local.set $mix (i32.xor (local.get $mix) (global.get $a)))'),
  fc.constant('(global.set $b (i64.add (global.get $b) (i64.extend_i32_u (local.get $mix))))'),
  fc.constant('(local.set $mix (i32.add (local.get $mix) (i32.wrap_i64 (global.get $b))))'),
  fc.constant('(global.set $c (f64.add (global.get $c) (f64.convert_i32_s (local.get $mix))))'),
  fc.constant('(local.set $mix (i32.xor (local.get $mix) (i32.wrap_i64 (i64.reinterpret_f64 (global.get $c)))))'),
  fc.constant('(local.set $mix (i32.add (local.get $mix) (memory.size)))'),
  fc.constant('(drop (memory.grow (i32.const 1)))'),
  entry.map((i) => `(table.set $t (i32.const ${i}) (ref.func $f))`),
  entry.map((i) => `(table.set $t (i32.const ${i}) (ref.null func))`),
  entry.map((i) => `(local.set $mix (i32.add (local.get $mix) (ref.is_null (table.get $t (i32.const ${i})))))`),
  fc.constant('(drop (table.grow $t (ref.null func) (i32.const 1)))'),
  fc.constant('(local.set $mix (i32.add (local.get $mix) (table.size $t)))'),
  fc.constant('(data.drop $d)'),
  fc.constant('(elem.drop $e)'),
  address.map((at) => `(memory.init $d (i32.const ${Math.min(at, 131_000)}) (i32.const 0) (i32.const 5))`),
  fc.constant('(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))'),
  entry.map(
    (i) => `(if (i32.and (local.get $mix) (i32.const 1)) (then (call_indirect $t (type $none) (i32.const ${i}))))`,
  ),
  value.map(
    (v) =>
      `(try (do (call $throw (i32.add (local.get $mix) (i32.const ${v})))) (catch $t (local.set $mix)) (catch_all))`,
  ),
  fc.constant(
    '(if (i32.eq (i32.and (local.get $mix) (i32.const 15)) (i32.const 3)) (then (call $throw (local.get $mix))))',
  ),
  fc.constant('(drop (call $read (call $stdin) (i32.const 100) (i32.const 50)))'),
  fc.constant(
    '(i32.store (i32.const 8) (local.get $mix)) (drop (call $write (call $stdout) (i32.const 8) (i32.const 4)))',
  ),
);

function moduleOf(statements: readonly string[]): string {
  return `(module
    (type $none (func))
    (import "cwa" "io_get_stdin" (func $stdin (result i32)))
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 2 4)
    (data (i32.const 5000) "some data of the image")
    (data (i32.const 131060) "tail")
    (data $d "01234")
    (tag $t (param i32)) (tag $odd)
    (global $a (mut i32) (i32.const 1)) (global $b (mut i64) (i64.const 2)) (global $c (mut f64) (f64.const 3))
    (table $t 6 9 funcref)
    (elem (i32.const 1) $f $f)
    (elem $e func $f $f)
    (func $f (global.set $a (i32.add (global.get $a) (i32.const 7))))
    (func $throw (param i32)
      (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd)))
      (global.set $a (local.get 0)) (throw $t (local.get 0)))
    (func (export "cwa_main") (result i32)
      (local $mix i32)
      ${statements.join('\n')}
      (i32.and (local.get $mix) (i32.const 255))))`;
}

describe('a generated guest', () => {
  it('runs in a used slot as in a fresh one, whatever it does', async () => {
    let recycled = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(statement, { minLength: 1, maxLength: 25 }), async (statements) => {
        const code = await codeOf(moduleOf(statements), 4);
        await compare(code, inputs);
        if (!code.plan.mutates.table && !code.plan.mutates.segments) recycled += 1;
      }),
      { numRuns: 300 },
    );
    // Both ways of renewing a slot have been compared.
    expect(recycled).toBeGreaterThan(10);
    expect(recycled).toBeLessThan(290);
  });
});

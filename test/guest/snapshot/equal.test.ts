/**
 * A call from a snapshot and a call that runs the start-up itself must not be told apart; nor must the ten-thousandth
 * life of a slot and the first. Random modules: FUZZ_MINUTES for longer, FUZZ_SEED to repeat.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { withMeasures } from '../../../src/protocol/module.ts';
import { MemoryBudget } from '../../../src/runner/memory-budget.ts';
import { SlotPool } from '../../../src/runner/pool.ts';
import { isRecyclable, Slot } from '../../../src/runner/slot.ts';
import { fuzzTime } from '../../support/fuzz-time.ts';
import { fixture, runGuest, runVetted } from '../../support/run-guest.ts';
import { runIn, type TestCode } from '../../support/runner-guests.ts';
import { take } from '../../support/snapshots.ts';
import { wat } from '../../support/wasm.ts';

const address = fc.integer({ min: 0, max: 131_064 });
const value = fc.integer({ min: -1_000_000, max: 1_000_000 });
const entry = fc.integer({ min: 0, max: 5 });

/** One thing that a start-up or a call may do; each leaves something behind, or mixes what it finds into $mix. */
const statement = fc.oneof(
  fc
    .tuple(address, value)
    .map(([at, v]) => `(i32.store (i32.const ${at}) (i32.add (global.get $mix) (i32.const ${v})))`),
  address.map((at) => `(call $note (i32.load (i32.const ${at})))`),
  fc
    .tuple(address, fc.integer({ min: 0, max: 2_000 }))
    .map(([at, n]) => `(memory.fill (i32.const ${Math.min(at, 129_000)}) (global.get $mix) (i32.const ${n}))`),
  fc.constant('(drop (memory.grow (i32.const 1)))'),
  fc.constant('(call $note (memory.size))'),
  fc.constant('(i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (global.get $mix))'),
  fc.constant('(call $note (i32.load (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4))))'),
  fc.constant('(global.set $b (i64.add (global.get $b) (i64.extend_i32_s (global.get $mix))))'),
  fc.constant('(call $note (i32.wrap_i64 (global.get $b)))'),
  fc.constant('(global.set $c (f64.add (global.get $c) (f64.convert_i32_s (global.get $mix))))'),
  fc.constant('(call $note (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (global.get $c)) (i64.const 13))))'),
  fc.constant('(global.set $d (f32.reinterpret_i32 (global.get $mix)))'),
  fc.constant('(call $note (i32.reinterpret_f32 (global.get $d)))'),
  fc.constant('(global.set $v (i32x4.replace_lane 2 (global.get $v) (global.get $mix)))'),
  fc.constant('(call $note (i32x4.extract_lane 2 (global.get $v)))'),
  fc.constant('(global.set $r (ref.func $g))'),
  entry.map((i) => `(table.set $t (i32.const ${i}) (global.get $r))`),
  entry.map((i) => `(table.set $t (i32.const ${i}) (ref.null func))`),
  entry.map((i) => `(call $note (ref.is_null (table.get $t (i32.const ${i}))))`),
  entry.map(
    (i) =>
      `(if (i32.eqz (ref.is_null (table.get $t (i32.const ${i})))) (then (call_indirect $t (type $none) (i32.const ${i}))))`,
  ),
  fc.constant('(drop (table.grow $t (ref.func $f) (i32.const 1)))'),
  fc.constant('(call $note (table.size $t))'),
  fc.constant('(data.drop $p)'),
  fc.constant('(elem.drop $e)'),
  fc.constant('(memory.init $p (i32.const 64) (i32.const 1) (i32.const 3))'),
  fc.constant('(table.init $t $e (i32.const 2) (i32.const 0) (i32.const 2))'),
  value.map((v) => `(try (do (throw $x (i32.const ${v}))) (catch $x (call $note)))`),
  value.map((v) => `(try (do (call $risky (i32.const ${v})) (call $note (i32.const 3))) (catch $x (call $note)))`),
  fc.constant('(call $risky (global.get $mix))'),
  fc.constant(
    '(try (do (drop (memory.grow (i32.const 1))) (call $risky (memory.size))) (catch_all (call $note (memory.size))))',
  ),
);

/** Statements of the first kind alone: modules whose instances are recycled. */
const simple = /table\.|elem\.|data\.|memory\.init|\$v\b|\$r\b/;

function moduleOf(startUp: readonly string[], call: readonly string[]): string {
  return `(module
    (type $none (func))
    (memory (export "memory") 2 6)
    (data (i32.const 5000) "some data of the image") (data $p "01234") (data (i32.const 131060) "tail")
    (tag $x (param i32))
    (global $mix (mut i32) (i32.const 1)) (global $b (mut i64) (i64.const 2)) (global $c (mut f64) (f64.const 3))
    (global $d (mut f32) (f32.const nan:0x200001)) (global $v (mut v128) (v128.const i32x4 1 2 3 4))
    (global $r (mut funcref) (ref.func $f)) (global $fixed i32 (i32.const 9))
    (table $t 6 9 funcref) (elem (i32.const 1) func $f $g) (elem $e func $g $f)
    (func $risky (param i32)
      (global.set $mix (i32.add (global.get $mix) (i32.const 1)))
      (if (i32.eqz (i32.and (local.get 0) (i32.const 3))) (then (throw $x (local.get 0)))))
    (func $f (call $note (i32.const 7))) (func $g (call $note (i32.const 11)))
    (func $note (param i32)
      (global.set $mix (i32.add (i32.mul (global.get $mix) (i32.const 31)) (local.get 0))))
    (func (export "wizer.initialize") (nop))
    (func (export "_initialize") ${startUp.join('\n')})
    (func (export "main") (result i32) ${call.join('\n')} (i32.and (global.get $mix) (i32.const 0x7fffffff))))`;
}

describe('a snapshot against its start-up in each call', () => {
  const fuzz = fuzzTime({ numRuns: 150, ms: 30_000 });
  it(
    'random modules end the same, with the same memory',
    async () => {
      let taken = 0;
      let refused = 0;
      const statements = fc.array(statement, { minLength: 1, maxLength: 15 });
      await fc.assert(
        fc.asyncProperty(statements, statements, fc.boolean(), async (first, second, isSimple) => {
          const keep = (one: string) => !isSimple || !simple.test(one);
          const bytes = wat(moduleOf(first.filter(keep), second.filter(keep)));
          const each = await runGuest(bytes, { exactMemory: true });
          const snapshot = await take(bytes).catch((error: { readonly code?: string }) => {
            if (error.code !== 'snapshot_failed') throw error;
            return null;
          });
          if (snapshot === null) {
            // Only a start-up that traps is refused here, and then the call traps as well.
            expect(each.end.kind).toBe('trap');
            refused += 1;
            return;
          }
          const once = await runVetted(snapshot, { exactMemory: true });
          const end = (run: typeof once) => (run.end.kind === 'trap' ? 'trap' : run.end);
          expect(end(once)).toEqual(end(each));
          expect(Buffer.compare(once.memory, each.memory)).toBe(0);
          taken += 1;
        }),
        fuzz,
      );
      expect(taken).toBeGreaterThan(20);
      expect(refused).toBeLessThan(taken);
    },
    fuzz.timeout,
  );
});

describe('recycling', () => {
  async function codeFrom(source: Uint8Array | string): Promise<TestCode> {
    const { module: vetted, bytes } = await take(source);
    const module = await WebAssembly.compile(Uint8Array.from(bytes));
    return { module, plan: vetted.plan, abis, memoryPages: 256, exactMemory: false, vetted: withMeasures(vetted) };
  }

  it.each([
    ['the reactor of wasi-libc', 1_000, () => fixture('wasi/reactor')],
    [
      'a module that writes and grows',
      10_000,
      () =>
        wat(
          moduleOf(
            ['(drop (memory.grow (i32.const 1)))', '(memory.fill (i32.const 196000) (i32.const 5) (i32.const 600))'],
            [
              '(call $note (i32.load (i32.const 196300)))',
              '(memory.fill (i32.const 100000) (i32.const 9) (i32.const 96500))',
              '(drop (memory.grow (i32.const 1)))',
              '(call $note (i32.load (i32.const 199000)))',
              '(i32.store (i32.const 199000) (i32.const 3))',
              '(call $note (memory.size))',
            ],
          ),
        ),
    ],
  ] as const)(
    '%s: %i lives in one slot are as the first',
    async (_, lives, source) => {
      const code = await codeFrom(source());
      const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
      const first = await runIn(new Slot(code, { image: null, reservePages: 0 }), code, '', 1_000_000_000);
      expect(first.end.kind).toBe('exit');
      const seen = new Set<Slot>();
      for (let life = 0; life < lives; life += 1) {
        const slot = pool.take();
        if (slot === null) throw new Error('no slot');
        seen.add(slot);
        expect(await runIn(slot, code, '', 1_000_000_000)).toEqual(first);
        pool.give(slot, true);
      }
      pool.close();
      // Few slots: they have been set back, not made anew.
      if (isRecyclable(code.plan)) expect(seen.size).toBeLessThan(lives / 10);
    },
    120_000,
  );
});

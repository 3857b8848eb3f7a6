/**
 * Exceptions in both forms, that of the specification (try_table, throw_ref) and the older one (try, catch, delegate,
 * rethrow): the rewritten module does what the original does, gas is exact, and nothing escapes the counter.
 */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runGas } from '../../../src/guest/wasm/meter/loop-plan.ts';
import { rewriteModule, vetModule } from '../../../src/guest/wasm/rewrite.ts';
import { expectExactGas } from '../../support/exact-gas.ts';
import { fuzzTime } from '../../support/fuzz-time.ts';
import { throwingPrograms } from '../../support/program.ts';
import { call, gasOf, meter, outcome, plain, wat } from '../../support/wasm.ts';

/** Price of throw, rethrow and throw_ref. */
const price = 200;
const tags = '(tag $value (param i32)) (tag $none) (tag $pair (param i64 f64))';

describe('gas', () => {
  test.each([
    ['a try that nothing is thrown in', '(func (export "run") try nop catch_all nop nop end nop)', 5],
    ['a try without a catch', '(func (export "run") try nop end)', 4],
    ['a throw and its catch', '(func (export "run") try throw $none catch $none nop end)', 1 + price + 2 + 1],
    [
      'a throw that the second catch takes',
      '(func (export "run") try i32.const 7 throw $value catch $none nop nop nop catch $value drop end)',
      2 + price + 2 + 1,
    ],
    [
      'a throw in a call: what stands behind the call is not paid for',
      '(func $f nop throw $none) (func (export "run") try call $f nop nop nop nop catch_all end)',
      2 + 1 + price + 1 + 1,
    ],
    [
      'a throw through functions that do not catch it',
      `(func $f nop throw $none) (func $g call $f nop nop nop) (func $h nop call $g nop nop)
       (func (export "run") try call $h nop catch_all end nop)`,
      2 + 2 + 1 + 1 + price + 1 + 1 + 1,
    ],
    [
      'rethrow',
      '(func (export "run") try try throw $none catch_all nop rethrow 0 end catch_all nop end)',
      2 + price + 1 + price + 2 + 1,
    ],
    ['delegate', '(func (export "run") try try throw $none delegate 0 nop catch_all nop end)', 2 + price + 2 + 1],
    ['a try_table that nothing is thrown in', '(func (export "run") block try_table (catch_all 0) nop end end)', 6],
    [
      'a throw to a label',
      '(func (export "run") block try_table (catch_all 0) throw $none end nop nop end nop)',
      2 + price + 1 + 1,
    ],
    [
      'throw_ref',
      `(func (export "run") (local exnref)
        block block (result exnref) try_table (catch_all_ref 0) throw $none end unreachable end local.set 0
        try_table (catch_all 0) local.get 0 throw_ref end end nop)`,
      3 + price + 1 + 2 + price + 2,
    ],
    [
      'exceptions in a loop that counts in a local',
      `(func (export "run") (local i32)
        loop
          try local.get 0 i32.const 1 i32.and if throw $none end catch_all end
          local.get 0 i32.const 1 i32.add local.tee 0 i32.const 10 i32.lt_u br_if 0
        end)`,
      // Five rounds fall through the end of the if and the catch_all, five throw.
      1 + 5 * (1 + 4 + 2 + 1 + 6) + 5 * (1 + 4 + price + 1 + 6) - 10 + 2 + 10,
    ],
  ])('%s', (_, functions, expected) => {
    expect(gasOf(`(module ${tags} ${functions})`)).toBe(expected);
  });

  const time = fuzzTime({ numRuns: 150, ms: 20_000 });

  test('what the naive way counts, on random programs that throw, however gas is granted', time, async () => {
    await fc.assert(
      fc.asyncProperty(
        throwingPrograms,
        fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer(), fc.integer()),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 0, max: 4 }),
        async (pair, args, slice, reserve) => {
          // The outer limit ends a process whose event loop does not turn for minutes.
          await setImmediate();
          expectExactGas(pair, args, { slice, reserve });
        },
      ),
      time,
    );
  });
});

/** Original and rewritten module give the same for every argument, whatever the slices. */
function same(functions: string, args: readonly unknown[] = [0, 1, 2, 3]): void {
  const bytes = wat(`(module ${tags} ${functions})`);
  for (const slice of [1, 1_000]) {
    const before = plain(bytes);
    const after = meter(bytes, { slice });
    for (const arg of args)
      expect(outcome(() => call(after.exports, 'run', arg))).toEqual(outcome(() => call(before, 'run', arg)));
  }
}

/** A function that throws one of the tags, or nothing, by its argument. */
const thrower = `(func $throw (param i32) (result i32)
  (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $value (i32.const 41))))
  (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $none)))
  (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $pair (i64.const 5) (f64.const 1.5))))
  (i32.const 7))`;

/** Something that makes a function count in a local, with a wrapped loop around what follows. */
const wrapped = (inner: string, local = 1) => `(loop $wrapped (result i32)
  (local.set ${local} (i32.add (local.get ${local}) (i32.const 1)))
  (br_if $wrapped (i32.eqz (i32.and (local.get ${local}) (i32.const 1))))
  (br_if $wrapped (i32.lt_u (local.get ${local}) (i32.const 5)))
  ${inner})`;

describe('the older form', () => {
  const catches = `(try (result i32) (do (call $throw (local.get 0)))
    (catch $value (i32.add (i32.const 1)))
    (catch $pair (drop) (i32.wrap_i64))
    (catch_all (i32.const 9)))`;

  test.each([
    ['each tag finds its catch', catches],
    ['in a loop', wrapped(catches)],
    ['what no catch takes goes on', '(try (result i32) (do (call $throw (local.get 0))) (catch $value))'],
    [
      'an outer catch takes what the inner one does not',
      `(try (result i32) (do (try (result i32) (do (call $throw (local.get 0))) (catch $value (drop) (i32.const 1))))
        (catch $none (i32.const 2)) (catch_all (i32.const 3)))`,
    ],
    [
      'a catch does not take what is thrown in a catch beside it',
      `(try (result i32) (do (try (result i32) (do (call $throw (local.get 0)))
          (catch $value (throw $none)) (catch $none (i32.const 1))))
        (catch $none (i32.const 2)) (catch_all (i32.const 3)))`,
    ],
    [
      'rethrow names one of several catches around',
      `(try (result i32) (do
          (try (result i32) (do (call $throw (local.get 0))) (catch $value (drop)
            (try (result i32) (do (throw $none)) (catch $none (rethrow 1))))))
        (catch $value) (catch_all (i32.const 3)))`,
    ],
    [
      'rethrow from within a loop that is wrapped',
      `(try (result i32) (do (try (result i32) (do (call $throw (local.get 0)))
          (catch_all ${wrapped('(rethrow 1)')})))
        (catch $value) (catch_all (i32.const 3)))`,
    ],
    [
      'delegate to a try around, past one between',
      `(try $out (result i32) (do (try (result i32) (do
          (try (result i32) (do (call $throw (local.get 0))) (delegate $out)))
          (catch_all (i32.const 1))))
        (catch $value) (catch_all (i32.const 3)))`,
    ],
    [
      'delegate out of the function, in a function that counts in a local',
      `(try (result i32) (do ${wrapped('(try (result i32) (do (call $throw (local.get 0))) (delegate 2))')})
        (catch_all (i32.const 1)))`,
    ],
    [
      'delegate from within a wrapped loop',
      `(try $out (result i32) (do (try (result i32) (do
          ${wrapped('(try (result i32) (do (call $throw (local.get 0))) (delegate $out))')})
          (catch_all (i32.const 1))))
        (catch $value) (catch_all (i32.const 3)))`,
    ],
    [
      'delegate to a block',
      `(try (result i32) (do (block $b (result i32)
          (try (result i32) (do (call $throw (local.get 0))) (delegate $b))))
        (catch $value) (catch_all (i32.const 3)))`,
    ],
    [
      'return in a try, in a loop',
      wrapped('(try (result i32) (do (return (call $throw (local.get 0)))) (catch $value))'),
    ],
    [
      'return in a catch, in a loop',
      wrapped('(try (result i32) (do (call $throw (local.get 0))) (catch $value (return)))'),
    ],
    [
      'a branch out of a try',
      '(block $b (result i32) (try (do (br $b (call $throw (local.get 0)))) (catch_all)) (i32.const 4))',
    ],
    [
      'a branch out of a catch, back to a loop',
      `(loop $l (result i32) (try (result i32) (do (call $throw (local.get 0)))
        (catch_all (local.set 0 (i32.const 0)) (br $l))))`,
    ],
    [
      'a tail call in a try is outside of it',
      '(try (result i32) (do (return_call $throw (local.get 0))) (catch_all (i32.const 1)))',
    ],
    [
      'a try in dead code',
      '(return (i32.const 1)) (try (result i32) (do (throw $none)) (catch $value) (catch_all (rethrow 0)))',
    ],
    [
      'a try with parameters',
      '(local.get 0) (try (param i32) (result i32) (do (call $throw)) (catch_all (i32.const 5)))',
    ],
    [
      'a trap is not caught',
      '(try (result i32) (do (i32.div_u (i32.const 1) (local.get 0))) (catch_all (i32.const 5)))',
    ],
    ['an overflow of the stack is not caught', '(try (result i32) (do (call $forever)) (catch_all (i32.const 5)))'],
    [
      'a local set in front of a throw keeps its value',
      '(local.set 1 (i32.const 1)) (try (do (local.set 1 (i32.const 2)) (drop (call $throw (local.get 0)))) (catch_all)) (local.get 1)',
    ],
  ])('%s', (_, body) => {
    same(`${thrower} (func $forever (result i32) (i32.add (call $forever) (i32.const 1)))
      (func (export "run") (param i32) (result i32) (local i32) ${body})`);
  });

  test('both forms in one module: the engine takes none, and neither do we', () => {
    const bytes = wat('(module (func (try (do) (catch_all))) (func (block (try_table (catch_all 0)))))');
    expect(WebAssembly.validate(bytes)).toBe(false);
    expect(() => rewriteModule(bytes)).toThrow(expect.objectContaining({ code: 'module_invalid' }));
  });
});

describe('the form of the specification', () => {
  const catches = `(block $pair (result i64 f64) (block $value (result i32)
      (block $none
        (return (try_table (result i32) (catch $value $value) (catch $none $none) (catch $pair $pair)
          (call $throw (local.get 0)))))
      (return (i32.const 9)))
    (return (i32.add (i32.const 1)))) (drop) (i32.wrap_i64)`;

  test.each([
    ['each tag finds its label', catches],
    [
      'the first clause that fits is taken',
      '(block $a (block $b (return (try_table (result i32) (catch_all $a) (catch $none $b) (call $throw (local.get 0))))) (return (i32.const 1))) (i32.const 2)',
    ],
    [
      'what no clause takes goes on',
      '(block $a (result i32) (try_table (result i32) (catch $value $a) (call $throw (local.get 0))))',
    ],
    [
      'to the head of a loop',
      `(loop $l (try_table (catch_all $l) (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (drop (call $throw (local.get 0))))) (local.get 0)`,
    ],
    [
      'to the head of a loop that takes the value',
      `(i32.const 0) (loop $l (param i32) (result i32) (drop)
        (try_table (result i32) (catch $value $l) (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (call $throw (local.get 0))))`,
    ],
    ['out of the function', '(try_table (result i32) (catch $value 0) (call $throw (local.get 0)))'],
    [
      'out of the function, from within a wrapped loop',
      wrapped('(try_table (result i32) (catch $value 1) (call $throw (local.get 0)))'),
    ],
    [
      'out of a wrapped loop',
      `(block $out (result i32) ${wrapped('(try_table (result i32) (catch $value $out) (call $throw (local.get 0)))')} (return))
       (i32.add (i32.const 100))`,
    ],
    [
      'throw_ref throws the same exception again',
      `(block $again (result exnref)
         (return (try_table (result i32) (catch_all_ref $again) (call $throw (local.get 0)))))
       (local.set $e) (block $value (result i32) (try_table (catch $value $value) (local.get $e) (throw_ref)) (unreachable))`,
    ],
    [
      'throw_ref in a wrapped loop',
      `(block $again (result exnref)
         (return (try_table (result i32) (catch_all_ref $again) (call $throw (local.get 0)))))
       (local.set $e)
       (block $value (result i32) ${wrapped('(try_table (result i32) (catch $value $value) (local.get $e) (throw_ref))')})`,
    ],
    [
      'catch_ref gives values and exception',
      `(block $both (result i32 exnref)
         (return (try_table (result i32) (catch_ref $value $both) (call $throw (local.get 0)))))
       (drop) (i32.add (i32.const 1))`,
    ],
    [
      'throw_ref of nothing traps, and is not caught',
      '(block $a (try_table (catch_all $a) (ref.null exn) (throw_ref))) (i32.const 1)',
    ],
    ['an exception tested for null', '(ref.is_null (local.get $e))'],
    [
      'a try_table in dead code',
      '(return (i32.const 1)) (block $a (try_table (catch_all $a) (throw $none))) (i32.const 1)',
    ],
    [
      'a try_table with parameters',
      '(local.get 0) (block $a (param i32) (result i32) (try_table (param i32) (result i32) (catch $value $a) (call $throw)))',
    ],
    [
      'a trap is not caught',
      '(block $a (return (try_table (result i32) (catch_all $a) (i32.div_u (i32.const 1) (local.get 0))))) (i32.const 5)',
    ],
    [
      'a tail call in a try_table is outside of it',
      '(block $a (try_table (catch_all $a) (return_call $throw (local.get 0)))) (i32.const 1)',
    ],
    [
      'a branch out of a try_table',
      '(block $b (result i32) (try_table (catch $value $b) (br $b (call $throw (local.get 0)))) (i32.const 4))',
    ],
  ])('%s', (_, body) => {
    same(`${thrower} (func (export "run") (param i32) (result i32) (local i32) (local $e exnref) ${body})`);
  });

  test('to the end of a function of several results', () => {
    same(`(func $throw (param i32) (if (local.get 0) (then (throw $pair (i64.const 1) (f64.const 2)))))
      (func (export "run") (param i32) (result i64 f64)
        (loop (try_table (catch $pair 1) (call $throw (local.get 0))) (br_if 0 (i32.const 0))) (i64.const 3) (f64.const 4))`);
  });
});

describe('beside other features', () => {
  test.each([
    [
      'a vector and references as values of an exception',
      `(tag $all (param v128 funcref externref f32))
       (func $f (param i32) (throw $all (v128.const i32x4 1 2 3 4) (ref.func $f) (ref.null extern) (f32.const 2.5)))
       (elem declare func $f)
       (func (export "run") (param i32) (result i32) (try (result i32) (do (call $f (i32.const 0)) (i32.const 0))
         (catch $all (drop) (drop) (drop) (i32x4.extract_lane 2))))`,
    ],
    [
      'bulk work and growth in a try, in a loop',
      `(memory 1 9) (func (export "run") (param i32) (result i32) (local i32)
        (loop $l (try (do
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 1000))
            (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (throw $none)))
            (memory.copy (i32.const 500) (i32.const 0) (i32.const 100)) (br $l))
          (catch_all))) (memory.size))`,
    ],
    [
      'indirect calls and tail calls that throw',
      `(type $f (func (param i32) (result i32))) (table 2 funcref) (elem (i32.const 0) $throw $tail)
       ${thrower}
       (func $tail (param i32) (result i32) (return_call_indirect (type $f) (local.get 0) (i32.const 0)))
       (func (export "run") (param i32) (result i32)
         (try (result i32) (do (call_indirect (type $f) (local.get 0) (i32.const 1))) (catch_all (i32.const 8))))`,
    ],
    [
      'a global of a constant expression decides',
      `${thrower} (global $g i32 (i32.add (i32.const 1) (i32.const 1)))
       (func (export "run") (param i32) (result i32)
         (try (result i32) (do (call $throw (global.get $g))) (catch $none (i32.const 8))))`,
    ],
  ])('%s', (_, functions) => same(functions));
});

describe('nothing escapes the counter', () => {
  const endless: readonly (readonly [string, string])[] = [
    ['a loop of throws', '(func (export "run") loop try throw $none catch_all end br 0 end)'],
    ['a loop that only a catch closes', '(func (export "run") loop try throw $none catch_all br 1 end end)'],
    [
      'a loop of rethrows',
      '(func (export "run") loop try try throw $none catch_all rethrow 0 end catch_all br 1 end end)',
    ],
    ['a loop of a try_table', '(func (export "run") loop try_table (catch_all 0) throw $none end end)'],
    [
      'a loop of throw_ref',
      `(func (export "run") (local exnref) loop block (result exnref) try_table (catch_all_ref 0) throw $none end unreachable end local.set 0
          block try_table (catch_all 0) local.get 0 throw_ref end end br 0 end)`,
    ],
    [
      'throws in a function that a loop calls',
      '(func $f throw $none) (func (export "run") loop try call $f catch_all end br 0 end)',
    ],
    ['recursion that catches and goes on', '(func $f (export "run") try throw $none catch_all call $f end)'],
    [
      'recursion in a try that catches its own end',
      `(func $f (export "run") ${'nop '.repeat(200)} try call $f catch_all end loop br 0 end)`,
    ],
    ['an endless loop in a catch', '(func (export "run") try throw $none catch_all loop br 0 end end)'],
    [
      'a loop whose catches leave through the function',
      '(func $f try_table (catch_all 0) throw $none end) (func (export "run") loop call $f br 0 end)',
    ],
  ];

  test.each(endless)('%s is stopped', (_, functions) => {
    const metered = meter(wat(`(module ${tags} ${functions})`), { limit: 50_000, slice: 1_000 });
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    expect(metered.used()).toBeGreaterThan(50_000);
    expect(metered.used()).toBeLessThan(50_000 + 2 * runGas);
  });

  test.each([
    ['catch_all', '(func (export "run") try call $host catch_all call $reached end)'],
    [
      'catch_all in a loop that is wrapped',
      `(func (export "run") (local i32) loop try call $host catch_all
        local.get 0 i32.const 1 i32.add local.tee 0 i32.const 7 i32.and br_if 1 call $reached end end)`,
    ],
    ['a label', '(func (export "run") block try_table (catch_all 0) call $host end end call $reached)'],
    ['the head of a loop', '(func (export "run") loop try_table (catch_all 0) call $host end call $reached end)'],
    [
      'the end of a function, whose caller goes on',
      `(tag) (func $f try_table (catch_all 0) call $host end)
       (func (export "run") call $f call $reached)`,
    ],
  ])('what the host throws when it has ended a guest is caught in vain: %s', (_, functions) => {
    let reached = 0;
    let left: { value: number } | null = null;
    const host = {
      call: () => {
        // As the kernel does: no gas is left to a guest that has ended.
        if (left !== null) left.value = -(2 ** 30);
        throw new Error('ended');
      },
      reached: () => void reached++,
    };
    const bytes = wat(`(module
      (import "host" "call" (func $host)) (import "host" "reached" (func $reached)) ${functions})`);
    const metered = meter(bytes, { imports: { host }, limit: 1_000_000, slice: 1_000_000 });
    left = metered.gasLeft;
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    expect(reached).toBe(0);
  });

  test('an exception that each of 10,000 functions throws again is paid for 10,000 times', () => {
    const text = `(module ${tags} (func $f (param i32)
        (if (i32.eqz (local.get 0)) (then (throw $none)))
        (try (do (call $f (i32.sub (local.get 0) (i32.const 1)))) (catch_all (rethrow 0))))
      (func (export "run") (param i32) (try (do (call $f (local.get 0))) (catch_all))))`;
    const metered = meter(wat(text));
    call(metered.exports, 'run', 5_000);
    const half = metered.used();
    const all = meter(wat(text));
    call(all.exports, 'run', 10_000);
    expect(all.used() - half).toBe(5_000 * (price + 3 + 5));
    const short = meter(wat(text), { limit: 500_000, slice: 5_000 });
    expect(outcome(() => call(short.exports, 'run', 10_000))).toEqual({ trap: 'unreachable' });
  });

  test('a profile build counts the same', () => {
    const text = `(module ${tags} (func $f nop throw $none)
      (func (export "run") (local i32) loop try call $f nop catch_all nop end
        local.get 0 i32.const 1 i32.add local.tee 0 i32.const 5 i32.lt_u br_if 0 end))`;
    const metered = meter(wat(text), { profile: true });
    call(metered.exports, 'run');
    const counts = [0, 1].map((index) =>
      Number((metered.exports[`trisiel.profile.${index}`] as WebAssembly.Global).value),
    );
    expect(counts[0]).toBe(5 * (1 + price));
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(gasOf(text));
  });
});

describe('caps', () => {
  const refusal = (text: string): string => {
    try {
      vetModule(wat(text), { provided: [] });
      return 'accepted';
    } catch (error) {
      return (error as { details: string[] }).details[0] ?? '';
    }
  };

  test('an exception carries four values at most, and tags are capped', () => {
    const values = (count: number) => `(module (func (export "_start")) (tag (param ${'i32 '.repeat(count)})))`;
    expect(refusal(values(4))).toBe('accepted');
    expect(refusal(values(5))).toBe('number of values that an exception carries: 5, at most 4');
    expect(refusal(`(module (func (export "_start")) ${'(tag)'.repeat(1_001)})`)).toBe(
      'number of exception tags: 1,001, at most 1,000',
    );
  });

  test('calls in a try count as branches: the engine joins all locals behind each of them', () => {
    const calls = (count: number, open: string, close: string) =>
      `(module (func $f) (func (export "_start") (local ${'i32 '.repeat(4_000)}) ${open} ${'call $f '.repeat(count)} ${close}))`;
    expect(refusal(calls(600, '', ''))).toBe('accepted');
    expect(refusal(calls(600, 'try', 'catch_all end'))).toContain('(locals + operand depth) x branches');
    expect(refusal(calls(600, 'block try_table (catch_all 0)', 'end end'))).toContain('x branches');
  });
});

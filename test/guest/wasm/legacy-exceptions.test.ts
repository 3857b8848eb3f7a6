/**
 * The rules of the older form of exceptions (try, catch, catch_all, delegate, rethrow), one by one from the text of the
 * proposal "Exception handling, legacy": what a valid module is, and what it does. The engine must give what the text
 * says, and the rewritten module the same, at the same gas however gas is granted. The other form has the
 * specification's own scripts (spec.test.ts); random programs of both are in exceptions.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { moduleWith } from '../../support/module-builder.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

const slices = [1, 97, 5_000_000];
const tags = `(tag $e0) (tag $e1) (tag $e2) (tag $i32 (param i32)) (tag $i64 (param i64)) (tag $f32 (param f32))
  (tag $f64 (param f64)) (tag $two (param i32 i64))`;
const helpers = `(type $nothing (func)) (table funcref (elem $tail))
  (func $e0 (throw $e0)) (func $e1 (throw $e1))
  (func $none)
  (func $by (param i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e0)))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $e1)))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $e2))))
  (func $div (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
  (func $deep (param i32) (if (i32.eqz (local.get 0)) (then (throw $e0))) (call $deep (i32.sub (local.get 0) (i32.const 1))))`;

const uncaught = { exception: true } as const;
const value = (result: unknown) => ({ value: result });
const trap = (text: string) => ({ trap: text });

/** A rule, the function `run` that shows it, and what `run` gives for arguments. */
type Rule = readonly [string, string, readonly (readonly [args: readonly unknown[], result: unknown])[]];

/** Of a function (param i32) (result i32) with one i32 local. */
const rules: readonly Rule[] = [
  // try
  [
    'a try whose body throws nothing gives the values of its body',
    '(try (result i32) (do (i32.const 3)) (catch $e0 (i32.const 0)))',
    [[[0], value(3)]],
  ],
  [
    'a try without a catch lets everything through',
    '(try (do (call $by (local.get 0)))) (i32.const 8)',
    [
      [[0], value(8)],
      [[1], uncaught],
    ],
  ],
  ['an empty body', '(try (do) (catch $e0)) (try (do) (catch_all)) (i32.const 1)', [[[0], value(1)]]],
  [
    'a try takes parameters',
    '(i32.const 5) (local.get 0) (try (param i32 i32) (result i32) (do (i32.add)) (catch_all (i32.const 0)))',
    [[[4], value(9)]],
  ],
  [
    'several results, from the body or from a catch',
    '(try (result i32 i32) (do (call $by (local.get 0)) (i32.const 7) (i32.const 2)) (catch $e0 (i32.const 1) (i32.const 9))) (i32.sub)',
    [
      [[0], value(5)],
      [[1], value(-8)],
    ],
  ],
  [
    'a branch to the label of a try gives its results, from the body and from a catch',
    `(try $t (result i32) (do (br_if $t (i32.const 4) (i32.eqz (local.get 0))) (drop) (throw $e0))
       (catch $e0 (br $t (i32.const 6)) (unreachable)))`,
    [
      [[0], value(4)],
      [[1], value(6)],
    ],
  ],
  [
    'return leaves the function, from the body and from a catch',
    '(try (do (if (i32.eqz (local.get 0)) (then (return (i32.const 11)))) (throw $e0)) (catch_all (return (i32.const 12)))) (i32.const 13)',
    [
      [[0], value(11)],
      [[1], value(12)],
    ],
  ],
  [
    'values below the try stay',
    '(i32.const 100) (try (result i32) (do (i32.const 1) (i32.const 2) (throw $e0)) (catch $e0 (i32.const 23))) (i32.add)',
    [[[0], value(123)]],
  ],
  [
    'locals keep what was set before the throw',
    '(try (do (local.set 1 (i32.const 1)) (call $by (local.get 0)) (local.set 1 (i32.const 2))) (catch $e0)) (local.get 1)',
    [
      [[0], value(2)],
      [[1], value(1)],
    ],
  ],
  // catch
  [
    'a catch takes its tag, and no other',
    '(try (result i32) (do (call $by (local.get 0)) (i32.const 9)) (catch $e0 (i32.const 1)) (catch $e1 (i32.const 2)))',
    [
      [[0], value(9)],
      [[1], value(1)],
      [[2], value(2)],
      [[3], uncaught],
    ],
  ],
  [
    'the first of two catches of one tag is taken',
    '(try (result i32) (do (throw $e0)) (catch $e0 (i32.const 1)) (catch $e0 (i32.const 2)))',
    [[[0], value(1)]],
  ],
  [
    'tags are told apart by identity, not by type',
    '(try (result i32) (do (throw $e1)) (catch $e0 (i32.const 1)) (catch_all (i32.const 2)))',
    [[[0], value(2)]],
  ],
  [
    'catch_all takes what no catch before it takes',
    '(try (result i32) (do (call $by (local.get 0)) (i32.const 9)) (catch $e1 (i32.const 2)) (catch_all (i32.const 3)))',
    [
      [[0], value(9)],
      [[1], value(3)],
      [[2], value(2)],
      [[3], value(3)],
    ],
  ],
  [
    'a catch gets the values: i32',
    '(try (result i32) (do (throw $i32 (local.get 0))) (catch $i32))',
    [[[-7], value(-7)]],
  ],
  [
    'a catch gets the values: i64',
    '(try (result i64) (do (throw $i64 (i64.const -2))) (catch $i64)) (i32.wrap_i64)',
    [[[0], value(-2)]],
  ],
  [
    'a catch gets the values: f32',
    '(try (result f32) (do (throw $f32 (f32.const 5.5))) (catch $f32)) (i32.reinterpret_f32)',
    [[[0], value(0x40b0_0000)]],
  ],
  [
    'a catch gets the values: f32, the bits of a NaN',
    '(try (result f32) (do (throw $f32 (f32.const nan:0x200001))) (catch $f32)) (i32.reinterpret_f32)',
    [[[0], value(0x7fa0_0001)]],
  ],
  [
    'a catch gets the values: f64',
    '(try (result f64) (do (throw $f64 (f64.const 10.5))) (catch $f64)) (i32.trunc_f64_s)',
    [[[0], value(10)]],
  ],
  [
    'a catch gets the values: in their order',
    '(try (result i32 i64) (do (throw $two (local.get 0) (i64.const 3))) (catch $two)) (i32.wrap_i64) (i32.sub)',
    [[[5], value(2)]],
  ],
  [
    'what is thrown in a catch is not taken by the same try',
    '(try (result i32) (do (try (result i32) (do (throw $e0)) (catch $e0 (throw $e1)) (catch $e1 (i32.const 1)) (catch_all (i32.const 2)))) (catch $e1 (i32.const 3)))',
    [[[0], value(3)]],
  ],
  [
    'the innermost try that has a catch for it takes it',
    `(try (result i32) (do (try (result i32) (do (try (result i32) (do (call $by (local.get 0)) (i32.const 0)) (catch $e0 (i32.const 1))))
        (catch $e0 (i32.const 10)) (catch $e1 (i32.const 2))))
       (catch $e1 (i32.const 20)) (catch $e2 (i32.const 3)))`,
    [
      [[0], value(0)],
      [[1], value(1)],
      [[2], value(2)],
      [[3], value(3)],
    ],
  ],
  [
    'from 1,000 calls deep',
    '(try (result i32) (do (call $deep (i32.const 1000)) (i32.const 0)) (catch $e0 (i32.const 1)))',
    [[[0], value(1)]],
  ],
  [
    'traps are not caught: unreachable',
    '(try (do (unreachable)) (catch_all)) (i32.const 0)',
    [[[0], trap('unreachable')]],
  ],
  [
    'traps are not caught: of a callee',
    '(try (result i32) (do (call $div (i32.const 7) (local.get 0))) (catch_all (i32.const 11)))',
    [
      [[2], value(3)],
      [[0], trap('divide by zero')],
    ],
  ],
  ['a tail call has left the try', '(try (do (return_call $tail)) (catch_all)) (i32.const 0)', [[[0], uncaught]]],
  [
    'a tail call through a table has left the try',
    '(try (do (return_call_indirect (result i32) (i32.const 0))) (catch_all)) (i32.const 0)',
    [[[0], uncaught]],
  ],
  ['throw leaves a stack of any type behind', '(i32.const 1) (i64.const 2) (throw $e0)', [[[0], uncaught]]],
  [
    'nested calls that throw and catch in a loop',
    `(loop $l (try (do (call $by (i32.add (i32.const 1) (i32.rem_u (local.get 1) (i32.const 2))))) (catch $e0 (local.set 0 (i32.add (local.get 0) (i32.const 1))))
        (catch_all (local.set 0 (i32.add (local.get 0) (i32.const 100)))))
       (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 9)))) (local.get 0)`,
    [[[0], value(405)]],
  ],
  // rethrow
  ['rethrow in a catch', '(try (do (throw $e0)) (catch $e0 (rethrow 0))) (i32.const 0)', [[[0], uncaught]]],
  [
    'rethrow in a catch_all keeps the tag',
    '(try (result i32) (do (try (result i32) (do (throw $e1)) (catch_all (rethrow 0)))) (catch $e0 (i32.const 1)) (catch $e1 (i32.const 2)))',
    [[[0], value(2)]],
  ],
  [
    'rethrow in a catch_all keeps the values',
    '(try (result i32 i64) (do (try (do (throw $two (local.get 0) (i64.const 3))) (catch_all (rethrow 0))) (unreachable)) (catch $two)) (drop)',
    [[[44], value(44)]],
  ],
  [
    'rethrow from within a block of the catch',
    '(try (result i32) (do (throw $e0)) (catch $e0 (if (i32.eqz (local.get 0)) (then (rethrow 1))) (i32.const 23)))',
    [
      [[0], uncaught],
      [[1], value(23)],
    ],
  ],
  [
    'rethrow names the catch by its label',
    `(try (result i32) (do (try (result i32) (do (throw $e1))
        (catch $e1 (try (result i32) (do (throw $e0))
          (catch $e0 (if (i32.eq (local.get 0) (i32.const 0)) (then (rethrow 1)))
            (if (i32.eq (local.get 0) (i32.const 1)) (then (rethrow 2)))
            (i32.const 23))))))
       (catch $e0 (i32.const 30)) (catch $e1 (i32.const 31)))`,
    [
      [[0], value(30)],
      [[1], value(31)],
      [[2], value(23)],
    ],
  ],
  [
    'a rethrow is caught like a throw, by a try within the catch',
    '(try (result i32) (do (throw $e0)) (catch $e0 (try (result i32) (do (if (i32.eqz (local.get 0)) (then (rethrow 2))) (i32.const 42)) (catch $e0 (i32.const 23)))))',
    [
      [[0], value(23)],
      [[1], value(42)],
    ],
  ],
  [
    'rethrow after another exception was caught within throws the outer one',
    '(try (result i32) (do (try (result i32) (do (throw $e0)) (catch $e0 (try (do (throw $e1)) (catch_all)) (rethrow 0)))) (catch $e0 (i32.const 1)) (catch $e1 (i32.const 2)))',
    [[[0], value(1)]],
  ],
  [
    'rethrow after a call that caught another one',
    '(try (result i32) (do (try (result i32) (do (throw $e0)) (catch_all (call $swallow) (rethrow 0)))) (catch $e0 (i32.const 1)) (catch_all (i32.const 2)))',
    [[[0], value(1)]],
  ],
  [
    'rethrow leaves a stack of any type behind',
    '(try (result i32) (do (throw $e0)) (catch $e0 (i64.const 1) (rethrow 0)))',
    [[[0], uncaught]],
  ],
  // delegate
  [
    'a try with delegate whose body throws nothing',
    '(try $t (result i32) (do (try (result i32) (do (i32.const 1)) (delegate $t))) (catch $e0 (i32.const 2)))',
    [[[0], value(1)]],
  ],
  [
    'delegate hands to the catches of the try that it names',
    '(try $t (result i32) (do (try (result i32) (do (call $by (local.get 0)) (i32.const 1)) (delegate $t))) (catch $e0 (i32.const 2)))',
    [
      [[0], value(1)],
      [[1], value(2)],
      [[2], uncaught],
    ],
  ],
  [
    'delegate passes the tries between',
    `(try $t (result i32) (do (try (result i32) (do (try (result i32) (do (throw $e0)) (delegate $t))) (catch $e0 (i32.const 2)) (catch_all (i32.const 4))))
       (catch $e0 (i32.const 3)))`,
    [[[0], value(3)]],
  ],
  [
    'delegate to a block goes to the try around that block',
    '(try (result i32) (do (block (try (do (throw $e0)) (delegate 0))) (i32.const 0)) (catch_all (i32.const 1)))',
    [[[0], value(1)]],
  ],
  [
    'delegate to a loop goes to the try around that loop',
    '(try (result i32) (do (loop (try (do (throw $e0)) (delegate 0))) (i32.const 0)) (catch_all (i32.const 1)))',
    [[[0], value(1)]],
  ],
  [
    'delegate to an if goes to the try around it',
    '(try (result i32) (do (if (i32.const 1) (then (try (do (throw $e0)) (delegate 0)))) (i32.const 0)) (catch_all (i32.const 1)))',
    [[[0], value(1)]],
  ],
  [
    'delegate to a try whose catch it stands in goes around that try',
    `(try (result i32) (do (try $t (result i32) (do (throw $e0)) (catch_all (try (result i32) (do (throw $e1)) (delegate $t)))))
       (catch $e1 (i32.const 5)) (catch_all (i32.const 6)))`,
    [[[0], value(5)]],
  ],
  [
    'delegate to the caller',
    '(try (do (try (do (throw $e0)) (delegate 1))) (catch_all)) (i32.const 0)',
    [[[0], uncaught]],
  ],
  [
    'delegate to the caller, whose try takes it',
    '(try (result i32) (do (call $delegates) (i32.const 0)) (catch $e0 (i32.const 7)))',
    [[[0], value(7)]],
  ],
  [
    'delegate to a delegate is handed on',
    `(try $a (result i32) (do (try $b (result i32) (do (try (result i32) (do (throw $e0)) (delegate $b))) (delegate $a))) (catch $e0 (i32.const 8)))`,
    [[[0], value(8)]],
  ],
  [
    'delegate to a try without a catch goes on around it',
    '(try (result i32) (do (try $t (result i32) (do (try (result i32) (do (throw $e0)) (delegate $t))))) (catch_all (i32.const 9)))',
    [[[0], value(9)]],
  ],
  [
    'the label of a try with delegate can be branched to',
    '(try $d (result i32) (do (br $d (i32.const 3)) (throw $e0)) (delegate 0))',
    [[[0], value(3)]],
  ],
  [
    'throws beside a delegate and in it',
    `(try $t (result i32) (do (call $by (local.get 0)) (try (result i32) (do (call $by (i32.sub (i32.const 4) (local.get 0))) (i32.const 1)) (delegate $t)))
       (catch $e0 (i32.const 2)) (catch $e1 (i32.const 3)))`,
    [
      [[1], value(2)],
      [[2], value(3)],
      [[4], value(1)],
      [[3], uncaught],
    ],
  ],
];

test.each(rules)('%s', (_, text, cases) => {
  const bytes = wat(`(module ${tags} ${helpers}
    (func $tail (result i32) (throw $e0))
    (func $swallow (try (do (throw $e2)) (catch_all)))
    (func $delegates (try (do (try (do (throw $e0)) (delegate 1))) (catch_all)))
    (func (export "run") (param i32) (result i32) (local i32) ${text}))`);
  const used = slices.map((slice) => {
    const { exports, used } = meter(bytes, { slice });
    for (const [args, result] of cases) expect(outcome(() => call(exports, 'run', ...args))).toEqual(result);
    return used();
  });
  for (const gas of used) expect(gas).toBe(used[0]);
  const before = plain(bytes);
  for (const [args, result] of cases) expect(outcome(() => call(before, 'run', ...args))).toEqual(result);
});

/** The engine and the rewriter agree on whether a module is valid. */
function isValid(bytes: Uint8Array<ArrayBuffer>): boolean {
  const valid = WebAssembly.validate(bytes);
  if (valid) expect(WebAssembly.validate(rewriteModule(bytes).bytes as Uint8Array<ArrayBuffer>)).toBe(true);
  else expect(() => rewriteModule(bytes)).toThrow(expect.objectContaining({ code: 'module_invalid' }));
  return valid;
}

describe('is invalid', () => {
  test.each([
    ['a body that does not give the result', '(func (result i32) (try (result i32) (do) (catch_all (i32.const 1))))'],
    ['a body that gives another type', '(func (result i32) (try (result i32) (do (i64.const 42))))'],
    ['a body that gives more', '(func (try (do (i32.const 42))))'],
    ['a catch that does not give the result', '(func (result i32) (try (result i32) (do (i32.const 1)) (catch $e0)))'],
    ['a catch that gives more', '(func (try (do) (catch $e0 (i32.const 42))))'],
    [
      'a catch whose values are not the result',
      '(func (result i32) (try (result i32) (do (i32.const 42)) (catch $i64)))',
    ],
    ['a catch that leaves its values', '(func (try (do) (catch $i32)))'],
    ['a catch_all that gives more', '(func (try (do) (catch_all (i32.const 42))))'],
    ['a catch_all that wants values', '(func (result i32) (try (result i32) (do (i32.const 1)) (catch_all)))'],
    [
      'a catch that takes the parameters of its try',
      '(func (i32.const 1) (try (param i32) (do (drop)) (catch $e0 (drop))))',
    ],
    ['a body that takes what lies below its try', '(func (i32.const 1) (try (do (drop)) (catch_all)))'],
    ['a throw without its values', '(func (throw $i32))'],
    ['a throw with a value of another type', '(func (throw $i32 (f32.const 0)))'],
    ['a throw with too few values', '(func (throw $two (i64.const 0)))'],
    ['a rethrow outside of a catch', '(func (rethrow 0))'],
    ['a rethrow to a block', '(func (block (rethrow 0)))'],
    ['a rethrow to a block within a catch', '(func (try (do) (catch_all (block (rethrow 0)))))'],
    ['a rethrow to a try from its body', '(func (try (do (rethrow 0)) (catch_all)))'],
    ['a rethrow to a try with delegate', '(func (try (do (rethrow 0)) (delegate 0)))'],
    ['a rethrow to the function', '(func (try (do) (catch_all (rethrow 1))))'],
    [
      'a branch to a try with another type',
      '(func (try $t (result i32) (do (br $t)) (catch_all (i32.const 1))) (drop))',
    ],
  ])('%s', (_, text) => {
    expect(isValid(wat(`(module ${tags} ${text})`))).toBe(false);
  });

  // Opcodes: try 06, catch 07, throw 08, rethrow 09, delegate 18, catch_all 19; 40 is the empty block type.
  test.each([
    ['a catch_all without a try', [0x19]],
    ['a catch_all in a block', [0x02, 0x40, 0x19, 0x0b]],
    ['a delegate without a try', [0x18, 0x00]],
    ['a delegate that ends a block', [0x02, 0x40, 0x18, 0x00]],
    ['two catch_all', [0x06, 0x40, 0x19, 0x19, 0x0b]],
    ['a catch behind a catch_all', [0x06, 0x40, 0x19, 0x07, 0x00, 0x0b]],
    ['a delegate behind a catch_all', [0x06, 0x40, 0x19, 0x18, 0x00]],
    ['an else in a try', [0x06, 0x40, 0x05, 0x0b]],
    ['a delegate to a label that is none', [0x06, 0x40, 0x18, 0x01]],
    ['a delegate far out', [0x06, 0x40, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a rethrow far out', [0x06, 0x40, 0x19, 0x09, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b]],
    ['a throw of a tag that is none', [0x08, 0x00]],
    ['a catch of a tag that is none', [0x06, 0x40, 0x07, 0x00, 0x0b]],
    ['a try without an end', [0x06, 0x40]],
    ['a block type that is none', [0x06, 0x05, 0x0b]],
  ])('%s', (_, instructions) => {
    expect(isValid(moduleWith(instructions))).toBe(false);
  });

  test('a tag with results', () => {
    expect(isValid(wat('(module (type $t (func (result i32))) (tag (type $t)))'))).toBe(false);
  });
});

describe('is valid', () => {
  test.each([
    [
      'delegate to each kind of label',
      '(func (block (loop (if (i32.const 1) (then (try (do (try (do) (delegate 0)) (try (do) (delegate 1)) (try (do) (delegate 2)) (try (do) (delegate 3)) (try (do) (delegate 4))) (catch_all)))))))',
    ],
    ['delegate within a catch to the try of that catch', '(func (try $t (do) (catch_all (try (do) (delegate $t)))))'],
    ['rethrow in dead code of a catch', '(func (try (do) (catch_all (unreachable) (rethrow 0))))'],
    [
      'a catch behind a body that does not end',
      '(func (result i32) (try (result i32) (do (unreachable)) (catch $i32)))',
    ],
    [
      'a try with the types of a signature',
      '(func (param i32) (result i64 i32) (local.get 0) (try (param i32) (result i64 i32) (do (drop) (i64.const 1) (i32.const 2)) (catch_all (i64.const 3) (i32.const 4))))',
    ],
  ])('%s', (_, text) => {
    expect(isValid(wat(`(module ${tags} ${text})`))).toBe(true);
  });
});

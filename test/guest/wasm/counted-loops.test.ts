import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findSection } from '../../../src/guest/wasm/format/model.ts';
import { readModule } from '../../../src/guest/wasm/format/read-module.ts';
import { costs } from '../../../src/guest/wasm/meter/costs.ts';
import { CodeScanner } from '../../../src/guest/wasm/meter/scan-code.ts';
import { pageBytesOf } from '../../support/pages.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

/** How the loops of the module's only function count: rounds where known beforehand, 'some' where not. */
function countedIn(text: string): (number | 'some')[] {
  const module = readModule(wat(text), 'test');
  const section = findSection(module, 10);
  if (section === undefined) throw new Error('no code');
  // One function: behind the count and a size of one or two bytes.
  const start = section.start + (module.bytes[section.start + 1]! < 0x80 ? 2 : 3);
  const scanner = new CodeScanner(module, costs);
  scanner.scan(module.functionImports.length, start, section.end);
  return [...scanner.flow.loops.countedLoops]
    .filter(([loop]) => scanner.flow.loops.backs(loop) === 1)
    .map(([, found]) => found.rounds ?? 'some');
}

const run = (body: string) => `(module (memory 1) (func (export "run") (param i32 i32) (local i32 i32 i32) ${body}))`;
const step = (by = '(i32.const 1)', operation = 'add') => `(i32.${operation} (local.get 2) ${by})`;

describe('what is recognised', () => {
  test.each([
    ['up to a local', `(loop (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`, ['some']],
    ['with the bound in front', `(loop (br_if 0 (i32.gt_s (local.get 0) (local.tee 2 ${step()}))))`, ['some']],
    ['stepped before', `(loop (local.set 2 ${step()}) nop (br_if 0 (i32.ne (local.get 2) (local.get 0))))`, ['some']],
    ['down to zero', `(loop (br_if 0 (local.tee 2 ${step('(i32.const -4)')})))`, ['some']],
    [
      'down by a local',
      `(loop (br_if 0 (i32.gt_u (local.tee 2 ${step('(local.get 1)', 'sub')}) (i32.const 9))))`,
      ['some'],
    ],
    [
      'from a constant to a constant',
      `(local.set 2 (i32.const 3)) (loop (br_if 0 (i32.lt_s (local.tee 2 ${step('(i32.const 2)')}) (i32.const 10))))`,
      [4],
    ],
    [
      'with the comparison first',
      `(local.set 2 (i32.const 0)) (loop (if (i32.lt_u (local.get 2) (i32.const 64)) (then (local.set 2 ${step()}) (br 1))))`,
      [64],
    ],
    [
      'with the comparison in the middle, the other way round',
      `(local.set 2 (i32.const 0)) (loop (local.set 2 ${step()})
        (if (i32.eqz (i32.eq (local.get 2) (i32.const 64))) (then (br 1))))`,
      [63],
    ],
    [
      'in one another, around branches',
      `(loop (if (local.get 1) (then nop) (else nop)) (local.set 3 (i32.const 0))
        (loop (br_if 0 (i32.ne (local.tee 3 (i32.add (local.get 3) (i32.const 1))) (i32.const 7))))
        (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`,
      [7, 'some'],
    ],
  ])('%s', (_, body, expected) => {
    expect(countedIn(run(body))).toEqual(expected);
  });

  test.each([
    [
      'another way out',
      `(block (loop (br_if 1 (local.get 1)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0)))))`,
    ],
    ['a return', `(loop (if (local.get 1) (then return)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`],
    [
      'unreachable',
      `(loop (if (local.get 1) (then unreachable)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`,
    ],
    ['another way back', `(loop (br_if 0 (local.get 1)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`],
    [
      'a call',
      `(loop (call 0 (local.get 1) (local.get 1)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`,
    ],
    [
      'bulk work',
      `(loop (memory.fill (local.get 1) (local.get 1) (local.get 1)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`,
    ],
    [
      'a bound that moves',
      `(loop (local.set 0 (local.get 1)) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`,
    ],
    [
      'a step that moves',
      `(loop (local.set 1 (local.get 0)) (br_if 0 (i32.lt_u (local.tee 2 ${step('(local.get 1)')}) (local.get 0))))`,
    ],
    ['a second step', `(loop (local.set 2 ${step()}) (br_if 0 (i32.lt_u (local.tee 2 ${step()}) (local.get 0))))`],
    [
      'a step in a branch',
      `(loop (if (local.get 1) (then (local.set 2 ${step()}))) (br_if 0 (i32.lt_u (local.get 2) (local.get 0))))`,
    ],
    ['no step', '(loop (br_if 0 (i32.lt_u (local.get 2) (local.get 0))))'],
    ['a step of zero', `(loop (br_if 0 (i32.lt_u (local.tee 2 ${step('(i32.const 0)')}) (local.get 0))))`],
    ['the wrong way', `(loop (br_if 0 (i32.gt_u (local.tee 2 ${step()}) (local.get 0))))`],
    ['what is compared below the step', `(loop (local.get 1) (local.get 0) (local.set 2 ${step()}) i32.gt_u br_if 0)`],
    [
      'a step of another local',
      `(loop (br_if 0 (i32.lt_u (local.tee 2 (i32.add (local.get 3) (i32.const 1))) (local.get 0))))`,
    ],
    [
      'a sum that is more than a step',
      `(loop (br_if 0 (i32.lt_u (local.tee 2 (i32.add (i32.load (local.get 2)) (i32.const 1))) (local.get 0))))`,
    ],
    ['equality', `(loop (br_if 0 (i32.eq (local.tee 2 ${step()}) (local.get 0))))`],
    [
      'a comparison first, of what is not known',
      `(loop (if (i32.lt_u (local.get 2) (local.get 0)) (then (local.set 2 ${step()}) (br 1))))`,
    ],
    [
      'an else that goes back',
      `(local.set 2 (i32.const 0)) (loop (if (i32.lt_u (local.get 2) (i32.const 9)) (then) (else (local.set 2 ${step()}) (br 1))))`,
    ],
  ])('not with %s', (_, body) => {
    expect(countedIn(run(body))).toEqual([]);
  });
});

const compares = ['ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u'] as const;
type Compare = (typeof compares)[number];

function holds(compare: Compare, a: number, b: number): boolean {
  if (compare === 'ne') return (a | 0) !== (b | 0);
  const [x, y] = compare.endsWith('u') ? [a >>> 0, b >>> 0] : [a | 0, b | 0];
  return { lt: x < y, gt: x > y, le: x <= y, ge: x >= y }[compare.slice(0, 2) as 'lt' | 'gt' | 'le' | 'ge'];
}

/** Numbers around the edges of the range, where it goes over and under. */
const number = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: 0x7fff_ff00, max: 0x7fff_ffff }),
  fc.integer({ min: -0x8000_0000, max: -0x7fff_ff00 }),
);

const parameters = fc.record({
  form: fc.constantFrom('tee', 'boundFirst', 'got', 'testFirst', 'testLast'),
  compare: fc.constantFrom(...compares),
  operation: fc.constantFrom('add', 'sub'),
  by: fc.integer({ min: -9, max: 9 }),
  near: fc.integer({ min: -40, max: 40 }),
  bound: number,
  // What the guest gets as an argument, and not as a constant.
  unknown: fc.record({ initial: fc.boolean(), bound: fc.boolean(), by: fc.boolean() }),
  body: fc.constantFrom('none', 'store', 'branch', 'inner', 'search'),
  again: fc.integer({ min: 1, max: 3 }),
});

const roundsMax = 5_000;

/** The naive count of instructions, and the text of the loop. */
function loopText(given: typeof parameters extends fc.Arbitrary<infer T> ? T : never, counting: boolean): string {
  const count = (n: number) => (counting ? `i32.const ${n} call $count` : '');
  const { form, compare, operation, unknown } = given;
  const initial = given.bound + given.near * given.by;
  const of = (name: 'initial' | 'bound' | 'by', local: number, value: number) =>
    unknown[name] ? `local.get ${local}` : `i32.const ${value | 0}`;
  const bound = of('bound', 1, given.bound);
  const stepping = `local.get 3 ${of('by', 2, given.by)} i32.${operation}`;
  const body = {
    none: '',
    store: `${count(4)} local.get 3 i32.const 0xffff i32.and local.get 3 ${count(1)} i32.store8`,
    branch: `${count(4)} local.get 3 i32.const 1 i32.and if ${count(5)} local.get 4 i32.const 3 i32.mul local.set 4 else
      ${count(5)} local.get 4 local.get 3 i32.xor local.set 4 end`,
    inner: `${count(3)} i32.const 0 local.set 5 loop ${count(7)} local.get 5 i32.const 1 i32.add local.tee 5 i32.const 5 i32.ne br_if 0 end ${count(1)}`,
    search: `${count(5)} local.get 3 i32.const 31 i32.and local.set 5 loop ${count(8)} local.get 5 i32.const 1 i32.shr_u local.set 5
      local.get 5 i32.const 2 i32.gt_u br_if 0 end ${count(1)}`,
  }[given.body];
  const loop = {
    tee: `${count(7)} ${stepping} local.tee 3 ${bound} i32.${compare} br_if 0 end ${count(1)}`,
    boundFirst: `${count(7)} ${bound} ${stepping} local.tee 3 i32.${compare} br_if 0 end ${count(1)}`,
    got: `${count(4)} ${stepping} local.set 3 ${counting ? count(4) : ''} local.get 3 ${bound} i32.${compare} br_if 0 end ${count(1)}`,
    testFirst: `${count(4)} local.get 3 ${bound} i32.${compare} if ${count(5)} ${stepping} local.set 3 br 1 end ${count(1)} end`,
    testLast: `${count(4)} ${stepping} local.set 3 ${count(4)} local.get 3 ${bound} i32.${compare} if ${count(1)} br 1 end ${count(1)} end`,
  }[form];
  // Two rounds around it, so that what is left from the first matters to the second.
  return `(module (memory (export "memory") 1)
    (global $counted (export "counted") (mut i32) (i32.const 0))
    (func $count (param i32) local.get 0 global.get $counted i32.add global.set $counted)
    (func (export "run") (param i32 i32 i32) (result i32) (local i32 i32 i32 i32)
      ${count(1)} loop
        ${count(3)} ${of('initial', 0, initial)} local.set 3 loop ${body} ${loop}
        ${count(7)} local.get 6 i32.const 1 i32.add local.tee 6 i32.const ${given.again} i32.lt_u br_if 0
      end ${count(5)} local.get 4 local.get 3 i32.add))`;
}

/** Rounds of the loop, or null for too many. */
function rounds(given: typeof parameters extends fc.Arbitrary<infer T> ? T : never): number | null {
  const { form, compare, operation, by } = given;
  let i = (given.bound + given.near * by) | 0;
  for (let round = 1; round <= roundsMax; round++) {
    const before = i;
    i = (operation === 'add' ? i + by : i - by) | 0;
    const tested = form === 'testFirst' ? before : i;
    const goesOn = form === 'boundFirst' ? holds(compare, given.bound, tested) : holds(compare, tested, given.bound);
    if (!goesOn) return round;
  }
  return null;
}

test('counted loops do what they did and use what the naive way counts, however gas is granted', () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  fc.assert(
    fc.property(parameters, fc.integer({ min: 1, max: 3_000 }), (given, slice) => {
      fc.pre(rounds(given) !== null);
      const args = [given.bound + given.near * given.by, given.bound, given.by];
      const counting = plain(wat(loopText(given, true)));
      const expected = outcome(() => call(counting, 'run', ...args));
      const used = (counting.counted as WebAssembly.Global<'i32'>).value;
      const bytes = wat(loopText(given, false));
      for (const granted of [2 ** 30, slice]) {
        const metered = meter(bytes, { slice: granted, limit: granted === slice ? used : 2 ** 30 });
        expect(outcome(() => call(metered.exports, 'run', ...args))).toEqual(expected);
        expect(metered.used()).toBe(used);
        expect(pageBytesOf(metered.memory)).toEqual(pageBytesOf(counting.memory as WebAssembly.Memory));
      }
      const short = meter(bytes, { slice, limit: used - 1 });
      const stopped = outcome(() => call(short.exports, 'run', ...args));
      if (JSON.stringify(stopped) !== JSON.stringify(expected)) expect(stopped).toEqual({ trap: 'unreachable' });
      expect(short.used()).toBeGreaterThan(used - 1);
    }),
    { seed, numRuns: 400, interruptAfterTimeLimit: 20_000 },
  );
});

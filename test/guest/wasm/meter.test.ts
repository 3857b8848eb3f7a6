import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { costs } from '../../../src/guest/wasm/meter/costs.ts';
import { runGas } from '../../../src/guest/wasm/meter/loop-plan.ts';
import { creditMax } from '../../../src/guest/wasm/meter/placement.ts';
import { expectExactGas } from '../../support/exact-gas.ts';
import { pageBytesOf } from '../../support/pages.ts';
import { programs } from '../../support/program.ts';
import { call, gasOf, type Metered, meter, outcome, plain, wat } from '../../support/wasm.ts';

const h = Buffer.from(
  'AGFzbQEAAAABCAJgAX8AYAAAAgcBAWgBaAAAAwIBAQcFAQFoAAEKGwEZAQN/QQohAEHoACEBQSchAiABEAAgABAACw==',
  'base64',
);

function runH(limit: number): { printed: string; metered: Metered; result: unknown } {
  let printed = '';
  const host = {
    h: {
      h: (byte: number) => {
        printed += String.fromCharCode(byte);
      },
    },
  };
  const metered = meter(h, { imports: host, limit });
  const result = outcome(() => call(metered.exports, 'h'));
  return { printed, metered, result };
}

describe('exact gas', () => {
  test('the h program uses 11', () => {
    const { printed, metered } = runH(1_000);
    expect(printed).toBe('h\n');
    expect(metered.used()).toBe(11);
  });

  test('a limit of exactly what is needed suffices, one less does not', () => {
    expect(runH(11).result).toEqual({ value: undefined });
    const refused = runH(10);
    expect(refused.result).toEqual({ trap: 'unreachable' });
    expect(refused.printed).toBe('');
  });

  test.each([
    ['an empty body: its end', '(func (export "run"))', 1],
    ['straight-line code', '(func (export "run") nop nop (drop (i32.const 1)))', 5],
    ['a block: its block and end', '(func (export "run") block nop end)', 4],
    ['a branch to a block goes behind its end', '(func (export "run") block br 0 nop end)', 3],
    ['code behind a branch or return is free', '(func (export "run") block nop end return nop nop)', 4],
    ['an if that is taken', '(func (export "run") i32.const 1 if nop end)', 5],
    ['an if that is not taken', '(func (export "run") i32.const 0 if nop nop nop end)', 3],
    ['an if with the costlier arm', '(func (export "run") i32.const 1 if nop nop nop else nop end)', 7],
    ['an if with the cheaper arm', '(func (export "run") i32.const 0 if nop nop nop else nop end)', 5],
    [
      'a loop of 10: loop once, its body ten times',
      '(func (export "run") (local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 10 i32.lt_u br_if 0 end)',
      1 + 10 * 7 + 2,
    ],
    [
      'a loop in a function of several results',
      '(func (export "run") (result i32 i64) (local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 10 i32.lt_u br_if 0 end local.get 0 i64.const 1)',
      1 + 10 * 7 + 4,
    ],
    [
      'a loop with parameters beside one without',
      `(func (export "run") (local i32)
        i32.const 3 loop (param i32) i32.const 1 i32.sub local.tee 0 local.get 0 br_if 0 drop end
        loop local.get 0 i32.const 2 i32.add local.tee 0 i32.const 31 i32.and br_if 0 end)`,
      2 + 3 * 5 + 2 + 1 + 16 * 7 + 2,
    ],
    [
      'bulk work between loops',
      `(memory 1) (func (export "run") (local i32)
        loop local.get 0 i32.const 3 i32.add local.tee 0 i32.const 15 i32.and br_if 0 end
        i32.const 0 i32.const 0 i32.const 100 memory.fill
        loop local.get 0 i32.const 3 i32.add local.tee 0 i32.const 15 i32.and br_if 0 end)`,
      1 + 16 * 7 + 1 + 4 + 100 * costs.memoryByte + 1 + 16 * 7 + 2,
    ],
    ['a call: caller and callee', '(func $f nop) (func (export "run") call $f call $f)', 3 + 2 * 2],
    ['a branch table', '(func (export "run") block block i32.const 1 br_table 0 1 end nop nop end)', 5],
    ['a tail call', '(func $f nop nop) (func (export "run") return_call $f)', 4],
  ])('%s', (_, text, expected) => {
    expect(gasOf(`(module ${text})`)).toBe(expected);
  });

  test('what the naive way counts, on random programs, however gas is granted', () => {
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    fc.assert(
      fc.property(
        programs,
        fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer(), fc.integer()),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 0, max: 4 }),
        (pair, args, slice, reserve) => {
          expectExactGas(pair, args, { slice, reserve });
        },
      ),
      { seed, numRuns: 100, interruptAfterTimeLimit: 20_000 },
    );
  });
});

const endless: readonly (readonly [string, string])[] = [
  ['an endless loop', '(func (export "run") loop br 0 end)'],
  ['a loop of calls', '(func $f) (func (export "run") loop call $f br 0 end)'],
  ['a loop that calls only sometimes', '(func $f) (func (export "run") loop i32.const 0 if call $f end br 0 end)'],
  ['a loop of host calls', '(func (export "run") loop call $host br 0 end)'],
  ['tail calls', '(func $f (export "run") return_call $f)'],
  [
    'indirect tail calls',
    '(table 1 funcref) (elem (i32.const 0) $f) (type $t (func)) (func $f (export "run") i32.const 0 return_call_indirect (type $t))',
  ],
  ['a loop with parameters', '(func (export "run") i32.const 1 loop (param i32) br 0 end)'],
  ['an endless loop of several results', '(func (export "run") (result i32 i64) loop br 0 end unreachable)'],
  [
    'an endless loop behind a counted one',
    `(func (export "run") (local i32) i32.const 0 local.set 0
    loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 9 i32.lt_u br_if 0 end loop br 0 end)`,
  ],
  [
    'counted loops that go on beyond the range',
    `(func (export "run") (local i32)
    loop local.get 0 i32.const 3 i32.add local.tee 0 i32.const -1 i32.lt_u br_if 0 end)`,
  ],
  [
    'a counted loop whose step is 0',
    `(func (export "run") (local i32 i32)
    loop local.get 0 local.get 1 i32.add local.tee 0 i32.const 9 i32.lt_u br_if 0 end)`,
  ],
  ['nested loops', '(func (export "run") loop loop loop br 2 end end end)'],
  ['a loop through a branch table', '(func (export "run") loop i32.const 0 br_table 0 0 end)'],
  ['a loop behind an if', '(func (export "run") loop i32.const 1 if br 1 end end)'],
  [
    'recursion without an end, in two functions',
    '(func $f (export "run") call $g) (func $g i32.const 1 if call $f end)',
  ],
];

describe('running out', () => {
  test.each(endless)('%s is stopped', (_, text) => {
    const host = { host: { call: () => undefined } };
    const metered = meter(wat(`(module (import "host" "call" (func $host)) ${text})`), {
      imports: host,
      limit: 50_000,
      slice: 1_000,
    });
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    // Not much later than it should: a few calls in a row, or a run of a tight loop, may pass unchecked.
    expect(metered.used()).toBeGreaterThan(50_000);
    expect(metered.used()).toBeLessThan(50_000 + 2 * runGas);
    expect(metered.asked()).toBeGreaterThanOrEqual(50_000 / (2 * runGas));
  });

  test('straight code of any length checks on its way', () => {
    const metered = meter(wat(`(module (func (export "run") ${'nop '.repeat(100_000)}))`), { limit: 50_000 });
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
  });

  test('returning through deep recursion checks on its way', () => {
    const rest = '(block (br_if 0 (local.get 0)) nop)'.repeat(400);
    const text = `(module (func $f (export "run") (param i32)
      (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))) ${rest}))`;
    const metered = meter(wat(text), { limit: 5_000, slice: 5_000 });
    expect(outcome(() => call(metered.exports, 'run', 3_000))).toEqual({ trap: 'unreachable' });
    const generous = meter(wat(text), { slice: 10_000 });
    call(generous.exports, 'run', 1_000);
    expect(generous.asked()).toBeGreaterThan(100);
  });

  test('loops on the way back from deep recursion check there', () => {
    const text = `(module (func $f (export "run") (param i32) (local i32)
      (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))
      (local.set 1 (i32.const 500))
      (loop (if (i32.and (local.get 1) (i32.const 1)) (then nop))
        (br_if 0 (local.tee 1 (i32.shr_u (i32.mul (local.get 1) (i32.const 15)) (i32.const 4)))))
      (local.set 1 (i32.const 1000))
      (loop (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))`;
    const metered = meter(wat(text), { slice: 20_000 });
    call(metered.exports, 'run', 1_000);
    expect(metered.used()).toBeGreaterThan(5_000_000);
    // Each call has less than a run: only the returns can tell.
    expect(metered.asked()).toBeGreaterThan(metered.used() / 40_000);
  });

  test('a host call can kill: the guest stops at its next call or loop', () => {
    let calls = 0;
    let left: { value: number } | null = null;
    const host = {
      host: {
        call: () => {
          calls++;
          if (calls === 3 && left !== null) left.value = -(2 ** 30);
        },
      },
    };
    const text = '(module (import "host" "call" (func $host)) (func (export "run") loop call $host br 0 end))';
    // The host refuses once it has killed.
    const metered = meter(wat(text), { imports: host, limit: 1_000_000, slice: 1_000_000 });
    left = metered.gasLeft;
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    expect(calls).toBe(3);
  });

  test('tight loops one behind the other check between them', () => {
    const loop =
      '(local.set 0 (i32.const 0)) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 400))))';
    const metered = meter(wat(`(module (func (export "run") (local i32) ${loop.repeat(1_000)}))`), { slice: 1_000 });
    call(metered.exports, 'run');
    expect(metered.used()).toBe(1 + 1_000 * (2 + 1 + 400 * 7 + 1));
    expect(metered.asked()).toBeGreaterThan(metered.used() / (2 * runGas));
  });

  test('gas is the same after a trap, however it was granted', () => {
    const text = `(module (memory 1) (func (export "run") (local i32)
      loop local.get 0 i32.load drop local.get 0 i32.const 4 i32.add local.set 0 br 0 end))`;
    const used = [7, 100, 99_999, 2 ** 30].map((slice) => {
      const metered = meter(wat(text), { slice });
      expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'memory access out of bounds' });
      return metered.used();
    });
    expect(new Set(used).size).toBe(1);
    // 16,384 rounds of 8, and the round that traps; the last run is not settled.
    expect(used[0]).toBeGreaterThan(1 + 16_385 * 8 - runGas);
    expect(used[0]).toBeLessThanOrEqual(1 + 16_385 * 8 + creditMax);
  });

  test.each([
    ['unreachable', '(if (local.get 1) (then unreachable))'],
    ['return', '(if (local.get 1) (then (return (i32.const 1))))'],
    ['br', '(if (local.get 1) (then (br 4 (i32.const 1))))'],
    ['br_if that takes a value along', '(drop (br_if 3 (i32.const 1) (local.get 1)))'],
    ['br_table', '(br_table 0 2 (local.get 1))'],
    ['br_if that takes none', '(br_if 2 (local.get 1))'],
  ])('a tight loop left by %s has used what it has executed', (_, leave) => {
    // Nine rounds, in an inner loop of an outer one.
    const body = (count: string) => `(func (export "run") (result i32) (local i32 i32)
      (block (result i32) ${count} (block (loop ${count} (loop (result i32) ${count}
        (local.set 0 (i32.add (local.get 0) (i32.const 1))) (local.set 1 (i32.eq (local.get 0) (i32.const 9)))
        ${leave} (br 0)) drop)) (i32.const 7)))`;
    const bytes = wat(`(module ${body('')})`);
    const first = meter(bytes);
    outcome(() => call(first.exports, 'run'));
    // Granted one by one: a check for each.
    const second = meter(bytes, { slice: 1, limit: first.used() });
    expect(outcome(() => call(second.exports, 'run'))).toEqual(outcome(() => call(plain(bytes), 'run')));
    expect(second.used()).toBe(first.used());
    const third = meter(bytes, { limit: first.used() - 1 });
    outcome(() => call(third.exports, 'run'));
    expect(third.used()).toBeGreaterThan(first.used() - 1);
  });
});

test('a result is taken out of a function from within a loop, however that is done', () => {
  const ways = ['br_if 1 (local.get 0)', 'br_table 1 1 (local.get 0)', 'br 1', 'return'];
  for (const way of ways) {
    const [name, rest] = [way.split(' (')[0], way.split(' (')[1]];
    const condition = rest === undefined ? '' : `(${rest}`;
    const text = `(module (func (export "run") (param i32) (result i32)
      (loop (result i32) (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get 0) (i32.const 100))) (${name} (i32.const 7) ${condition}))))`;
    const metered = meter(wat(text));
    expect(call(metered.exports, 'run', 0)).toBe(7);
    expect(call(metered.exports, 'run', 50)).toBe(call(plain(wat(text)), 'run', 50));
  }
});

describe('bulk work', () => {
  const bulk = (instructions: string) => `(module (memory 4) (data $d "0123456789") (table $t 20 funcref)
    (elem $e func $f $f $f $f) (func $f) (func (export "run") ${instructions}))`;

  test.each([
    ['memory.fill', 'i32.const 0 i32.const 1 i32.const 1000 memory.fill', 5 + 1_000 * costs.memoryByte],
    ['memory.copy', 'i32.const 0 i32.const 100 i32.const 1000 memory.copy', 5 + 1_000 * costs.memoryByte],
    ['memory.init', 'i32.const 0 i32.const 0 i32.const 10 memory.init $d', 5 + 10 * costs.memoryByte],
    ['memory.grow', 'i32.const 3 memory.grow drop', 4 + 3 * costs.memoryPage],
    ['memory.grow that fails', 'i32.const 65536 memory.grow drop', 4],
    ['table.fill', 'i32.const 0 ref.null func i32.const 7 table.fill $t', 5 + 7 * costs.tableEntry],
    ['table.copy', 'i32.const 0 i32.const 1 i32.const 7 table.copy', 5 + 7 * costs.tableEntry],
    ['table.init', 'i32.const 0 i32.const 1 i32.const 3 table.init $e', 5 + 3 * costs.tableEntry],
    ['table.grow', 'ref.null func i32.const 9 table.grow $t drop', 5 + 9 * costs.tableEntry],
    ['table.grow that fails', 'ref.null func i32.const -1 table.grow $t drop', 5],
  ])('%s pays for its work', (_, instructions, expected) => {
    expect(gasOf(bulk(instructions))).toBe(expected);
  });

  test.each(['memory.fill', 'memory.copy', 'memory.init $d', 'table.copy', 'table.init $e'])(
    '%s far out of bounds traps as it did, and pays for no work',
    (instruction) => {
      const text = bulk(`i32.const 0 i32.const 0 i32.const -1 ${instruction}`);
      const expected = outcome(() => call(plain(wat(text)), 'run'));
      const metered = meter(wat(text));
      expect(outcome(() => call(metered.exports, 'run'))).toEqual(expected);
      expect(metered.used()).toBeLessThanOrEqual(5);
    },
  );

  // Not for ever: without the check the loop would hold the thread.
  test.each([
    ['memory.grow', 'i32.const 65536 memory.grow'],
    ['memory.grow of as many pages as there cannot be', 'i32.const -1 memory.grow'],
    ['table.grow', 'ref.null func i32.const -1 table.grow $t'],
    ['table.grow beyond a cap', 'ref.null func i32.const 20000000 table.grow $t'],
    ['memory.fill of nothing', 'i32.const 0 i32.const 0 i32.const 0 memory.fill i32.const 0'],
    ['table.fill of nothing', 'i32.const 0 ref.null func i32.const 0 table.fill $t i32.const 0'],
  ])('a loop of %s that costs nothing is stopped all the same', (_, instructions) => {
    const loop = (close: string) => bulk(`(local i32) loop ${instructions} drop ${close} end`);
    const rounds = loop('local.get 0 i32.const 1 i32.add local.tee 0 i32.const 1000000 i32.lt_u br_if 0');
    for (const slice of [1_000, 100_000]) {
      const metered = meter(wat(rounds), { limit: 100_000, slice });
      expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
      expect(metered.used()).toBeLessThan(200_000);
    }
  });

  test('a fill larger than the gas left is refused before it writes', () => {
    const text =
      '(module (memory (export "memory") 16) (func (export "run") i32.const 0 i32.const 7 i32.const 1000000 memory.fill))';
    const metered = meter(wat(text), { limit: 900_000 });
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    expect(pageBytesOf(metered.memory)?.every((byte) => byte === 0)).toBe(true);
  });

  test('sums beyond 32 bits neither wrap nor get lost', () => {
    // 65,536 pages of fill are 2^32 units of work: charged in portions, each granted.
    const text =
      '(module (memory 32768) (func (export "run") i32.const 0 i32.const 7 i32.const 0x80000000 memory.fill))';
    const metered = meter(wat(text), { limit: 1_000_000_000 });
    expect(outcome(() => call(metered.exports, 'run'))).toEqual({ trap: 'unreachable' });
    expect(metered.used()).toBeGreaterThan(1_000_000_000);
  });
});

test('a profile build also counts by function, and the counts sum up to what was charged', () => {
  const text =
    '(module (func $f nop nop) (func (export "run") (local i32) call $f call $f loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 5 i32.lt_u br_if 0 end))';
  const metered = meter(wat(text), { profile: true });
  call(metered.exports, 'run');
  const counts = [0, 1].map((index) =>
    Number((metered.exports[`trisiel.profile.${index}`] as WebAssembly.Global).value),
  );
  expect(counts[0]).toBe(6);
  expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(metered.used());
});

/** A memory with a reserve looks to its guest like one of the size that it has asked for. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { costs } from '../../../src/guest/wasm/meter/costs.ts';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { PAGE_BYTES } from '../../../src/protocol/limits.ts';
import { pageBytesOf } from '../../support/pages.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

const reserves = [0, 1, 2, 7, 100];

const sizes = wat(`(module (memory (export "memory") 2 20)
  (func (export "size") (result i32) (memory.size))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "touchLast") (result i32) (local $at i32)
    (if (i32.eqz (memory.size)) (then (return (i32.const -1))))
    (local.set $at (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)))
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (memory.size)))
    (i32.load (local.get $at)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))`);

describe('memory.size and memory.grow', () => {
  const amount = fc.oneof(
    fc.integer({ min: 0, max: 6 }),
    fc.constantFrom(18, 65_536, 0x7fff_ffff, -0x8000_0000, -1, -17),
  );
  const step = fc.oneof(
    fc.constant(['size'] as const),
    fc.constant(['touchLast'] as const),
    amount.map((pages) => ['grow', pages] as const),
  );

  test('answer as in the original, at the same gas, whatever the reserve', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const original = plain(sizes);
        const expected = steps.map(([name, ...args]) => call(original, name, ...args));
        const gas = new Set<number>();
        for (const reserve of reserves) {
          const metered = meter(sizes, { reserve, slice: 1_000 });
          expect(steps.map(([name, ...args]) => call(metered.exports, name, ...args))).toEqual(expected);
          expect(metered.visible()?.equals(pageBytesOf(original.memory) as Buffer)).toBe(true);
          gas.add(metered.used());
        }
        expect(gas.size).toBe(1);
      }),
      { numRuns: 300 },
    );
  });

  test('growth is paid for by what it gives, inside of the reserve and beyond; a refusal is free', () => {
    for (const reserve of reserves) {
      const metered = meter(sizes, { reserve });
      const gasOfGrowth = (pages: number, result: number) => {
        const before = metered.used();
        expect(call(metered.exports, 'grow', pages)).toBe(result);
        return metered.used() - before;
      };
      expect(gasOfGrowth(3, 2)).toBe(3 + 3 * costs.memoryPage);
      expect(gasOfGrowth(16, -1)).toBe(3);
      expect(gasOfGrowth(15, 5)).toBe(3 + 15 * costs.memoryPage);
      expect(gasOfGrowth(1, -1)).toBe(3);
      expect(gasOfGrowth(0, 20)).toBe(3);
    }
  });

  test('65,536 pages and a loop of growth end as in the original', () => {
    const loop = wat(`(module (memory (export "memory") 1 300) (func (export "run") (result i32) (local i32)
      (if (i32.ne (memory.grow (i32.const 65536)) (i32.const -1)) (then unreachable))
      (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (i32.add (i32.mul (local.get 0) (i32.const 1000)) (memory.size))))`);
    const expected = call(plain(loop), 'run');
    expect(expected).toBe(300 * 1000 + 300);
    for (const reserve of reserves) expect(call(meter(loop, { reserve }).exports, 'run')).toBe(expected);
  });

  test('without a reserve, a memory that others grow is seen as it is', () => {
    const metered = meter(sizes);
    metered.memory?.grow(3);
    expect(call(metered.exports, 'size')).toBe(5);
    expect(call(metered.exports, 'grow', 1)).toBe(5);
    const imported = wat(`(module (memory (import "host" "memory") 1 9)
      (func (export "run") (result i32) (drop (memory.grow (i32.const 2))) (memory.size)))`);
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 9 });
    expect(call(meter(imported, { imports: { host: { memory } } }).exports, 'run')).toBe(6);
  });
});

describe('an access beyond memory.size', () => {
  test('does not trap inside of the reserve, traps behind it, and is the bytes that growth will give', () => {
    const peek = wat(`(module (memory 1 8)
      (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
      (func (export "grow") (result i32) (memory.grow (i32.const 1))))`);
    const metered = meter(peek, { reserve: 2 });
    expect(call(metered.exports, 'load', 3 * PAGE_BYTES - 4)).toBe(0);
    expect(outcome(() => call(metered.exports, 'load', 3 * PAGE_BYTES - 3))).toEqual({
      trap: 'memory access out of bounds',
    });
  });

  test('traps for free where a bulk operation is longer than the memory, as in the original', () => {
    const expected = outcome(() => call(plain(sizes), 'fill', 0, 1, 4 * PAGE_BYTES));
    expect(expected).toEqual({ trap: 'memory access out of bounds' });
    const gas = reserves.map((reserve) => {
      const metered = meter(sizes, { reserve });
      expect(outcome(() => call(metered.exports, 'fill', 0, 1, 4 * PAGE_BYTES))).toEqual(expected);
      return metered.used();
    });
    expect(new Set(gas).size).toBe(1);
  });
});

test('the first reserve depends on the module alone, and is for code that grows its memory', () => {
  const first = (memory: string, code = '(drop (memory.grow (i32.const 1)))') =>
    rewriteModule(wat(`(module (memory ${memory}) (func (export "run") ${code}))`)).plan.memory?.reserve?.pages;
  expect(first('17', '(drop (memory.size))')).toBe(0);
  expect(first('17')).toBe(16);
  expect(first('2')).toBe(2);
  expect(first('0')).toBe(1);
  expect(first('17 20')).toBe(3);
  expect(first('17 17')).toBe(0);
});

/** Prices come from the cost table: under another one the same programs use other gas, as exactly. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { op } from '../../../src/guest/wasm/format/instructions.ts';
import { type Costs, instructionPrices } from '../../../src/guest/wasm/meter/costs.ts';
import { flatCosts, programs } from '../../support/program.ts';
import { call, meter, outcome, plain, wat } from '../../support/wasm.ts';

const runLoop =
  wat(`(module (type $unary (func (param i32) (result i32))) (memory 1) (table 1 funcref) (elem (i32.const 0) $same)
  (func $same (param i32) (result i32) local.get 0)
  (func (export "run") (param i32) (local i32)
    loop
      (local.set 1 (call_indirect (type $unary) (i32.add (local.get 1) (i32.const 1)) (i32.const 0)))
      (br_if 0 (i32.lt_u (local.get 1) (local.get 0)))
    end
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 100))))`);

/** Gas of `run(10)`, which makes ten indirect calls and fills 100 bytes. */
function gasWith(changed: Partial<Costs>): number {
  const metered = meter(runLoop, { costs: { ...flatCosts, ...changed } });
  call(metered.exports, 'run', 10);
  return metered.used();
}

describe('a price in the table is what is charged', () => {
  const usual = gasWith({});

  test('of one instruction: call_indirect at 2 costs one more for each', () => {
    expect(gasWith({ instructions: { [op.callIndirect]: 2 } })).toBe(usual + 10);
    expect(gasWith({ instructions: { [op.callIndirect]: 200 } })).toBe(usual + 10 * 199);
  });

  test('of every instruction', () => {
    expect(gasWith({ instruction: 2 })).toBe(2 * (usual - 100) + 100);
  });

  test('of instructions behind a prefix: that of the prefix', () => {
    expect(gasWith({ instructions: { [op.prefixBulk]: 7 } })).toBe(usual + 6);
  });

  test('of a byte of bulk memory', () => {
    expect(gasWith({ memoryByte: 3 })).toBe(usual + 2 * 100);
  });

  test.each([0, -1, 1.5, 256])('%d for an instruction is refused: a loop for nothing would never end', (price) => {
    expect(() => instructionPrices({ ...flatCosts, instructions: { [op.br]: price } })).toThrow(RangeError);
    expect(() => instructionPrices({ ...flatCosts, instruction: price })).toThrow(RangeError);
  });
});

test('random programs under random prices use exactly the sum of the prices of what they execute', () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const host = { host: { call: (value: number) => value + 1 } };
  const someOpcode = fc.constantFrom(op.localGet, op.localSet, op.i32Const, op.call, op.callIndirect, op.brIf, op.end);
  fc.assert(
    fc.property(
      programs,
      fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer(), fc.integer()),
      someOpcode,
      fc.integer({ min: 2, max: 255 }),
      fc.integer({ min: 1, max: 500 }),
      (pair, args, opcode, price, slice) => {
        const counting = plain(wat(pair.counting), host);
        const result = outcome(() => call(counting, 'run', ...args));
        const executed = (counting.counted as WebAssembly.Global<'i32'>).value;
        const bytes = wat(pair.plain);
        const gas = (changed: Partial<Costs>, limit?: number) => {
          const all = { ...flatCosts, ...changed };
          const metered = meter(bytes, { imports: host, costs: all, ...(limit === undefined ? {} : { slice, limit }) });
          return { result: outcome(() => call(metered.exports, 'run', ...args)), used: metered.used() };
        };
        expect(gas({ instruction: 3, memoryPage: 3 * flatCosts.memoryPage })).toEqual({ result, used: 3 * executed });
        // At 2 the instruction costs one more each time: that counts it. At `price` it must cost as often more.
        const times = gas({ instructions: { [opcode]: 2 } }).used - executed;
        const expected = executed + (price - 1) * times;
        const priced = { instructions: { [opcode]: price } };
        expect(gas(priced)).toEqual({ result, used: expected });
        // Exactly enough suffices, however it is granted; one less does not.
        expect(gas(priced, expected)).toEqual({ result, used: expected });
        expect(gas(priced, expected - 1).used).toBeGreaterThan(expected - 1);
      },
    ),
    { seed, numRuns: 60, interruptAfterTimeLimit: 15_000 },
  );
});

/** Compares the rewritten module with the naive way of counting. */
import { expect } from 'vitest';
import { pageBytesOf } from './pages.ts';
import { flatCosts, type ProgramPair } from './program.ts';
import { call, meter, outcome, plain, wat } from './wasm.ts';

/**
 * Calls `run` of both programs of `pair` with `args`, and expects of the rewritten one the same outcome, the same
 * memory and exactly the gas that the other one counts: without a limit, with exactly enough in slices of `slice`, and
 * with one less.
 */
export function expectExactGas(
  pair: ProgramPair,
  args: readonly unknown[],
  { slice, reserve }: { readonly slice: number; readonly reserve: number },
): void {
  const host = { host: { call: (value: number) => value + 1 } };
  const counting = plain(wat(pair.counting), host);
  const counted = outcome(() => call(counting, 'run', ...args));
  const expected = (counting.counted as WebAssembly.Global<'i32'>).value;
  const bytes = wat(pair.plain);
  const generous = meter(bytes, { imports: host, costs: flatCosts, reserve });
  expect(outcome(() => call(generous.exports, 'run', ...args))).toEqual(counted);
  expect(generous.used()).toBe(expected);
  expect(generous.visible()).toEqual(pageBytesOf(counting.memory));
  // Sliced, with exactly enough: the same gas, the same end.
  const sliced = meter(bytes, { imports: host, costs: flatCosts, reserve, slice, limit: expected });
  expect(outcome(() => call(sliced.exports, 'run', ...args))).toEqual(counted);
  expect(sliced.used()).toBe(expected);
  // One less: stopped, or at its end the counter tells.
  const short = meter(bytes, { imports: host, costs: flatCosts, reserve, slice, limit: expected - 1 });
  const stopped = outcome(() => call(short.exports, 'run', ...args));
  if (JSON.stringify(stopped) !== JSON.stringify(counted)) expect(stopped).toEqual({ trap: 'unreachable' });
  expect(short.used()).toBeGreaterThan(expected - 1);
}

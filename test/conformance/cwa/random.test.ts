import { expect, test } from 'vitest';
import { runCalls } from '../../support/calls.ts';

test('random_i32 and random_i64 are not negative, whatever the bits', async () => {
  const run = await runCalls({
    abi: 'cwa',
    random: (into) => void into.fill(0xff),
    calls: [['random_i32'], ['random_i64']],
  });
  expect(run.results).toEqual([0x7fff_ffff, 0x7fff_ffff_ffff_ffffn]);
});

test('random numbers differ from call to call', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: Array.from({ length: 32 }, (_, i) => [i % 2 === 0 ? 'random_i32' : 'random_i64'] as const),
  });
  expect(new Set(run.results.map(String)).size).toBeGreaterThan(28);
  for (const value of run.results) expect(Number(value)).toBeGreaterThanOrEqual(0);
});

import { expect, test } from 'vitest';
import { runCalls } from '../../support/calls.ts';

test('time_now is Unix seconds as i64, also beyond 2038', async () => {
  const wallMs = Date.UTC(2106, 5, 1) + 999;
  const run = await runCalls({
    abi: 'cwa',
    clock: { wallMs: () => wallMs, monotonicNs: () => 0n },
    calls: [['time_now']],
  });
  expect(run.results).toEqual([BigInt(Math.floor(wallMs / 1000))]);
});

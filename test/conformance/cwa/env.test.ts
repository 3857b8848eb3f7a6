import { expect, test } from 'vitest';
import { expectMemory, runCalls } from '../../support/calls.ts';

const env = { GREETING: 'hello', EMPTY: '', ÄÖ: 'ü' };

test('env_get writes the value and returns its length', async () => {
  const run = await runCalls({
    abi: 'cwa',
    env,
    data: { 16: 'GREETING' },
    calls: [['env_get', 16, 8, 64, 100]],
  });
  expect(run.results).toEqual([5]);
  expect(run.trace).toEqual([{ name: 'env_get', args: [16, 8, 64, 100], result: 5 }]);
  expectMemory(run, { 64: 'hello' });
});

test('env_get returns the length and writes nothing where the value does not fit', async () => {
  const run = await runCalls({
    abi: 'cwa',
    env,
    data: { 16: 'GREETING' },
    calls: [
      ['env_get', 16, 8, 0, 0],
      ['env_get', 16, 8, 64, 4],
    ],
  });
  expect(run.results).toEqual([5, 5]);
  expectMemory(run);
});

test('env_get fills a buffer of exactly the right length', async () => {
  const run = await runCalls({ abi: 'cwa', env, data: { 16: 'GREETING' }, calls: [['env_get', 16, 8, 64, 5]] });
  expect(run.results).toEqual([5]);
  expectMemory(run, { 64: 'hello' });
});

test('env_get tells an empty value (0) from a missing key (-4)', async () => {
  const run = await runCalls({
    abi: 'cwa',
    env,
    data: { 16: 'EMPTY', 32: 'greeting' },
    calls: [
      ['env_get', 16, 5, 64, 8],
      ['env_get', 32, 8, 64, 8],
      ['env_get', 32, 0, 64, 8],
    ],
  });
  expect(run.results).toEqual([0, -4, -4]);
  expectMemory(run);
});

test('env_get takes names and gives values in UTF-8; a name that is not is -2', async () => {
  const run = await runCalls({
    abi: 'cwa',
    env,
    data: { 16: 'ÄÖ', 32: Uint8Array.of(0xc3, 0x28) },
    calls: [
      ['env_get', 16, 4, 64, 8],
      ['env_get', 32, 2, 80, 8],
    ],
  });
  expect(run.results).toEqual([2, -2]);
  expectMemory(run, { 64: 'ü' });
});

test('env_get answers -2 for pointers outside the memory, and writes nothing', async () => {
  const run = await runCalls({
    abi: 'cwa',
    env,
    data: { 16: 'GREETING' },
    calls: [
      ['env_get', -1, 8, 64, 8],
      ['env_get', 16, -1, 64, 8],
      ['env_get', 16, 8, 0x10000, 1],
      ['env_get', 16, 8, 0xfffc, 5],
      ['env_get', 16, 8, 64, -1],
    ],
  });
  expect(run.results).toEqual([-2, -2, -2, -2, -2]);
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expectMemory(run);
});

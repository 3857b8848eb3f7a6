import { expect, test } from 'vitest';
import { expectMemory, runCalls } from '../../support/calls.ts';

const args = ['program', 'größer', ''];

test('startup_arg_len counts the program name too', async () => {
  const run = await runCalls({ abi: 'cwa', args, calls: [['startup_arg_len']] });
  expect(run.results).toEqual([3]);
});

test('startup_arg_at writes the argument, cut to the buffer', async () => {
  const run = await runCalls({
    abi: 'cwa',
    args,
    calls: [
      ['startup_arg_at', 0, 16, 64],
      ['startup_arg_at', 1, 96, 64],
      ['startup_arg_at', 2, 160, 64],
      ['startup_arg_at', 0, 224, 4],
      ['startup_arg_at', 0, 0, 0],
    ],
  });
  expect(run.results).toEqual([7, 8, 0, 4, 0]);
  expectMemory(run, { 16: 'program', 96: 'größer', 224: 'prog' });
});

test('startup_arg_at is -2 for an argument that is not there and for wild pointers', async () => {
  const run = await runCalls({
    abi: 'cwa',
    args,
    calls: [
      ['startup_arg_at', 3, 16, 64],
      ['startup_arg_at', -1, 16, 64],
      ['startup_arg_at', 0, 0xfffc, 8],
      ['startup_arg_at', 0, -1, -1],
    ],
  });
  expect(run.results).toEqual([-2, -2, -2, -2]);
  expectMemory(run);
});

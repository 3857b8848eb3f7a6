import { expect, test } from 'vitest';
import { expectMemory, result, runCalls } from '../../support/calls.ts';
import { text } from '../../support/run-guest.ts';

test('io_get_* give a new descriptor each time', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [['io_get_stdin'], ['io_get_stdout'], ['io_get_stderr'], ['io_get_stdin'], ['io_get_stdout']],
  });
  expect(run.results).toEqual([0, 1, 2, 3, 4]);
});

test('closing a descriptor of a standard stream leaves the stream open', async () => {
  const run = await runCalls({
    abi: 'cwa',
    stdin: 'in',
    data: { 16: 'one', 32: 'two' },
    calls: [
      ['io_get_stdout'],
      ['resource_write', result(0), 16, 3],
      ['resource_close', result(0)],
      ['io_get_stdout'],
      ['resource_write', result(3), 32, 3],
      ['io_get_stdin'],
      ['resource_close', result(5)],
      ['io_get_stdin'],
      ['resource_read', result(7), 64, 8],
      ['io_get_stderr'],
      ['resource_write', result(9), 16, 3],
    ],
  });
  expect(run.results).toEqual([0, 3, undefined, 0, 3, 1, undefined, 1, 2, 2, 3]);
  expect(text(run.stdout)).toBe('onetwo');
  expect(text(run.stderr)).toBe('one');
  expectMemory(run, { 64: 'in' });
});

test('bytes are counted by stream', async () => {
  const run = await runCalls({
    abi: 'cwa',
    stdin: 'input',
    data: { 16: 'output' },
    calls: [['io_get_stdin'], ['resource_read', 0, 64, 8], ['io_get_stdout'], ['resource_write', 1, 16, 6]],
  });
  expect(run.usage.io).toEqual({ stdin: { bytesIn: 5, bytesOut: 0 }, stdout: { bytesIn: 0, bytesOut: 6 } });
});

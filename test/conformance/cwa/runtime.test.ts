import { expect, test } from 'vitest';
import { expectMemory, runCalls } from '../../support/calls.ts';
import { bytesSource, runGuest } from '../../support/run-guest.ts';

test('the runtime is olin, spec version 0.1', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [['runtime_spec_major'], ['runtime_spec_minor'], ['runtime_name', 16, 4], ['runtime_name', 32, 64]],
  });
  expect(run.results).toEqual([0, 1, 4, 4]);
  expectMemory(run, { 16: 'olin', 32: 'olin' });
});

test('runtime_name is -2 where the name does not fit or the pointer is wild', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [
      ['runtime_name', 16, 3],
      ['runtime_name', 0xfffd, 4],
      ['runtime_name', -4, 8],
    ],
  });
  expect(run.results).toEqual([-2, -2, -2]);
  expectMemory(run);
});

test('runtime_msleep suspends the guest, not the thread', async () => {
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
  }, 1);
  const run = await runCalls({ abi: 'cwa', calls: [['runtime_msleep', 50]] });
  clearInterval(ticking);
  expect(run.durationMs).toBeGreaterThanOrEqual(49);
  expect(run.usage.syscalls.runtime_msleep?.waitMs).toBeGreaterThanOrEqual(49);
  expect(ticks).toBeGreaterThan(5);
});

test('runtime_msleep of nothing and of less than nothing returns at once', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [
      ['runtime_msleep', 0],
      ['runtime_msleep', -1],
    ],
  });
  expect(run.usage.syscalls.runtime_msleep).toEqual({ count: 2, waitMs: 0 });
});

test('the deadline ends a sleep that is longer', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [
      ['runtime_msleep', 0x7fffffff],
      ['log_write', 6, 0, 0],
    ],
    limits: { timeoutMs: 30 },
  });
  expect(run.end).toEqual({ kind: 'deadline', timeoutMs: 30 });
  expect(run.logs).toEqual([]);
});

test('runtime_exit ends the Process at once, with its status', async () => {
  const run = await runCalls({
    abi: 'cwa',
    calls: [
      ['runtime_exit', -7],
      ['log_write', 6, 0, 0],
    ],
  });
  expect(run.end).toEqual({ kind: 'exit', status: -7 });
  expect(run.logs).toEqual([]);
});

test('runtime_exit closes what is open', async () => {
  let isClosed = false;
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'test:' },
    schemes: [
      {
        names: ['test'],
        open: () => ({
          ...bytesSource(''),
          scheme: 'test',
          close: () => {
            isClosed = true;
            return 0;
          },
        }),
      },
    ],
    calls: [
      ['resource_open', 16, 5],
      ['runtime_exit', 0],
    ],
  });
  expect(run.results[0]).toBe(0);
  expect(isClosed).toBe(true);
});

test('a status that the entry point returns is the exit status', async () => {
  const run = await runGuest('(module (func (export "cwa_main") (result i32) (i32.const 42)))');
  expect(run.end).toEqual({ kind: 'exit', status: 42 });
});

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { checkPolicy } from '../../../src/guest/kernel/open.ts';
import type { Scheme } from '../../../src/guest/kernel/process.ts';
import { runCalls } from '../../support/calls.ts';
import { bytesSource, runGuest } from '../../support/run-guest.ts';

/** A scheme whose open does `open` and whose Resource reads nothing. */
function scheme(open: Scheme['open']): readonly Scheme[] {
  return [{ names: ['test'], open }];
}

const calls = [
  ['resource_open', 16, 5],
  ['log_write', 6, 16, 5],
] as const;
const data = { 16: 'test:' };

test('a Process that ends inside an asynchronous open leaves no rejection behind', async () => {
  const rejections: unknown[] = [];
  const listen = (reason: unknown) => rejections.push(reason);
  process.on('unhandledRejection', listen);
  const run = await runCalls({
    abi: 'cwa',
    policy: { allow: ['^test:$'], disallow: [] },
    schemes: scheme(async (_url, guest) => {
      checkPolicy(guest, 'test:elsewhere');
      return -1;
    }),
    data,
    calls,
  });
  expect(run.end).toMatchObject({ kind: 'policy', url: 'test:elsewhere' });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', listen);
  expect(rejections).toEqual([]);
});

test('a Resource that is opened after its Process has ended is closed at once', async () => {
  let finish: () => void = () => undefined;
  const opening = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let closed = 0;
  const run = await runCalls({
    abi: 'cwa',
    limits: { timeoutMs: 20 },
    schemes: scheme(async () => {
      await opening;
      return {
        ...bytesSource(''),
        close: () => {
          closed += 1;
          return 0;
        },
      };
    }),
    data,
    calls,
  });
  expect(run.end.kind).toBe('deadline');
  expect(closed).toBe(0);
  finish();
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toBe(1);
});

test('a host call of a Process that has ended does nothing and unwinds the guest', async () => {
  const run = await runCalls({
    abi: 'cwa',
    schemes: scheme((_url, guest) => {
      guest.kill({ kind: 'aborted', message: 'the client went away' });
      return -1;
    }),
    data,
    calls: [...calls, ['log_write', 1, 16, 5]],
  });
  // Between the calls stands no check of the gas counter: what stops the guest is the next host call.
  expect(run.end).toEqual({ kind: 'aborted', message: 'the client went away' });
  expect(run.logs).toEqual([]);
  expect(run.trace.map((call) => call.name)).toEqual(['resource_open']);
});

test('what a Resource throws ends the Process as internal, never the host', async () => {
  for (const open of [
    () => {
      throw new Error('broken');
    },
    () => Promise.reject(new Error('broken')),
  ] satisfies Scheme['open'][]) {
    const run = await runCalls({ abi: 'cwa', schemes: scheme(open), data, calls });
    expect(run.end).toMatchObject({ kind: 'internal', cause: expect.objectContaining({ message: 'broken' }) });
    expect(run.logs).toEqual([]);
  }
});

test('a close that fails is logged and does not keep others from being closed', async () => {
  let closed = 0;
  const run = await runCalls({
    abi: 'cwa',
    schemes: scheme(() => ({
      ...bytesSource(''),
      scheme: 'test',
      close: () => {
        closed += 1;
        if (closed === 1) throw new Error('stuck');
        return 0;
      },
    })),
    data,
    calls: [calls[0], calls[0]],
  });
  expect(closed).toBe(2);
  expect(run.logs).toEqual([{ level: 1, stream: 'platform', text: 'closing test: failed: stuck' }]);
});

test('a close that waits keeps no other Resource open', async () => {
  let finish: (value: number) => void = () => undefined;
  const stuck = new Promise<number>((resolve) => {
    finish = resolve;
  });
  let closed = 0;
  await runCalls({
    abi: 'cwa',
    schemes: scheme(() => ({
      ...bytesSource(''),
      close: () => {
        closed += 1;
        if (closed === 2) finish(0);
        return closed === 1 ? stuck : 0;
      },
    })),
    data,
    calls: [calls[0], calls[0]],
  });
  expect(closed).toBe(2);
});

test('a standard stream whose reader is stuck does not hold up the end', async () => {
  const run = await runCalls({
    abi: 'cwa',
    limits: { timeoutMs: 20 },
    stdout: {
      ...bytesSource(''),
      scheme: 'stdout',
      write: () => new Promise(() => {}),
      flush: () => new Promise(() => {}),
    },
    data,
    calls: [['io_get_stdout'], ['resource_write', 0, 16, 5]],
  });
  expect(run.end.kind).toBe('deadline');
});

test('the first reason of an end stays', async () => {
  const run = await runGuest('(module (func (export "main") unreachable))', {
    started: (guest) => guest.kill({ kind: 'aborted', message: 'first' }),
  });
  expect(run.end).toEqual({ kind: 'aborted', message: 'first' });
});

test('the signal of a Process aborts when it ends', async () => {
  let aborted: Promise<unknown> = Promise.resolve();
  const run = await runCalls({
    abi: 'cwa',
    started: (guest) => {
      aborted = once(guest.signal, 'abort');
    },
    calls: [['runtime_exit', 3]],
  });
  expect(run.end).toEqual({ kind: 'exit', status: 3 });
  await aborted;
});

test('what waits for the end of a Process is called once, unless it is taken back, and at once when it has ended', async () => {
  const called: string[] = [];
  const run = await runCalls({
    abi: 'cwa',
    started: (guest) => {
      guest.atEnd(() => called.push('kept'));
      guest.atEnd(() => called.push('taken back'))();
      guest.kill({ kind: 'aborted', message: 'first' });
      guest.atEnd(() => called.push('late'));
    },
    calls: [['runtime_exit', 3]],
  });
  expect(run.end).toEqual({ kind: 'aborted', message: 'first' });
  expect(called).toEqual(['kept', 'late']);
});

test('the timer of a sleep ends with the Process', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  let ended = 0;
  const run = await runCalls({
    abi: 'cwa',
    started: (guest) =>
      setImmediate(() => {
        const during = timers();
        guest.kill({ kind: 'aborted', message: 'enough' });
        ended = during - timers();
      }),
    calls: [['runtime_msleep', 1_000_000]],
  });
  expect(run.end).toEqual({ kind: 'aborted', message: 'enough' });
  expect(ended).toBe(1);
});

test('an endless recursion is a trap that says so', async () => {
  const run = await runGuest('(module (func $f (export "main") (call $f)))');
  expect(run.end).toEqual({ kind: 'trap', message: 'stack overflow' });
});

import { expect, test } from 'vitest';
import type { QueueService } from '../../../src/guest/kernel/process.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { queueLimits } from '../../../src/protocol/limits.ts';
import { runCalls } from '../../support/calls.ts';
import { runGuest } from '../../support/run-guest.ts';

function queues() {
  const published: string[] = [];
  const service: QueueService = {
    publish: async (queue, message) => {
      await new Promise((resolve) => setImmediate(resolve));
      published.push(`${queue}: ${Buffer.from(message).toString()}`);
    },
  };
  return { queues: service, published };
}

const url = 'queue://mail';
const open = ['resource_open', 16, url.length] as const;

test('a flush publishes what was written as one message; the next flush the next one', async () => {
  const { queues: service, published } = queues();
  const run = await runCalls({
    abi: 'cwa',
    queues: service,
    data: { 16: url, 64: 'first', 96: 'second' },
    calls: [
      open,
      ['resource_write', 0, 64, 3],
      ['resource_write', 0, 67, 2],
      ['resource_flush', 0],
      ['resource_write', 0, 96, 6],
      ['resource_flush', 0],
      ['resource_flush', 0],
    ],
  });
  expect(run.results).toEqual([0, 3, 2, 0, 6, 0, 0]);
  expect(published).toEqual(['mail: first', 'mail: second']);
});

test('close publishes what is pending, and nothing where nothing was written', async () => {
  const { queues: service, published } = queues();
  await runCalls({
    abi: 'cwa',
    queues: service,
    data: { 16: url, 64: 'pending' },
    calls: [open, open, ['resource_write', 0, 64, 7], ['resource_close', 0], ['resource_close', 1]],
  });
  expect(published).toEqual(['mail: pending']);
});

test('a guest that is stopped publishes nothing that it had not flushed', async () => {
  const { queues: service, published } = queues();
  await runCalls({
    abi: 'cwa',
    queues: service,
    limits: { timeoutMs: 20 },
    data: { 16: url, 64: 'half' },
    calls: [open, ['resource_write', 0, 64, 4], ['runtime_msleep', 60_000]],
  });
  expect(published).toEqual([]);
});

test('a read is an error', async () => {
  const run = await runCalls({
    abi: 'cwa',
    ...queues(),
    data: { 16: url },
    calls: [open, ['resource_read', 0, 64, 8]],
  });
  expect(run.results).toEqual([0, -1]);
});

test('a message above the limit is refused at write and at flush, and the next one starts afresh', async () => {
  const { queues: service, published } = queues();
  const run = await runGuest(
    `(module
       (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
       (import "cwa" "resource_flush" (func $flush (param i32) (result i32)))
       (memory 17) (data (i32.const 0) "${url}")
       (func (export "main") (result i32)
         (drop (call $open (i32.const 0) (i32.const ${url.length})))
         (i32.store (i32.const 64) (call $write (i32.const 0) (i32.const 0) (i32.const ${queueLimits.messageBytes + 1})))
         (i32.store (i32.const 68) (call $flush (i32.const 0)))
         (drop (call $write (i32.const 0) (i32.const 0) (i32.const 5)))
         (call $flush (i32.const 0))))`,
    { queues: service },
  );
  const view = new DataView(run.memory.buffer);
  // A long write is taken in chunks, so it says how far it came.
  expect([view.getInt32(64, true), view.getInt32(68, true)]).toEqual([queueLimits.messageBytes, -2]);
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(published).toEqual(['mail: queue']);
});

test.each(['queue://', 'queue://a/b', 'queue://a b', `queue://${'q'.repeat(65)}`])('%s is no queue', async (bad) => {
  const run = await runCalls({
    abi: 'cwa',
    ...queues(),
    data: { 16: bad },
    calls: [['resource_open', 16, bad.length]],
  });
  expect(run.results).toEqual([-2]);
});

test('a message for which the quota has no room is -3, with the reason in the log', async () => {
  const full = new PlatformError('limit_exceeded', 'your quota is used up: 2 GiB of 2 GiB');
  const run = await runCalls({
    abi: 'cwa',
    queues: { publish: () => Promise.reject(full) },
    data: { 16: url },
    calls: [open, ['resource_write', 0, 64, 1], ['resource_flush', 0]],
  });
  expect(run.results).toEqual([0, 1, -3]);
  expect(run.logs.map((line) => line.text)).toEqual([`publishing to ${url} failed: ${full.message}`]);
});

test('a queue that does not answer is -1, with the cause in the log', async () => {
  const run = await runCalls({
    abi: 'cwa',
    queues: { publish: () => Promise.reject(new Error('control is away')) },
    data: { 16: url },
    calls: [open, ['resource_write', 0, 64, 1], ['resource_flush', 0]],
  });
  expect(run.results).toEqual([0, 1, -1]);
  expect(run.logs.map((line) => line.text)).toEqual([`publishing to ${url} failed: control is away`]);
});

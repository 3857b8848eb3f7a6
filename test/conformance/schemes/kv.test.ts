import { expect, test } from 'vitest';
import type { KvService } from '../../../src/guest/kernel/process.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { kvLimits } from '../../../src/protocol/limits.ts';
import { memoryKv } from '../../../ui-cli/run/services.ts';
import { expectMemory, runCalls } from '../../support/calls.ts';
import { runGuest } from '../../support/run-guest.ts';

/** A store that answers later, as the one behind the bus does, and remembers every put. */
function store(initial: Readonly<Record<string, string>> = {}) {
  const values = new Map(Object.entries(initial).map(([name, value]) => [name, Buffer.from(value) as Uint8Array]));
  const puts: string[] = [];
  const kv: KvService = {
    ...memoryKv(),
    get: (bucket, key) => new Promise((resolve) => setImmediate(() => resolve(values.get(`${bucket}/${key}`) ?? null))),
    put: async (bucket, key, value) => {
      await new Promise((resolve) => setImmediate(resolve));
      puts.push(`${bucket}/${key}=${Buffer.from(value).toString()}`);
      values.set(`${bucket}/${key}`, value);
    },
  };
  return { kv, puts };
}

const url = 'kv://bucket/some/key';
const open = ['resource_open', 16, url.length] as const;

test('a value is read to its end, then -5', async () => {
  const { kv } = store({ 'bucket/some/key': 'value' });
  const run = await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url },
    calls: [open, ['resource_read', 0, 64, 3], ['resource_read', 0, 96, 64], ['resource_read', 0, 128, 64]],
  });
  expect(run.results).toEqual([0, 3, 2, -5]);
  expectMemory(run, { 64: 'val', 96: 'ue' });
});

test('a missing key opens, and is -4 at the first read', async () => {
  const { kv } = store();
  const run = await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url },
    calls: [open, ['resource_read', 0, 64, 8], ['resource_read', 0, 64, 8]],
  });
  expect(run.results).toEqual([0, -4, -4]);
});

test('flush replaces the value with all that was written, as a whole', async () => {
  const { kv, puts } = store({ 'bucket/some/key': 'old' });
  const run = await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url, 64: 'new value' },
    calls: [
      open,
      ['resource_write', 0, 64, 4],
      ['resource_write', 0, 68, 5],
      ['resource_flush', 0],
      open,
      ['resource_read', 1, 128, 64],
    ],
  });
  expect(run.results).toEqual([0, 4, 5, 0, 1, 9]);
  // The end of the Process finds nothing new to commit.
  expect(puts).toEqual(['bucket/some/key=new value']);
  expectMemory(run, { 128: 'new value' });
});

test('close commits; the end of a guest that exits does too', async () => {
  for (const ending of [['resource_close', 0] as const, ['runtime_exit', 0] as const]) {
    const { kv, puts } = store();
    await runCalls({
      abi: 'cwa',
      kv,
      data: { 16: url, 64: 'x' },
      calls: [open, ['resource_write', 0, 64, 1], ending],
    });
    expect(puts).toEqual(['bucket/some/key=x']);
  }
});

test('nothing is written by a guest that only reads, and nothing of one that traps halfway', async () => {
  const { kv, puts } = store();
  await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url },
    calls: [open, ['resource_read', 0, 64, 8], ['resource_close', 0]],
  });
  const run = await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url, 64: 'half' },
    calls: [open, ['resource_write', 0, 64, 4], ['log_write', 6, -1, 1]],
  });
  expect(run.end.kind).toBe('trap');
  expect(puts).toEqual([]);
});

test('an empty value can be written', async () => {
  const { kv, puts } = store({ 'bucket/some/key': 'old' });
  await runCalls({
    abi: 'cwa',
    kv,
    data: { 16: url },
    calls: [open, ['resource_write', 0, 64, 0], ['resource_close', 0]],
  });
  expect(puts).toEqual(['bucket/some/key=']);
});

test('a value above the limit is -2 and is never committed in part', async () => {
  const { kv, puts } = store();
  const run = await runGuest(
    `(module
       (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
       (import "cwa" "resource_flush" (func $flush (param i32) (result i32)))
       (memory 20) (data (i32.const 0) "${url}")
       (func (export "main") (result i32) (local $fd i32)
         (local.set $fd (call $open (i32.const 0) (i32.const ${url.length})))
         (if (i32.ne (call $write (local.get $fd) (i32.const 0) (i32.const ${kvLimits.valueBytes}))
                     (i32.const ${kvLimits.valueBytes}))
           (then (return (i32.const 100))))
         (if (i32.ne (call $write (local.get $fd) (i32.const 0) (i32.const 1)) (i32.const -2))
           (then (return (i32.const 101))))
         (call $flush (local.get $fd))))`,
    { kv },
  );
  expect(run.end).toEqual({ kind: 'exit', status: -2 });
  expect(puts).toEqual([]);
});

test('what all Resources of a Process hold together is limited', async () => {
  const { kv } = store();
  const run = await runGuest(
    `(module
       (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
       (memory 20) (data (i32.const 0) "${url}")
       (func (export "main") (result i32) (local $full i32)
         (loop $next
           (if (i32.eq
                 (call $write (call $open (i32.const 0) (i32.const ${url.length})) (i32.const 0) (i32.const ${kvLimits.valueBytes}))
                 (i32.const ${kvLimits.valueBytes}))
             (then (local.set $full (i32.add (local.get $full) (i32.const 1))) (br $next))))
         (local.get $full)))`,
    { kv },
  );
  expect(run.end).toEqual({ kind: 'exit', status: 16 });
  expect(run.guest.held.held).toBe(0);
});

test.each(['kv://bucket', 'kv://bucket/', 'kv:///key', 'kv://bad bucket/key', `kv://bucket/${'k'.repeat(1025)}`])(
  '%s is no URL of a value',
  async (bad) => {
    const run = await runCalls({
      abi: 'cwa',
      ...store(),
      data: { 16: bad },
      calls: [['resource_open', 16, bad.length]],
    });
    expect(run.results).toEqual([-2]);
  },
);

test('without a store an open is -3, and the log says why', async () => {
  const run = await runCalls({ abi: 'cwa', kv: null, data: { 16: url }, calls: [open] });
  expect(run.results).toEqual([-3]);
  expect(run.logs.map((line) => line.text)).toEqual([`${url}: there is no key-value store here`]);
});

test('a store that fails is -1 for the guest, with the cause in the log', async () => {
  const fail = () => Promise.reject(new Error('control is away'));
  const run = await runCalls({
    abi: 'cwa',
    kv: { ...memoryKv(), get: fail, put: fail },
    data: { 16: url },
    calls: [open, ['resource_read', 0, 64, 8], ['resource_write', 0, 64, 1], ['resource_flush', 0]],
  });
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(run.results).toEqual([0, -1, 1, -1]);
  expect(run.logs[0]?.text).toBe(`reading ${url} failed: control is away`);
});

test('a value that the quota has no room for is refused, with the reason in the log', async () => {
  const put = () => Promise.reject(new PlatformError('limit_exceeded', 'your quota is used up: 2 GiB of 2 GiB'));
  const run = await runCalls({
    abi: 'cwa',
    kv: { ...memoryKv(), put },
    data: { 16: url },
    calls: [open, ['resource_write', 0, 64, 1], ['resource_flush', 0]],
  });
  expect(run.results).toEqual([0, 1, -3]);
  expect(run.logs[0]?.text).toBe(`writing ${url} failed: your quota is used up: 2 GiB of 2 GiB`);
});

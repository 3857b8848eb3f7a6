import { expect, test } from 'vitest';
import { resourceCloseWithResult } from '../../../src/guest/kernel/abi/cwa/resource.ts';
import { descriptorsMax } from '../../../src/guest/kernel/descriptors.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import { localSchemes } from '../../../src/guest/kernel/resources/all.ts';
import { expectMemory, result, runCalls } from '../../support/calls.ts';
import { bytesSource, runGuest } from '../../support/run-guest.ts';

test('resource_open gives the lowest free descriptor', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'null:', 32: 'zero:' },
    calls: [
      ['resource_open', 16, 5],
      ['resource_open', 32, 5],
      ['resource_open', 16, 5],
      ['resource_close', 1],
      ['resource_open', 16, 5],
      ['resource_open', 16, 5],
    ],
  });
  expect(run.results).toEqual([0, 1, 2, undefined, 1, 3]);
});

test.each([
  ['an unknown scheme', 'gopher://x', -4],
  ['no scheme', '/etc/passwd', -2],
  ['an empty URL', '', -2],
  ['invalid UTF-8', Uint8Array.of(0x6e, 0x75, 0x6c, 0x6c, 0x3a, 0xff), -2],
  ['a NUL inside', 'null:\0', -2],
  ['a newline inside', 'null:a\nb', -2],
  ['a scheme with a bad name', '1null:', -2],
])('resource_open of %s is an error', async (_title, url, expected) => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: url },
    calls: [['resource_open', 16, Buffer.from(url as string).length]],
  });
  expect(run.results).toEqual([expected]);
  expectMemory(run);
});

test('resource_open of a URL of 1 MB is -2', async () => {
  const run = await runGuest(
    `(module (import "cwa" "resource_open" (func $open (param i32 i32) (result i32))) (memory 17)
       (data (i32.const 0) "null:")
       (func (export "main") (result i32)
         (memory.fill (i32.const 5) (i32.const 97) (i32.const 1000000))
         (call $open (i32.const 0) (i32.const 1000000))))`,
  );
  expect(run.end).toEqual({ kind: 'exit', status: -2 });
});

test('resource_open refuses what the policy does not allow, and ends the Process', async () => {
  const run = await runCalls({
    abi: 'cwa',
    policy: { allow: ['^null:'], disallow: ['^null:secret'] },
    data: { 16: 'null:', 32: 'null:secret' },
    calls: [
      ['resource_open', 16, 5],
      ['resource_open', 32, 11],
      ['log_write', 6, 16, 5],
    ],
  });
  expect(run.results).toEqual([0, expect.anything(), undefined]);
  expect(run.end).toEqual({ kind: 'policy', url: 'null:secret', rule: 'disallow ^null:secret' });
  expect(run.logs).toEqual([
    {
      level: 1,
      stream: 'platform',
      text: 'vibe check failed: URL forbidden by policy: null:secret (disallow ^null:secret)',
    },
  ]);
});

test('with a policy, what matches no rule is denied', async () => {
  const run = await runCalls({
    abi: 'cwa',
    policy: { allow: ['^zero:'], disallow: [] },
    data: { 16: 'null:' },
    calls: [['resource_open', 16, 5]],
  });
  expect(run.end).toMatchObject({ kind: 'policy', rule: 'no allow rule matches' });
});

test('resource_read fills no more than it returns', async () => {
  const run = await runCalls({
    abi: 'cwa',
    stdin: 'input',
    calls: [
      ['io_get_stdin'],
      ['resource_read', result(0), 64, 3],
      ['resource_read', result(0), 96, 100],
      ['resource_read', result(0), 128, 100],
      ['resource_read', result(0), 128, 0],
    ],
  });
  expect(run.results).toEqual([0, 3, 2, -5, 0]);
  expectMemory(run, { 64: 'inp', 96: 'ut' });
});

test('resource_write writes all and returns the count', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'output' },
    calls: [['io_get_stdout'], ['resource_write', result(0), 16, 6], ['resource_write', result(0), 16, 0]],
  });
  expect(run.results).toEqual([0, 6, 0]);
  expect(Buffer.from(run.stdout).toString()).toBe('output');
  expectMemory(run);
});

test('pointers outside the memory are -2 to read and write, and move nothing', async () => {
  const run = await runCalls({
    abi: 'cwa',
    stdin: 'input',
    calls: [
      ['io_get_stdin'],
      ['io_get_stdout'],
      ['resource_read', result(0), -1, 1],
      ['resource_read', result(0), 0xffff, 2],
      ['resource_read', result(0), 0, -1],
      ['resource_write', result(1), 0x10000, 1],
      ['resource_write', result(1), 0xfff0, 17],
      ['resource_read', result(0), 16, 5],
    ],
  });
  expect(run.results).toEqual([0, 1, -2, -2, -2, -2, -2, 5]);
  expect(run.stdout).toHaveLength(0);
  expectMemory(run, { 16: 'input' });
});

test('a descriptor that is not open is -2 everywhere', async () => {
  const run = await runCalls({
    abi: 'cwa',
    rows: [resourceCloseWithResult],
    calls: [-1, 0, 3, 0x7fffffff, -0x80000000].flatMap((fd) => [
      ['resource_read', fd, 16, 4] as const,
      ['resource_write', fd, 16, 4] as const,
      ['resource_flush', fd] as const,
      ['resource_close', fd] as const,
    ]),
  });
  expect(run.results).toEqual(run.results.map(() => -2));
  expectMemory(run);
});

test('closing twice is -2 and harmless; a closed descriptor takes no more writes', async () => {
  const run = await runCalls({
    abi: 'cwa',
    rows: [resourceCloseWithResult],
    data: { 16: 'null:' },
    calls: [
      ['resource_open', 16, 5],
      ['resource_close', 0],
      ['resource_close', 0],
      ['resource_write', 0, 16, 5],
    ],
  });
  expect(run.results).toEqual([0, 0, -2, -2]);
});

test('100,000 opens are refused beyond the limit of descriptors; closing makes room', async () => {
  const run = await runGuest(
    `(module
       (import "env" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "env" "resource_close" (func $close (param i32)))
       (memory 1) (data (i32.const 0) "null:")
       (global $opened (mut i32) (i32.const 0)) (global $last (mut i32) (i32.const 0))
       (func (export "main") (result i32) (local $i i32)
         (loop $next
           (global.set $last (call $open (i32.const 0) (i32.const 5)))
           (if (i32.ge_s (global.get $last) (i32.const 0))
             (then (global.set $opened (i32.add (global.get $opened) (i32.const 1)))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $i) (i32.const 100000))))
         (i32.store (i32.const 16) (global.get $opened))
         (i32.store (i32.const 20) (global.get $last))
         (call $close (i32.const 7))
         (call $open (i32.const 0) (i32.const 5))))`,
  );
  const view = new DataView(run.memory.buffer);
  expect([view.getInt32(16, true), view.getInt32(20, true)]).toEqual([descriptorsMax, -3]);
  expect(run.end).toEqual({ kind: 'exit', status: 7 });
});

test('resource_flush is 0, or what the Resource says', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'null:', 32: 'test:' },
    schemes: [
      ...localSchemes,
      { names: ['test'], open: () => ({ ...bytesSource(''), scheme: 'test', flush: () => Errno.timedOut }) },
    ],
    calls: [
      ['resource_open', 16, 5],
      ['resource_open', 32, 5],
      ['resource_flush', 0],
      ['resource_flush', 1],
    ],
  });
  expect(run.results).toEqual([0, 1, 0, -1]);
});

test('a read that waits fills memory that the guest has grown since the last call', async () => {
  let isReady = true;
  const run = await runGuest(
    `(module
       (import "cwa" "io_get_stdin" (func $stdin (result i32)))
       (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
       (memory 1 4)
       (func (export "main") (result i32)
         (drop (call $read (call $stdin) (i32.const 16) (i32.const 10)))
         (drop (memory.grow (i32.const 2)))
         (call $read (call $stdin) (i32.const 65530) (i32.const 10))))`,
    {
      stdin: {
        ...bytesSource(''),
        read: (into) => {
          isReady = !isReady;
          if (!isReady) return Promise.resolve();
          into.set(Buffer.from('0123456789'));
          return 10;
        },
      },
    },
  );
  expect(run.end).toEqual({ kind: 'exit', status: 10 });
  expect(Buffer.from(run.memory.subarray(16, 26)).toString()).toBe('0123456789');
  expect(Buffer.from(run.memory.subarray(65530, 65540)).toString()).toBe('0123456789');
  expect(run.usage.memoryPages).toBe(3);
});

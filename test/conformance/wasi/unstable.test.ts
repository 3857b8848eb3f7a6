/** wasi_unstable (WASI snapshot 0): what differs from preview 1, byte for byte, and that the rest is shared. */
import { describe, expect, test } from 'vitest';
import { wasi, wasiUnstable } from '../../../src/guest/kernel/abi/wasi/wasi.ts';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { type Call, expectMemory, runCalls } from '../../support/calls.ts';
import { fixture, runGuest } from '../../support/run-guest.ts';

const timeNs = 1_700_000_000_123_456_789n;
const lower = lowerTree([{ path: 'a.txt', bytes: Buffer.from('file a') }], timeNs);

const run = (calls: readonly Call[], data: Readonly<Record<number, string | Uint8Array>> = {}) =>
  runCalls({
    abi: 'wasi',
    from: 'wasi_unstable',
    rows: wasiUnstable.syscalls,
    calls,
    data,
    files: () => makeFileSystem({ lower, nowNs: () => timeNs }),
  });

const u32 = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);
const u64 = (...values: readonly bigint[]) => Buffer.from(new BigUint64Array(values).buffer);
const open: Call = ['path_open', 3, 0, 0x20, 5, 0, 0x26n, 0n, 0, 0x40];

test('unstable: a C program that declares the interface itself passes all its checks', async () => {
  const done = await runGuest(fixture('wasi/unstable'));
  expect({ end: done.end, stdout: String(done.stdout) }).toEqual({
    end: { kind: 'exit', status: 0 },
    stdout: 'good\n',
  });
});

test('filestat has 56 bytes, with a link count of 32 bits', async () => {
  const done = await run(
    [
      ['path_filestat_get', 3, 0, 0x20, 5, 0x100],
      ['fd_filestat_get', 3, 0x200],
      ['fd_filestat_get', 1, 0x300],
      ['path_filestat_get', 3, 0, 0x20, 5, 0x10000 - 55],
    ],
    { 32: 'a.txt' },
  );
  expect(done.results).toEqual([0, 0, 0, 21]);
  expectMemory(done, {
    256: Buffer.concat([u64(1n, 2n), u32(4, 1), u64(6n, timeNs, timeNs, timeNs)]),
    512: Buffer.concat([u64(1n, 1n), u32(3, 2), u64(0n, timeNs, timeNs, timeNs)]),
    768: Buffer.concat([u64(0n, 0n), u32(0, 1), u64(0n, 0n, 0n, 0n)]),
  });
});

test('whence is 0 cur, 1 end, 2 set', async () => {
  const done = await run(
    [
      open,
      ['fd_seek', 4, 2n, 2, 0x100],
      ['fd_seek', 4, 1n, 0, 0x108],
      ['fd_seek', 4, -1n, 1, 0x110],
      ['fd_seek', 4, 0n, 3, 0x118],
    ],
    { 32: 'a.txt' },
  );
  expect(done.results).toEqual([0, 0, 0, 0, 28]);
  expectMemory(done, { 64: u32(4), 256: u64(2n, 3n, 5n) });
});

describe('poll_oneoff', () => {
  /** userdata, tag, then the union: a clock has its identifier first. */
  const clock = (userdata: bigint, timeoutNs: bigint, flags = 0n) =>
    u64(userdata, 0n, 0xdead_beefn, 1n, timeoutNs, 0n, flags);
  const descriptor = (userdata: bigint, type: bigint, fd: bigint) => u64(userdata, type, fd, 0n, 0n, 0n, 0n);
  const event = (userdata: bigint, error: number, type: number, bytes = 0n) =>
    Buffer.concat([u64(userdata), u32(error | (type << 16), 0), u64(bytes, 0n)]);

  test('reads subscriptions of 56 bytes', async () => {
    const data = { 256: Buffer.concat([clock(1n, 3_600_000_000_000n), descriptor(2n, 2n, 1n), clock(3n, 1n, 1n)]) };
    const done = await run([['poll_oneoff', 0x100, 0x400, 3, 0x20]], data);
    expect(done.results).toEqual([0]);
    expectMemory(done, { 32: u32(2), 1024: Buffer.concat([event(2n, 0, 2), event(3n, 0, 0)]) });
  });

  test('waits for the clock that goes off first', async () => {
    const data = { 256: Buffer.concat([clock(1n, 3_600_000_000_000n), clock(2n, 1_000_000n)]) };
    const done = await run([['poll_oneoff', 0x100, 0x400, 2, 0x20]], data);
    expectMemory(done, { 32: u32(1), 1024: event(2n, 0, 0) });
  });
});

test('all functions but sock_accept are there, with the types of preview 1', () => {
  const typeOf = ({ name, params, result, waits }: (typeof wasi.syscalls)[number]) => ({ name, params, result, waits });
  const sorted = (rows: typeof wasi.syscalls) => rows.map(typeOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  expect(sorted(wasiUnstable.syscalls)).toEqual(sorted(wasi.syscalls.filter(({ name }) => name !== 'sock_accept')));
  expect([wasi.syscalls.length, wasiUnstable.syscalls.length]).toEqual([46, 45]);
});

test('a module may import from both versions', async () => {
  const done = await runGuest(`(module
    (import "wasi_unstable" "fd_write" (func $old (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $new (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\02\\00\\00\\00") (data (i32.const 16) "hi")
    (func (export "_start")
      (drop (call $old (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
      (drop (call $new (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))`);
  expect(done.end).toEqual({ kind: 'exit', status: 0 });
  expect(String(done.stdout)).toBe('hihi');
});

/** Structures in the guest's memory, byte for byte, between guard bytes (witx, snapshots/preview1). */
import { describe, expect, test } from 'vitest';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { type Call, type CallsOptions, expectMemory, runCalls } from '../../support/calls.ts';

const errno = { success: 0, badf: 8, fault: 21, ilseq: 25, inval: 28, nametoolong: 37, noent: 44 } as const;
const timeNs = 1_700_000_000_123_456_789n;
const lower = lowerTree(
  [
    { path: 'a.txt', bytes: Buffer.from('file a') },
    { path: 'sub/b.txt', bytes: Buffer.from('b') },
  ],
  timeNs,
);

const run = (calls: readonly Call[], options: Partial<CallsOptions> = {}) =>
  runCalls({ abi: 'wasi', calls, files: () => makeFileSystem({ lower, nowNs: () => timeNs }), ...options });

/** Little-endian integers: `u8(1)`, `u32(5)`, `u64(7n)`. */
const u32 = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);
const u64 = (...values: readonly bigint[]) => Buffer.from(new BigUint64Array(values).buffer);

describe('args and environ', () => {
  test('sizes count the NULs; pointers point into the buffer', async () => {
    const calls: Call[] = [
      ['args_sizes_get', 0x100, 0x104],
      ['args_get', 0x110, 0x200],
      ['environ_sizes_get', 0x108, 0x10c],
      ['environ_get', 0x120, 0x300],
    ];
    const done = await run(calls, { args: ['p', 'äb'], env: { K: 'v=1' } });
    expect(done.results).toEqual([0, 0, 0, 0]);
    expectMemory(done, {
      256: u32(2, 6, 1, 6),
      272: u32(0x200, 0x202),
      512: 'p\0äb\0',
      288: u32(0x300),
      768: 'K=v=1\0',
    });
  });

  test('no arguments and no variables write nothing', async () => {
    const done = await run(
      [
        ['args_sizes_get', 0x100, 0x104],
        ['args_get', 0x110, 0x200],
        ['environ_get', 0x110, 0x200],
      ],
      { args: [] },
    );
    expect(done.results).toEqual([0, 0, 0]);
    expectMemory(done, { 256: u32(0, 0) });
  });
});

describe('fdstat', () => {
  const stdin = 1n | (1n << 1n) | (1n << 3n) | (1n << 4n) | (1n << 21n) | (1n << 27n) | (1n << 28n) | (1n << 29n);

  test('of standard input: a stream that can be read', async () => {
    const done = await run([['fd_fdstat_get', 0, 0x100]]);
    expect(done.results).toEqual([0]);
    expectMemory(done, { 256: Buffer.concat([u64(0n), u64(stdin), u64(0n)]) });
  });

  test('of a terminal: a character device, which is what isatty looks for', async () => {
    const terminal: Resource = {
      scheme: 'stdin',
      device: 'terminal',
      read: () => 0,
      write: () => 0,
      flush: () => 0,
      close: () => 0,
    };
    const done = await run([['fd_fdstat_get', 0, 0x100]], { stdin: terminal });
    expectMemory(done, { 256: Buffer.concat([u64(2n), u64(stdin), u64(0n)]) });
  });

  test('flags stand at byte 2', async () => {
    const done = await run([
      ['fd_fdstat_set_flags', 0, 4],
      ['fd_fdstat_get', 0, 0x100],
      ['fd_fdstat_set_flags', 0, 32],
    ]);
    expect(done.results).toEqual([0, 0, errno.inval]);
    expectMemory(done, { 256: Buffer.concat([u64(4n << 16n), u64(stdin), u64(0n)]) });
  });
});

describe('filestat', () => {
  test('of a file in the tree: device, inode, type, links, size and times', async () => {
    const done = await run([['path_filestat_get', 3, 0, 0x20, 5, 0x100]], { data: { 32: 'a.txt' } });
    expect(done.results).toEqual([0]);
    expectMemory(done, { 256: u64(1n, 2n, 4n, 1n, 6n, timeNs, timeNs, timeNs) });
  });

  test('of a directory, by descriptor', async () => {
    const done = await run([['fd_filestat_get', 3, 0x100]]);
    expect(done.results).toEqual([0]);
    expectMemory(done, { 256: u64(1n, 1n, 3n, 3n, 0n, timeNs, timeNs, timeNs) });
  });

  test('of a stream: nothing but its type', async () => {
    const done = await run([['fd_filestat_get', 1, 0x100]]);
    expect(done.results).toEqual([0]);
    expectMemory(done, { 256: u64(0n, 0n, 0n, 1n, 0n, 0n, 0n, 0n) });
  });
});

describe('fd_readdir', () => {
  const head = (next: bigint, ino: bigint, length: number, type: number) =>
    Buffer.concat([u64(next, ino), u32(length, type)]);

  test('., .., tmp and the tree, each behind its dirent; fewer bytes than asked for mean the end', async () => {
    const done = await run([['fd_readdir', 3, 0x100, 0x400, 0n, 0x20]]);
    expect(done.results).toEqual([0]);
    const all = Buffer.concat([
      ...[head(1n, 1n, 1, 3), Buffer.from('.')],
      ...[head(2n, 1n, 2, 3), Buffer.from('..')],
      ...[head(3n, 1n, 3, 3), Buffer.from('tmp')],
      ...[head(4n, 2n, 5, 4), Buffer.from('a.txt')],
      ...[head(5n, 3n, 3, 3), Buffer.from('sub')],
    ]);
    expectMemory(done, { 32: u32(all.length), 256: all });
  });

  test('the last entry is cut where the buffer ends', async () => {
    const done = await run([['fd_readdir', 3, 0x100, 28, 3n, 0x20]]);
    expectMemory(done, { 32: u32(28), 256: Buffer.concat([head(4n, 2n, 5, 4), Buffer.from('a.txt')]).subarray(0, 28) });
  });

  test('a buffer of no bytes is no error, and no end', async () => {
    const done = await run([['fd_readdir', 3, 0x100, 0, 0n, 0x20]]);
    expect(done.results).toEqual([0]);
    expectMemory(done, { 32: u32(0) });
  });
});

describe('paths', () => {
  const open = (pointer: number, length: number, opened = 0x100): Call => [
    'path_open',
    ...[3, 0, pointer, length, 0, 2n, 0n, 0, opened],
  ];

  test('path_open writes the lowest free descriptor', async () => {
    const done = await run([open(0x20, 5), ['fd_close', 4], open(0x20, 5, 0x104), open(0x20, 5, 0x108)], {
      data: { 32: 'a.txt' },
    });
    expect(done.results).toEqual([0, 0, 0, 0]);
    expectMemory(done, { 256: u32(4, 4, 5) });
  });

  test('a NUL, bytes that are not UTF-8 and a missing name are refused', async () => {
    const done = await run([open(0x20, 6), open(0x30, 2), open(0x40, 1), open(0x50, 5000), open(0x20, 0)], {
      data: { 32: 'a.txt\0', 48: Uint8Array.of(0xff, 0xfe), 64: 'x' },
    });
    expect(done.results).toEqual([errno.inval, errno.ilseq, errno.noent, errno.nametoolong, errno.noent]);
    expectMemory(done);
  });

  test('a result that has no place in memory opens nothing', async () => {
    const done = await run([open(0x20, 5, 0xfffd), open(0x20, 5)], { data: { 32: 'a.txt' } });
    expect(done.results).toEqual([errno.fault, 0]);
    expectMemory(done, { 256: u32(4) });
  });
});

describe('iovecs', () => {
  test('are filled one after the other; empty ones are passed over', async () => {
    const done = await run([['fd_read', 0, 0x20, 4, 0x10]], {
      stdin: { ...streamOf('abcdef'), readable: () => null },
      data: { 32: u32(0x100, 2, 0x200, 0, 0x110, 3, 0x120, 100) },
    });
    expect(done.results).toEqual([0]);
    expectMemory(done, { 16: u32(6), 256: 'ab', 272: 'cde', 288: 'f' });
  });

  test('several go out as one write', async () => {
    const writes: string[] = [];
    const stdout: Resource = {
      scheme: 'stdout',
      read: () => 0,
      write: (bytes) => {
        writes.push(Buffer.from(bytes).toString());
        return bytes.length;
      },
      flush: () => 0,
      close: () => 0,
    };
    const done = await run([['fd_write', 1, 0x20, 2, 0x10]], {
      stdout,
      data: { 32: u32(0x100, 5, 0x110, 6), 256: 'hello', 272: ' world' },
    });
    expect(done.results).toEqual([0]);
    expect(writes).toEqual(['hello world']);
    expectMemory(done, { 16: u32(11) });
  });

  test('one that reaches over the end of memory: fault, and nothing is read or written', async () => {
    const done = await run(
      [
        ['fd_read', 0, 0x20, 2, 0x10],
        ['fd_write', 1, 0x20, 2, 0x10],
        ['fd_read', 0, 0xfffc, 1, 0x10],
        ['fd_read', 0, 0x20, 1, 0xffff_fffe | 0],
      ],
      { stdin: 'abc', data: { 32: u32(0x100, 2, 0xffff, 2) } },
    );
    expect(done.results).toEqual([errno.fault, errno.fault, errno.fault, errno.fault]);
    expect(String(done.stdout)).toBe('');
    expectMemory(done);
  });

  test('more than 1024 of them are inval', async () => {
    const done = await run([['fd_write', 1, 0, 1025, 0x10]]);
    expect(done.results).toEqual([errno.inval]);
  });
});

describe('descriptors', () => {
  test('a descriptor that is none is badf everywhere, before any pointer is looked at', async () => {
    const wild = -31337;
    const done = await run([
      ['fd_write', wild, 0, 0, 0x10],
      ['fd_read', 99, -1, 1, -1],
      ['fd_close', -1],
      ['fd_fdstat_get', 4, -1],
      ['fd_seek', 1 << 30, 0n, 0, 0x10],
      ['sock_shutdown', 77, 1],
      ['path_open', 99, 0, 0x20, 1, 0, 0n, 0n, 0, 0x10],
    ]);
    expect(done.results).toEqual(Array(7).fill(errno.badf));
    expectMemory(done);
  });

  test('closing twice is badf the second time', async () => {
    const done = await run([
      ['fd_close', 3],
      ['fd_close', 3],
    ]);
    expect(done.results).toEqual([0, errno.badf]);
  });
});

function streamOf(text: string): Resource {
  let rest: Uint8Array = Buffer.from(text);
  return {
    scheme: 'stdin',
    read: (into) => {
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return part.length === 0 ? -5 : part.length;
    },
    write: () => -20,
    flush: () => 0,
    close: () => 0,
  };
}

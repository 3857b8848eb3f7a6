/** Land: open, close, read, write on files in memory; every failure ends the Process and says which call. */
import { describe, expect, test } from 'vitest';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { type Call, type CallsOptions, expectMemory, result, runCalls } from '../../support/calls.ts';
import { fixture, runGuest } from '../../support/run-guest.ts';

const lower = lowerTree([{ path: 'a.txt', bytes: Buffer.from('from the tree') }]);
const files = () => makeFileSystem({ lower, nowNs: () => 0n, limits: { bytes: 1000, names: 8 } });
const run = (calls: readonly Call[], options: Partial<CallsOptions> = {}) =>
  runCalls({ abi: 'land', calls, files, ...options });

describe('programs', () => {
  test('hello: the file stdout is the output', async () => {
    const done = await runGuest(fixture('land/hello'));
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(String(done.stdout)).toBe('hello from Land\n');
  });

  test('copy: the file stdin is the input; what else is left can be listed', async () => {
    const text = 'x'.repeat(1000);
    const done = await runGuest(fixture('land/copy'), { stdin: text });
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(String(done.stdout)).toBe(text);
    const left = [...(done.guest.filesOpened?.scratch.files() ?? [])];
    expect(left.map(({ path, bytes }) => [path, bytes.length])).toEqual([
      ['stdin', 1000],
      ['stdout', 1000],
      ['notes', 4],
    ]);
  });

  test('wide: i64 where the guest declares it; the status is what main returns', async () => {
    const done = await runGuest(fixture('land/wide'));
    expect(done.end).toEqual({ kind: 'exit', status: 3 });
    expect(String(done.stdout)).toBe('wide\n');
  });
});

describe('calls', () => {
  test('the first descriptor is 0; a missing file is made; each open has a position of its own', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', result(0), 0x40, 5],
        ['open', 0x20, 0],
        ['read', result(2), 0x100, 3],
        ['read', result(2), 0x110, 100],
        ['read', result(2), 0x120, 100],
        ['close', result(0)],
        ['open', 0x20, 0],
      ],
      { data: { 32: 'new\0', 64: 'hello' } },
    );
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(done.results).toEqual([0, 5, 1, 3, 2, 0, 0, 0]);
    expectMemory(done, { 256: 'hel', 272: 'lo' });
  });

  test('an absolute name is a path of the whole file system; the tree can be read', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['read', result(0), 0x100, 100],
      ],
      { data: { 32: '/a.txt\0' } },
    );
    expect(done.results).toEqual([0, 13]);
    expectMemory(done, { 256: 'from the tree' });
  });

  test('input that comes slowly is waited for', async () => {
    const parts = ['one ', 'two ', 'three'];
    let isReady = false;
    const stdin: Resource = {
      scheme: 'stdin',
      read: (into) => {
        if (!isReady) {
          isReady = true;
          return new Promise<void>((resolve) => setImmediate(resolve));
        }
        isReady = false;
        const part = Buffer.from(parts.shift() ?? '');
        into.set(part);
        return part.length === 0 ? -5 : part.length;
      },
      write: () => -20,
      flush: () => 0,
      close: () => 0,
    };
    const done = await run(
      [
        ['open', 0x20, 0],
        ['read', result(0), 0x100, 100],
      ],
      { stdin, data: { 32: 'stdin\0' } },
    );
    expect(done.results).toEqual([0, 13]);
    expectMemory(done, { 256: 'one two three' });
  });

  test('a slow reader of the output gets all of it', async () => {
    const got: string[] = [];
    let isFull = true;
    const stdout: Resource = {
      scheme: 'stdout',
      read: () => -20,
      write: (bytes) => {
        isFull = !isFull;
        if (isFull) return new Promise<void>((resolve) => setImmediate(resolve));
        got.push(String(Buffer.from(bytes.subarray(0, 3))));
        return Math.min(3, bytes.length);
      },
      flush: () => 0,
      close: () => 0,
    };
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', result(0), 0x40, 8],
      ],
      {
        stdout,
        data: { 32: 'stdout\0', 64: 'abcdefgh' },
      },
    );
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(got.join('')).toBe('abcdefgh');
  });
});

describe('a failure ends the Process and says which call', () => {
  const cases: readonly (readonly [title: string, call: Call, message: string, options: Partial<CallsOptions>])[] = [
    ['a bad descriptor', ['read', 7, 0x100, 1], 'read(7, 0x100, 1): no such descriptor', {}],
    ['a write to none', ['write', -1, 0x100, 1], 'write(-1, 0x100, 1): no such descriptor', {}],
    ['closing none', ['close', 3], 'close(3): no such descriptor', {}],
    ['a name without an end', ['open', 0x20, 0], 'open(0x20): the name has no end', { data: { 32: 'x'.repeat(5000) } }],
    ['an empty name', ['open', 0x20, 0], 'open(""): no such file or directory', { data: { 32: '\0' } }],
    ['a way out', ['open', 0x20, 0], 'open("../../etc/passwd"): outside', { data: { 32: '../../etc/passwd\0' } }],
    ['a directory', ['open', 0x20, 0], 'open("/tmp"): is a directory', { data: { 32: '/tmp\0' } }],
    ['a new file in the tree', ['open', 0x20, 0], 'open("/new"): read-only', { data: { 32: '/new\0' } }],
    ['no such directory', ['open', 0x20, 0], 'open("a/b"): no such file or directory', { data: { 32: 'a/b\0' } }],
    [
      'input that does not fit',
      ['open', 0x20, 0],
      'open("stdin"): reading the input: no space left in scratch',
      { data: { 32: 'stdin\0' }, stdin: 'x'.repeat(2000) },
    ],
  ];

  test.each(cases)('%s', async (_title, call, message, options) => {
    const done = await run([call], options);
    expect(done.end.kind).toBe('trap');
    expect(done.end).toEqual({ kind: 'trap', message: expect.stringContaining(`land: ${message}`) });
    expectMemory(done);
  });

  test('a write that does not fit', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', 0, 0, 2000],
      ],
      { data: { 32: 'big\0' } },
    );
    expect(done.end).toEqual({ kind: 'trap', message: 'land: write(0, 0x0, 2000): no space left in scratch' });
  });

  test('a file of the tree is not written to', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', 0, 0, 4],
      ],
      { data: { 32: '/a.txt\0' } },
    );
    expect(done.end).toEqual({ kind: 'trap', message: 'land: write(0, 0x0, 4): not open for that' });
  });

  test('a pointer outside the memory traps', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', 0, 0xffff, 2],
      ],
      { data: { 32: 'f\0' } },
    );
    expect(done.end).toEqual({ kind: 'trap', message: expect.stringContaining('outside the memory') });
  });

  test('what was left in stdout is not sent', async () => {
    const done = await run(
      [
        ['open', 0x20, 0],
        ['write', 0, 0x20, 6],
        ['close', 9],
      ],
      { data: { 32: 'stdout\0' } },
    );
    expect(done.end.kind).toBe('trap');
    expect(String(done.stdout)).toBe('');
  });
});

test('a Land program that exits through CommonWA leaves its output too', async () => {
  const done = await runGuest(`(module
    (import "env" "open" (func $open (param i32 i32) (result i32)))
    (import "env" "write" (func $write (param i32 i32 i32) (result i32)))
    (import "env" "runtime_exit" (func $exit (param i32)))
    (memory 1)
    (data (i32.const 16) "stdout\\00")
    (func (export "main") (result i32)
      (drop (call $write (call $open (i32.const 16) (i32.const 0)) (i32.const 16) (i32.const 6)))
      (call $exit (i32.const 5))
      (i32.const 0)))`);
  expect(done.end).toEqual({ kind: 'exit', status: 5 });
  expect(String(done.stdout)).toBe('stdout');
});

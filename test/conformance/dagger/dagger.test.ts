import { expect, test } from 'vitest';
import { dagger } from '../../../src/guest/kernel/abi/dagger/dagger.ts';
import type { Syscall } from '../../../src/guest/kernel/syscall.ts';
import { expectMemory, result, runCalls } from '../../support/calls.ts';
import { fixture, runGuest, text } from '../../support/run-guest.ts';

/** The rows as a guest that declares i64 for everything sees them. */
const wide: readonly Syscall[] = dagger.syscalls.map((row) => ({
  ...row,
  params: row.params.map(({ name }) => ({ name, type: 'i64' })),
  result: 'i64',
}));

test('descriptors 0, 1 and 2 are open at the start, the next one is 3', async () => {
  const run = await runCalls({
    abi: 'dagger',
    stdin: 'in',
    data: { 16: 'null:\0', 32: 'out', 48: 'err' },
    calls: [
      ['read', 0, 64, 8],
      ['write', 1, 32, 3],
      ['write', 2, 48, 3],
      ['open', 16, 0],
    ],
  });
  expect(run.results).toEqual([2, 3, 3, 3]);
  expect([text(run.stdout), text(run.stderr)]).toEqual(['out', 'err']);
  expect(run.trace[0]).toEqual({ name: 'read', args: [0, 64, 8], result: 2 });
  expectMemory(run, { 64: 'in' });
});

test('a guest that closes 0 gets it for what it opens next', async () => {
  const run = await runCalls({
    abi: 'dagger',
    data: { 16: 'zero:\0' },
    calls: [
      ['close', 0],
      ['open', 16, 0],
      ['read', 0, 64, 2],
    ],
  });
  expect(run.results).toEqual([0, 0, 2]);
  expectMemory(run, { 64: Uint8Array.of(0, 0) });
});

test('all calls take and return i64 where the guest declares it', async () => {
  const run = await runCalls({
    abi: 'dagger',
    rows: wide,
    stdin: 'in',
    data: { 16: 'zero:\0', 32: 'nope:\0' },
    calls: [
      ['open', 16n, 0n],
      ['read', result(0), 64n, 4n],
      ['write', result(0), 64n, 4n],
      ['sync', result(0)],
      ['flush', result(0)],
      ['close', result(0)],
      ['close', result(0)],
      ['open', 32n, 0n],
    ],
  });
  expect(run.results).toEqual([3n, 4n, 4n, 0n, 0n, 0n, -1n, -3n]);
  expectMemory(run, { 64: Uint8Array.of(0, 0, 0, 0) });
});

test('the end of a stream is 0 bytes', async () => {
  const run = await runCalls({ abi: 'dagger', calls: [['read', 0, 64, 8]] });
  expect(run.results).toEqual([0]);
  expectMemory(run);
});

test('fd://N opens descriptor N again; each is closed by itself', async () => {
  const run = await runCalls({
    abi: 'dagger',
    data: { 16: 'fd://1\0', 32: 'text', 48: 'fd://9\0', 64: 'kept:\0' },
    calls: [
      ['open', 16, 0],
      ['close', 1],
      ['write', 3, 32, 4],
      ['write', 1, 32, 4],
      ['open', 48, 0],
    ],
  });
  expect(run.results).toEqual([3, 0, 4, -1, -1]);
  expect(text(run.stdout)).toBe('text');
});

test('a Resource under two descriptors is closed with the second of them', async () => {
  const published: string[] = [];
  const run = await runCalls({
    abi: 'dagger',
    queues: {
      publish: async (_queue, message) => {
        published.push(Buffer.from(message).toString());
      },
    },
    data: { 16: 'queue://q\0', 32: 'fd://3\0', 48: 'ab' },
    calls: [
      ['open', 16, 0],
      ['open', 32, 0],
      ['write', 3, 48, 1],
      ['close', 3],
      ['write', 4, 49, 1],
      ['close', 4],
    ],
  });
  expect(run.results).toEqual([3, 4, 1, 0, 1, 0]);
  expect(published).toEqual(['ab']);
});

test('bad URL input is -2: no NUL, not UTF-8, outside the memory; a bad URL is -1, an unknown scheme -3', async () => {
  const run = await runCalls({
    abi: 'dagger',
    data: { 16: Uint8Array.of(0x6e, 0x3a, 0xff, 0), 32: 'no url\0', 48: 'gopher://x\0', 64: '\0' },
    calls: [
      ['open', 0x4000, 0],
      ['open', 16, 0],
      ['open', -1, 0],
      ['open', 0x10000, 0],
      ['open', 32, 0],
      ['open', 48, 0],
      ['open', 64, 0],
    ],
  });
  expect(run.results).toEqual([-2, -2, -2, -2, -1, -3, -1]);
  expectMemory(run);
});

test('a pointer outside the memory traps a read or write', async () => {
  for (const call of [['read', 0, -1, 4] as const, ['write', 1, 0xfffe, 4] as const]) {
    const run = await runCalls({ abi: 'dagger', stdin: 'input', calls: [call] });
    expect(run.end).toMatchObject({ kind: 'trap', message: expect.stringContaining('lies outside') });
  }
});

test('a descriptor that is not open is -1', async () => {
  const run = await runCalls({
    abi: 'dagger',
    calls: [-1, 3, 1_000_000].flatMap((fd) => [
      ['read', fd, 64, 4] as const,
      ['write', fd, 64, 4] as const,
      ['sync', fd] as const,
      ['close', fd] as const,
    ]),
  });
  expect(run.results).toEqual(run.results.map(() => -1));
});

test('the policy holds for Dagger too, fd:// apart', async () => {
  const run = await runCalls({
    abi: 'dagger',
    policy: { allow: [], disallow: [] },
    data: { 16: 'fd://1\0', 32: 'zero:\0' },
    calls: [
      ['open', 16, 0],
      ['open', 32, 0],
    ],
  });
  expect(run.results[0]).toBe(3);
  expect(run.end).toMatchObject({ kind: 'policy', url: 'zero:' });
});

test.each(['handle', 'main', '_start'])('%s is an entry point, without exporting the memory', async (entry) => {
  const run = await runCalls({ abi: 'dagger', entry, data: { 16: 'hi' }, calls: [['write', 1, 16, 2]] });
  expect(text(run.stdout)).toBe('hi');
});

test('the fixtures run: hello in i32, cat in i64', async () => {
  const hello = await runGuest(fixture('dagger/hello'));
  expect([text(hello.stdout), hello.end]).toEqual(['Hello from Dagger!\n', { kind: 'exit', status: 0 }]);
  const input = 'x'.repeat(10_000);
  const cat = await runGuest(fixture('dagger/cat64'), { stdin: input });
  expect([text(cat.stdout), cat.end]).toEqual([input, { kind: 'exit', status: 0 }]);
});

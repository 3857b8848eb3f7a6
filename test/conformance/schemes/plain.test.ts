/** null:, zero:, random:, time:, meta:, through CommonWA. */
import { expect, test } from 'vitest';
import { type Call, expectMemory, runCalls } from '../../support/calls.ts';

/** Opens `url` as descriptor 0 and makes `calls` on it. */
function on(url: string, calls: readonly Call[], options = {}) {
  return runCalls({
    abi: 'cwa',
    data: { 16: url, 256: 'data' },
    calls: [['resource_open', 16, Buffer.byteLength(url)], ...calls],
    ...options,
  });
}

test.each(['null:', 'null://', 'NULL:whatever'])('%s reads 0 bytes and takes everything', async (url) => {
  const run = await on(url, [
    ['resource_read', 0, 0x200, 16],
    ['resource_write', 0, 0x100, 4],
    ['resource_flush', 0],
  ]);
  expect(run.results).toEqual([0, 0, 4, 0]);
  expectMemory(run);
});

test('zero: fills with 0, neither more nor less than asked, and takes everything', async () => {
  const run = await on('zero:', [
    ['resource_read', 0, 0x200, 3],
    ['resource_read', 0, 0x300, 0],
    ['resource_write', 0, 0, 0x8000],
    ['resource_flush', 0],
  ]);
  expect(run.results).toEqual([0, 3, 0, 0x8000, 0]);
  expectMemory(run, { 512: Uint8Array.of(0, 0, 0) });
});

test.each(['random:', 'rand:', 'random://'])('%s gives random bytes and refuses writes', async (url) => {
  const run = await on(url, [
    ['resource_read', 0, 0x200, 32],
    ['resource_write', 0, 0x100, 4],
    ['resource_flush', 0],
  ]);
  expect(run.results).toEqual([0, 32, -1, 0]);
  const bytes = run.memory.slice(0x200, 0x220);
  expect(new Set(bytes).size).toBeGreaterThan(16);
  expectMemory(run, { 512: bytes });
});

test.each(['time://utc', 'time:', 'time:utc'])('%s gives the Unix seconds as 8 bytes', async (url) => {
  const clock = { wallMs: () => 5_000_000_000_999, monotonicNs: () => 0n };
  const run = await on(
    url,
    [
      ['resource_read', 0, 0x200, 8],
      ['resource_read', 0, 0x210, 100],
      ['resource_read', 0, 0x280, 7],
      ['resource_write', 0, 0x100, 4],
    ],
    { clock },
  );
  expect(run.results).toEqual([0, 8, 8, -2, -1]);
  const seconds = new Uint8Array(BigInt64Array.of(5_000_000_000n).buffer);
  expectMemory(run, { 512: seconds, 528: seconds });
});

test('a clock that is not there is -4', async () => {
  expect((await on('time://mars', [])).results).toEqual([-4]);
});

test.each([
  ['meta://handler/name', 'local'],
  ['meta://deployment/number', '0'],
  ['meta://invocation/id', 'local'],
  ['meta://runtime/name', 'olin'],
  ['meta://gas/limit', '1000000000'],
])('%s tells %s, then the end', async (url, value) => {
  const run = await on(url, [
    ['resource_read', 0, 0x200, 64],
    ['resource_read', 0, 0x280, 64],
    ['resource_write', 0, 0x100, 4],
  ]);
  expect(run.results).toEqual([0, value.length, -5, -1]);
  expectMemory(run, { 512: value });
});

test('meta://deployment/commit of a local run is empty', async () => {
  expect((await on('meta://deployment/commit', [['resource_read', 0, 0x200, 64]])).results).toEqual([0, -5]);
});

test('meta://gas/used counts what the guest has executed so far', async () => {
  const run = await on('meta://gas/used', [['resource_read', 0, 0x200, 64]]);
  const used = Number(Buffer.from(run.memory.subarray(0x200, 0x200 + Number(run.results[1]))).toString());
  expect(used).toBeGreaterThan(0);
  // A basic block is charged when it begins, and this guest is one.
  expect(used).toBeLessThanOrEqual(run.usage.gas);
});

test.each(['meta://handler/secret', 'meta:', 'meta://__proto__', 'meta://constructor'])('%s is -4', async (url) => {
  expect((await on(url, [])).results).toEqual([-4]);
});

test('bytes are counted by scheme', async () => {
  const run = await on('zero:', [
    ['resource_read', 0, 0x200, 5],
    ['resource_write', 0, 0x100, 4],
  ]);
  expect(run.usage.io).toEqual({ zero: { bytesIn: 5, bytesOut: 4 } });
});

import { expect, test } from 'vitest';
import { logLimits } from '../../../src/protocol/limits.ts';
import { expectMemory, runCalls } from '../../support/calls.ts';
import { runGuest } from '../../support/run-guest.ts';

test('log_write makes one LogLine for each level, known or not', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'message' },
    calls: [
      ['log_write', 1, 16, 7],
      ['log_write', 3, 16, 7],
      ['log_write', 6, 16, 4],
      ['log_write', -9, 16, 0],
    ],
  });
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(run.logs).toEqual([
    { level: 1, stream: 'log', text: 'message' },
    { level: 3, stream: 'log', text: 'message' },
    { level: 6, stream: 'log', text: 'mess' },
    { level: -9, stream: 'log', text: '' },
  ]);
  expect(run.trace[0]).toEqual({ name: 'log_write', args: [1, 16, 7], result: undefined });
  expectMemory(run);
});

test('log_write replaces invalid UTF-8 instead of failing', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: Uint8Array.of(0x61, 0xff, 0x62) },
    calls: [['log_write', 6, 16, 3]],
  });
  expect(run.logs).toEqual([{ level: 6, stream: 'log', text: 'a\ufffdb' }]);
});

test.each([
  ['a wild pointer', -1, 4],
  ['a length behind the end', 0xfff0, 17],
  ['the longest length', 0, -1],
])('log_write with %s traps and says why', async (_title, pointer, length) => {
  const run = await runCalls({ abi: 'cwa', calls: [['log_write', 6, pointer, length]] });
  expect(run.end).toMatchObject({ kind: 'trap', message: expect.stringMatching(/^pointer 0x.* lies outside/) });
  expect(run.logs).toEqual([]);
});

test('log_write splits a line that is too long, and marks the pieces', async () => {
  const run = await runGuest(
    `(module (import "cwa" "log_write" (func $log (param i32 i32 i32))) (memory 1)
       (func (export "main")
         (memory.fill (i32.const 0) (i32.const 120) (i32.const 65536))
         (call $log (i32.const 6) (i32.const 0) (i32.const 65536))))`,
  );
  const piece = 'x'.repeat(logLimits.lineBytes);
  expect(run.logs.map((line) => line.text)).toEqual(Array.from({ length: 8 }, (_, n) => `(${n + 1}/8) ${piece}`));
});

test('log_write of more than 1 MiB is cut, and marked', async () => {
  const run = await runGuest(
    `(module (import "cwa" "log_write" (func $log (param i32 i32 i32))) (memory 17)
       (func (export "main") (call $log (i32.const 6) (i32.const 0) (i32.const 1048577))))`,
  );
  expect(run.logs).toHaveLength(logLimits.messageBytes / logLimits.lineBytes + 1);
  expect(run.logs.at(-1)?.text).toBe('(129/129) … (cut)');
});

test('of the lines beyond the limit of an Invocation a sample is kept, and the others are counted', async () => {
  const run = await runGuest(
    `(module (import "cwa" "log_write" (func $log (param i32 i32 i32))) (memory 1)
       (func (export "main") (local $i i32)
         (loop $next
           (call $log (i32.const 6) (i32.const 0) (i32.const 1))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $i) (i32.const ${120_005}))))))`,
  );
  // At once, not at its end: a reader would take the gap for a standstill.
  const { linesPerInvocation } = logLimits;
  expect(run.logs[linesPerInvocation]).toMatchObject({ level: 3, stream: 'platform' });
  expect(run.logs[linesPerInvocation]?.text).toContain('a sample of the rest follows');
  // Every hundredth up to 100,000, every thousandth up to a million; then the exact count.
  expect(run.logs).toHaveLength(linesPerInvocation + 1 + 900 + 20 + 1);
  const [, written, leftOut] = /wrote (\d+) log lines, of which (\d+) are left out/.exec(run.logs.at(-1)!.text) ?? [];
  expect(Number(written)).toBe(120_005 + 1);
  expect(Number(written) - Number(leftOut)).toBe(run.logs.length - 1);
});

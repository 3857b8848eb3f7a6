import { expect, test } from 'vitest';
import { expectMemory, runCalls } from '../../support/calls.ts';
import { runGuest } from '../../support/run-guest.ts';

function lines(url: string, writes: readonly string[], close = true) {
  let at = 0x100;
  const data: Record<number, string> = { 16: url };
  const calls = writes.map((line) => {
    data[at] = line;
    const call = ['resource_write', 0, at, Buffer.byteLength(line)] as const;
    at += 0x100;
    return call;
  });
  return runCalls({
    abi: 'cwa',
    data,
    calls: [['resource_open', 16, url.length], ...calls, ...(close ? [['resource_close', 0] as const] : [])],
  });
}

test('each line written becomes a LogLine of level info, however it is cut into writes', async () => {
  const run = await lines('log://', ['one\ntw', 'o', '\n\r\n', 'three\r\nfo', 'ur']);
  expect(run.logs).toEqual(['one', 'two', '', 'three', 'four'].map((text) => ({ level: 6, stream: 'log', text })));
  expectMemory(run);
});

test('a line without newline is written at close', async () => {
  const run = await lines('log:', ['pending']);
  expect(run.logs.map((line) => line.text)).toEqual(['pending']);
});

test('a line without newline is written at the end of the Process, even of one that was stopped', async () => {
  const run = await lines('log:', ['pending'], false);
  expect(run.logs.map((line) => line.text)).toEqual(['pending']);
});

test('the prefix stands in front of every line', async () => {
  const run = await lines('log://?prefix=my%20guest', ['one\ntwo\n']);
  expect(run.logs.map((line) => line.text)).toEqual(['my guest: one', 'my guest: two']);
});

test.each([
  ['error', 1],
  ['warning', 3],
  ['7', 7],
])('level=%s is the level of every line', async (level, number) => {
  const run = await lines(`log://?prefix=x&level=${level}`, ['one\n']);
  expect(run.logs).toEqual([{ level: number, stream: 'log', text: 'x: one' }]);
});

test.each(['loud', '99', '-1', ''])('level=%s is -2', async (level) => {
  expect((await lines(`log://?level=${level}`, [])).results[0]).toBe(-2);
});

test('a prefix that is too long is -2', async () => {
  const run = await lines(`log://?prefix=${'p'.repeat(200)}`, []);
  expect(run.results[0]).toBe(-2);
});

test('a read gives 0 bytes, successfully', async () => {
  const run = await runCalls({
    abi: 'cwa',
    data: { 16: 'log:' },
    calls: [
      ['resource_open', 16, 4],
      ['resource_read', 0, 64, 8],
      ['resource_flush', 0],
    ],
  });
  expect(run.results).toEqual([0, 0, 0]);
  expectMemory(run);
});

test('a line longer than the limit is split and marked; the next line is whole', async () => {
  const run = await runGuest(
    `(module
       (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
       (memory 4) (data (i32.const 0) "log:") (data (i32.const 131072) "\\nnext\\n")
       (func (export "main") (result i32) (local $fd i32)
         (local.set $fd (call $open (i32.const 0) (i32.const 4)))
         (memory.fill (i32.const 16) (i32.const 97) (i32.const 131056))
         (call $write (local.get $fd) (i32.const 16) (i32.const 131062))))`,
  );
  expect(run.end).toEqual({ kind: 'exit', status: 131062 });
  const texts = run.logs.map((line) => line.text);
  expect(texts).toHaveLength(17);
  expect(texts.map((text) => text.replace(/^\(\S+\) /, '')).join('')).toBe(`${'a'.repeat(131_056)}next`);
  const marks = [...Array.from({ length: 15 }, (_, n) => `(${n + 1}/…)`), '(16/16)'];
  expect(texts.map((text) => text.split(' ')[0])).toEqual([...marks, 'next']);
});

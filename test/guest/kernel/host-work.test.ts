/** Host calls cost the guest next to no gas; deadlines and other guests must not suffer from it. */
import { expect, test } from 'vitest';
import { runGuest } from '../../support/run-guest.ts';

/** Turns of the event loop while `run` is running. */
async function turnsDuring<T>(run: Promise<T>): Promise<{ turns: number; result: T }> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  try {
    return { result: await run, turns };
  } finally {
    isOver = true;
  }
}

test('a loop of calls that never wait lets the event loop turn', async () => {
  const { turns, result } = await turnsDuring(
    runGuest(
      `(module (import "cwa" "runtime_spec_minor" (func $minor (result i32)))
         (func (export "main") (local $i i32)
           (loop $next
             (drop (call $minor))
             (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200000))))))`,
    ),
  );
  expect(result.end).toEqual({ kind: 'exit', status: 0 });
  // 2 million gas are less than a slice: without counting the host's work there would be no turn at all.
  expect(result.usage.gas).toBeLessThan(5_000_000);
  expect(turns).toBeGreaterThan(20);
});

test('a write of the whole memory is moved in parts that let the event loop turn', async () => {
  const { turns, result } = await turnsDuring(
    runGuest(
      `(module
         (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
         (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
         (memory 16) (data (i32.const 0) "log:")
         (func (export "main") (result i32)
           (drop (call $open (i32.const 0) (i32.const 4)))
           (memory.fill (i32.const 16) (i32.const 10) (i32.const 1048560))
           (call $write (i32.const 0) (i32.const 16) (i32.const 1048560))))`,
    ),
  );
  expect(result.end).toEqual({ kind: 'exit', status: 1_048_560 });
  expect(turns).toBeGreaterThan(5);
});

test('the deadline ends a write that is under way', async () => {
  const run = await runGuest(
    `(module
       (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
       (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
       (memory 16) (data (i32.const 0) "log:")
       (func (export "main")
         (drop (call $open (i32.const 0) (i32.const 4)))
         (memory.fill (i32.const 16) (i32.const 10) (i32.const 1048560))
         (loop $next
           (drop (call $write (i32.const 0) (i32.const 16) (i32.const 1048560)))
           (br $next))))`,
    { limits: { timeoutMs: 30, gas: 1e12 } },
  );
  expect(run.end).toEqual({ kind: 'deadline', timeoutMs: 30 });
});

test('gas is the count of instructions, whatever the host did for the guest', async () => {
  const reading = (bytes: number) =>
    runGuest(
      `(module
         (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
         (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
         (memory 200) (data (i32.const 0) "zero:")
         (func (export "main") (local $i i32)
           (drop (call $open (i32.const 0) (i32.const 5)))
           (loop $next
             (drop (call $read (i32.const 0) (i32.const 0) (i32.const ${bytes})))
             (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))))`,
    );
  const [little, much] = [await reading(1), await reading(13_000_000)];
  expect(much.usage.io.zero?.bytesIn).toBeGreaterThan(10_000_000);
  expect(much.usage.gas).toBe(little.usage.gas);
});

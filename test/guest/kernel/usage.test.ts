import { expect, test } from 'vitest';
import { processUsage } from '../../../src/guest/kernel/usage.ts';
import type { InstancePlan } from '../../../src/protocol/module.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { runGuest } from '../../support/run-guest.ts';

test('what a Process has used: gas, calls by name, waits, bytes, memory, log lines', async () => {
  const run = await runGuest(
    `(module
       (import "cwa" "log_write" (func $log (param i32 i32 i32)))
       (import "env" "log_write" (func $log2 (param i32 i32 i32)))
       (import "cwa" "runtime_msleep" (func $sleep (param i32)))
       (import "cwa" "random_i32" (func $unused (result i32)))
       (memory 1 9)
       (func (export "main")
         (call $log (i32.const 6) (i32.const 0) (i32.const 0))
         (call $log2 (i32.const 6) (i32.const 0) (i32.const 0))
         (call $sleep (i32.const 20))
         (drop (memory.grow (i32.const 3)))))`,
  );
  expect(run.usage).toMatchObject({
    memoryPages: 4,
    logLines: 2,
    syscalls: { log_write: { count: 2, waitMs: 0 }, runtime_msleep: { count: 1 } },
    io: {},
  });
  expect(Object.keys(run.usage.syscalls).sort()).toEqual(['log_write', 'runtime_msleep']);
  expect(run.usage.syscalls.runtime_msleep?.waitMs).toBeGreaterThanOrEqual(19);
});

test('the functions of an interface of components are counted together, those of the linker not at all', () => {
  const { process } = new ComponentGuest();
  const imports = [
    ['wasi:io/streams@0.2', '[method]output-stream.write'],
    ['wasi:io/streams@0.2', '[method]output-stream.flush'],
    ['wasi:cli/stdout@0.2', 'get-stdout'],
    ['trisiel:component/abi', 'next'],
  ].map(([module, name]) => ({ module, name }));
  process.counts = new Uint32Array([3, 2, 1, 9]);
  expect(processUsage(process, { imports } as unknown as InstancePlan).syscalls).toEqual({
    'wasi:io/streams': { count: 5, waitMs: 0 },
    'wasi:cli/stdout': { count: 1, waitMs: 0 },
  });
});

test('the same run uses the same gas every time', async () => {
  const spin = `(module (func (export "main") (local $i i32)
    (loop $next (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3000000))))))`;
  const [one, two] = [await runGuest(spin), await runGuest(spin)];
  expect(one.usage.gas).toBe(two.usage.gas);
  expect(one.usage.gas).toBeGreaterThan(20_000_000);
});

test('a guest stops within its gas at the same instruction every time', async () => {
  const spin = '(module (memory 1) (func (export "main") (loop $next (br $next))))';
  for (const gas of [1, 2, 1000, 12_345_678]) {
    const [one, two] = [await runGuest(spin, { limits: { gas } }), await runGuest(spin, { limits: { gas } })];
    expect(one.end).toMatchObject({ kind: 'gas', limit: gas });
    expect(two.end).toEqual(one.end);
  }
});

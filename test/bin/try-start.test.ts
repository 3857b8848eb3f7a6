/** Which starts the vet child refuses, and which it cannot know about. */
import { describe, expect, test } from 'vitest';
import { type TrialLimits, trialLimits, tryStart } from '../../src/bin/try-start.ts';
import { moduleAbis, providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { vetModule } from '../../src/guest/wasm/rewrite.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { wat } from '../support/wasm.ts';

interface Given {
  readonly limits?: Partial<typeof defaultLimits>;
  readonly trial?: Partial<TrialLimits>;
}

async function start(text: string, { limits = {}, trial = {} }: Given = {}): Promise<void> {
  const { bytes, module } = vetModule(wat(`(module ${text} (func (export "_start")))`), {
    provided: providedFunctions,
  });
  await tryStart(await WebAssembly.compile(Uint8Array.from(bytes)), module.plan, {
    name: 'dist/hello.wasm',
    abis: moduleAbis,
    limits: { ...defaultLimits, ...limits },
    trial: { ...trialLimits, ...trial },
  });
}

const random = '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))';
const waits = '(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))';
const endless = '(func $endless (loop $again br $again))';
const grown = '(i32.load (i32.mul (memory.grow (i32.const 100)) (i32.const 65536)))';

describe('a start that can only fail is refused', () => {
  test.each([
    [
      'a start function that traps',
      '(func $boot unreachable) (start $boot)',
      'its start function traps: unreachable in',
    ],
    ['_initialize that traps', '(func (export "_initialize") unreachable)', 'its _initialize traps: unreachable'],
    [
      '_initialize that traps behind a start function that does not',
      '(func $boot) (start $boot) (func (export "_initialize") (drop (i32.div_u (i32.const 1) (i32.const 0))))',
      'its start function, or _initialize, traps: divide by zero',
    ],
    ['one that reads outside of its memory', `(memory 1 1) (func $f (drop ${grown})) (start $f)`, 'out of bounds in'],
    ['one that calls itself for ever', '(func $f (call $f)) (start $f)', 'traps: stack overflow'],
    ['an exception that nothing catches', '(tag $t) (func $f (throw $t)) (start $f)', 'uncaught exception'],
    [
      'one that traps before its system call',
      `${random} (func $f unreachable (drop (call $random (i32.const 0) (i32.const 0)))) (start $f)`,
      'unreachable',
    ],
  ])('%s', async (_, text, words) => {
    await expect(start(text)).rejects.toMatchObject({
      code: 'module_invalid',
      message: expect.stringMatching(/^dist\/hello\.wasm cannot start: /),
    });
    await expect(start(text)).rejects.toThrow(words);
  });

  test('names the functions that were running', async () => {
    const error = await start('(func $inner unreachable) (func $outer (call $inner)) (start $outer)').catch((e) => e);
    expect(error.details.join('\n')).toMatch(/inner[\s\S]*outer/);
  });

  test('one that runs for ever, by the gas of its calls', async () => {
    await expect(start(`${endless} (start $endless)`, { limits: { gas: 1_000_000 } })).rejects.toMatchObject({
      code: 'module_invalid',
      message: 'dist/hello.wasm cannot start: its start function uses more than the 1,000,000 gas of a call',
    });
  });

  test('one that its own memory limit ends', async () => {
    const text = `(memory 1) (func $f (drop ${grown})) (start $f)`;
    await expect(start(text, { limits: { memoryPages: 50 } })).rejects.toMatchObject({
      message: expect.stringContaining('out of bounds'),
      hints: [expect.any(String), 'its memory may grow to 50 pages: [limits] memory-pages'],
    });
    // No limit would help here.
    await expect(start('(func $f unreachable) (start $f)')).rejects.toMatchObject({ hints: [expect.any(String)] });
    await expect(start(text, { limits: { memoryPages: 101 } })).resolves.toBeUndefined();
  });
});

describe('a start that may succeed is not refused', () => {
  test.each([
    ['none that fails', '(global $g (mut i32) (i32.const 0)) (func $f (global.set $g (i32.const 7))) (start $f)'],
    [
      'one that traps behind a system call',
      `${random} (memory 1) (func $f (drop (call $random (i32.const 0) (i32.const 4))) unreachable) (start $f)`,
    ],
    [
      'one that would wait, and traps then',
      `${waits} (memory 1) (func $f (drop (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) unreachable) (start $f)`,
    ],
    [
      'one that catches the end of its system call',
      `${random} (func $f (try (do (drop (call $random (i32.const 0) (i32.const 4)))) (catch_all)) unreachable) (start $f)`,
    ],
    [
      'one that reads between its memory and the reserve of a runner',
      '(memory 1) (func $f (drop (memory.grow (i32.const 0))) (drop (i32.load (i32.const 100000)))) (start $f)',
    ],
  ])('%s', async (_, text) => {
    await expect(start(text)).resolves.toBeUndefined();
  });

  test('one that a limit of the trial ends, and not one of its calls', async () => {
    await expect(start(`${endless} (start $endless)`, { trial: { gas: 1_000_000 } })).resolves.toBeUndefined();
    await expect(start(`${endless} (start $endless)`, { trial: { timeoutMs: 1 } })).resolves.toBeUndefined();
    const text = `(memory 1) (func $f (drop ${grown})) (start $f)`;
    await expect(start(text, { trial: { memoryPages: 50 } })).resolves.toBeUndefined();
  });
});

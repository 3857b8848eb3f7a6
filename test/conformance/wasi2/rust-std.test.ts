/** A program of Rust's standard library for WASI 0.2 (fixtures/guests/component/std.rs) finds what it uses. */
import { beforeAll, describe, expect, it } from 'vitest';
import { vetProgram } from '../../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { fixture, runVetted, text } from '../../support/run-guest.ts';

describe('Rust’s standard library', () => {
  let vetted: ReturnType<typeof vetProgram>;
  beforeAll(() => {
    vetted = vetProgram(fixture('component/std'), { provided: providedFunctions, ...providedInterfaces });
  });
  // The limit only bounds a hang.
  const run = (stdin: string) =>
    runVetted(vetted, { stdin, env: { REQUEST_METHOD: 'POST', OTHER: 'x' }, limits: { timeoutMs: 600_000 } });

  it('reads standard input and the environment, and has files, time, sleep and random seeds, but no threads', async () => {
    const { end, stdout, stderr } = await run('b a b');
    expect(text(stdout).split('\n')).toEqual([
      'Content-Type: text/plain',
      '',
      '{"REQUEST_METHOD": "POST"}',
      '[("a", 1), ("b", 2)]',
      '6789 4 ["g"] Err(NotFound)',
      'true',
      'Err(Unsupported)',
      '',
    ]);
    expect(text(stderr)).toBe('told\n');
    expect(end).toEqual({ kind: 'exit', status: 0 });
  });

  it('ends with status 1 for every other one: the interface of exits that it uses knows no numbers', async () => {
    expect((await run('exit')).end).toEqual({ kind: 'exit', status: 1 });
  });

  it('writes why it panics, and traps', async () => {
    const { end, stderr } = await run('panic');
    expect(text(stderr)).toMatch(/panicked at std\.rs:\d+:\d+:\nasked to\n/);
    expect(end.kind).toBe('trap');
  });
});

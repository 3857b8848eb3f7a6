/**
 * What clang makes of C++ exceptions and of setjmp, in both forms of WebAssembly's exceptions: throws through frames
 * with destructors, rethrows, jumps. fixtures/guests/wasi/throws.cc and jumps.c say what the programs do.
 */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import type { SliceScheduler } from '../../../src/guest/kernel/meter.ts';
import { vetModule } from '../../../src/guest/wasm/rewrite.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { MemoryBudget } from '../../../src/runner/memory-budget.ts';
import { SlotPool } from '../../../src/runner/pool.ts';
import { Slot } from '../../../src/runner/slot.ts';
import { fixture, runGuest } from '../../support/run-guest.ts';
import { codeOf, runIn } from '../../support/runner-guests.ts';

const passed = '  ~inner\n  ~between\n  ~rethrower\n';
const threw = (frames: number) =>
  `${passed}caught number 42\n${passed}caught something\n${passed}caught number 42\n` +
  `${passed}caught out_of_range of the library\n${passed}caught failure\nnothing thrown\n${passed}returned\n` +
  `rethrown ${frames} times\n0 objects and 0 exceptions are left\n`;
const jumped =
  'setjmp gave 0, kept 1\nsetjmp gave 42, kept 2\nlongjmp of 0 gives 1\n1000 rounds\nthe outer one got 101\n' +
  'the inner one got 102\nthe outer one got 103\nthe inner one got 104\n';

const programs: Readonly<Record<string, (frames: number) => string>> = {
  throws: threw,
  'throws-legacy': threw,
  jumps: () => jumped,
  'jumps-legacy': () => jumped,
};

/** Slices of `gas` each, with a turn of the event loop in between. */
const slicesOf = (gas: number): SliceScheduler => ({ sliceGas: () => gas, turn: () => setImmediate() });

describe.each(Object.entries(programs))('%s', (name, output) => {
  const wasm = fixture(`wasi/${name}`);

  test('is in the form that its name says', () => {
    const { features } = vetModule(wasm, { provided: providedFunctions }).module;
    expect(features).toContain('exceptions');
    expect(features.includes('legacy-exceptions')).toBe(name.endsWith('-legacy'));
  });

  test.each([0, 10, 1_000])('past %s frames, with a sleep under way', async (frames) => {
    const run = await runGuest(wasm, { stdin: `${frames} 500` });
    expect({ end: run.end, stdout: String(run.stdout) }).toEqual({
      end: { kind: 'exit', status: 0 },
      stdout: output(frames),
    });
  });

  test('with exactly the gas that it needs, however that is sliced, and not with less', async () => {
    const code = await codeOf(wasm);
    const fresh = () => new Slot(code, { image: null, reservePages: 0 });
    const whole = await runIn(fresh(), code, '20 0');
    expect(whole).toMatchObject({ end: { kind: 'exit', status: 0 }, output: output(20) });
    for (const slice of [100, 1_000, 12_345])
      expect(await runIn(fresh(), code, '20 0', whole.gas, { slices: slicesOf(slice) })).toEqual(whole);
    const short = await runIn(fresh(), code, '20 0', whole.gas - 1_000, { slices: slicesOf(1_000) });
    expect(short.end).toMatchObject({ kind: 'gas' });
  });

  test('in a slot that has lived before as in a fresh one, sliced or not', async () => {
    const code = await codeOf(wasm);
    const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
    const slots = new Set<Slot>();
    for (let life = 0; life < 40; life += 1) {
      const input = ['3 0', '', '150 0', '40 100'][life % 4] ?? '';
      const options = life % 3 === 0 ? { slices: slicesOf(2_000) } : {};
      const slot = pool.take();
      if (slot === null) throw new Error('no slot');
      slots.add(slot);
      const used = await runIn(slot, code, input, 20_000_000, options);
      pool.give(slot, used.end.kind === 'exit');
      const fresh = await runIn(new Slot(code, { image: null, reservePages: 0 }), code, input, 20_000_000, options);
      expect(used).toEqual(fresh);
      expect(used.end).toEqual({ kind: 'exit', status: 0 });
    }
    pool.close();
    // Set back, not made anew.
    expect(slots.size).toBeLessThan(5);
  });

  test('ends when it is killed while it waits in the middle of an unwinding or a jump, and runs no further', async () => {
    const abort = new AbortController();
    const calls: string[] = [];
    const run = await runGuest(wasm, {
      stdin: '5 3600000000',
      signal: abort.signal,
      limits: { timeoutMs: 600_000 },
      tracer: {
        call: (_process, { name: called }) => {
          calls.push(called);
          if (called === 'poll_oneoff') void setImmediate().then(() => abort.abort());
        },
        done: () => undefined,
      },
    });
    expect(run.end.kind).toBe('aborted');
    expect(calls.at(-1)).toBe('poll_oneoff');
    expect(calls.filter((called) => called === 'poll_oneoff')).toHaveLength(1);
  });
});

/** Profiles of gas: real runs, whose gas is found where it was used, and in the same places every time. */
import { describe, expect, test } from 'vitest';
import { GasSampler, samplerLimits } from '../../../src/guest/kernel/gas-sampler.ts';
import {
  emptyProfile,
  type GasProfile,
  gasProfileLimits,
  plausibleProfile,
  sumOfProfiles,
} from '../../../src/protocol/gas-profile.ts';
import { assemble, runGuest } from '../../support/run-guest.ts';

const spin = (name: string, times: number, then = '') => `
  (func $${name} (local $i i32)
    (loop $next
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${times}))))
    ${then})`;
const program = (sleep: string) => `(module
  (import "cwa" "runtime_msleep" (func $sleep (param i32)))
  ${spin('small', 20_000)}
  ${spin('big', 60_000, '(call $small)')}
  (func $main (export "main") (call $small) ${sleep} (call $big)))`;

async function profileOf(source: string | Uint8Array, imported: number) {
  const sampler = new GasSampler(imported);
  const run = await runGuest(source, { sampler, limits: { gas: 1_000_000_000 } });
  return { run, profile: sampler.profile };
}

function stacksOf({ functions, nodes }: GasProfile): Record<string, number> {
  const names: string[] = [];
  const gas: Record<string, number> = {};
  for (const [caller, fn, own] of nodes) {
    const name = `${caller < 0 ? '' : `${names[caller]};`}${functions[fn]}`;
    names.push(name);
    if (own > 0) gas[name] = own;
  }
  return gas;
}

describe('a profile', () => {
  test('finds gas in the functions that use it, under their callers, and nothing of the meter', async () => {
    const { run, profile } = await profileOf(program(''), 1);
    const stacks = stacksOf(profile);
    const total = Object.values(stacks).reduce((sum, gas) => sum + gas, 0);
    expect(profile).toMatchObject({ gas: run.usage.gas, calls: 1 });
    expect(Object.keys(stacks).sort()).toEqual(['main;big', 'main;big;small', 'main;small']);
    expect((stacks['main;big'] ?? 0) / total).toBeCloseTo(0.6, 1);
    expect((stacks['main;small'] ?? 0) / total).toBeCloseTo(0.2, 1);
    expect(total).toBeLessThanOrEqual(run.usage.gas);
    expect(run.usage.gas - total).toBeLessThan(2 * samplerLimits.firstGas);
  });

  test('is the same every time, and the gas is that of a run without one', async () => {
    const [one, two] = [await profileOf(program(''), 1), await profileOf(program(''), 1)];
    expect(two.profile).toEqual(one.profile);
    const slept = await profileOf(program('(call $sleep (i32.const 1))'), 1);
    expect(Object.keys(stacksOf(slept.profile)).sort()).toEqual(Object.keys(stacksOf(one.profile)).sort());
    expect((await runGuest(program(''))).usage.gas).toBe(one.run.usage.gas);
  });

  test('names functions of a module without names by their index in the pushed module', async () => {
    const named = assemble(program(''));
    const bare = WebAssembly.Module.customSections(new WebAssembly.Module(named as Uint8Array<ArrayBuffer>), 'name');
    expect(bare).toHaveLength(1);
    const { profile } = await profileOf(withoutNames(named), 1);
    expect([...profile.functions].sort()).toEqual(['function 1', 'function 2', 'function 3']);
  });

  test('of deep recursion keeps the innermost functions, and has a bounded number of contexts', async () => {
    const { profile } = await profileOf(
      `(module (func $deep (param i32) (local $i i32)
         (loop $next (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
         (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
       (func $main (export "main") (call $deep (i32.const 1000))))`,
      0,
    );
    expect(profile.functions).toContain('…');
    expect(profile.nodes.length).toBeLessThanOrEqual(gasProfileLimits.nodes);
    const depths: number[] = [];
    for (const [caller] of profile.nodes) depths.push(caller < 0 ? 1 : (depths[caller] ?? 0) + 1);
    expect(Math.max(...depths)).toBe(gasProfileLimits.frames + 1);
  });

  test('with all contexts that it may have names no functions of further ones', async () => {
    // Two functions that call each other in 2^20 ways, then one that was never seen before.
    const both = (name: string) => `(func $${name} (param i32)
      (if (local.get 0) (then
        (call $left (i32.sub (local.get 0) (i32.const 1)))
        (call $right (i32.sub (local.get 0) (i32.const 1))))))`;
    const { profile } = await profileOf(
      `(module ${both('left')} ${both('right')} ${spin('late', 1_000_000)}
         (func $main (export "main") (call $left (i32.const 20)) (call $late)))`,
      0,
    );
    expect(profile.nodes).toHaveLength(gasProfileLimits.nodes);
    expect([...profile.functions].sort()).toEqual(['left', 'main', 'right']);
    const total = profile.nodes.reduce((sum, [, , gas]) => sum + gas, 0);
    expect(profile.gas - total).toBeLessThan(samplerLimits.mostGas);
  });

  test('of a guest that runs out of gas or traps has what it used until then', async () => {
    const endless = '(module (func $loop (loop (br 0))) (func $main (export "main") (call $loop)))';
    const sampler = new GasSampler(0);
    const { end } = await runGuest(endless, { sampler, limits: { gas: 100_000 } });
    expect(end.kind).toBe('gas');
    expect(Object.keys(stacksOf(sampler.profile))).toEqual(['main;loop']);
  });

  test('of many short calls has as much gas as they use', async () => {
    const sampler = new GasSampler(1);
    let gas = 0;
    const short = `(module (import "cwa" "runtime_msleep" (func $sleep (param i32)))
      ${spin('some', 120)} (func $main (export "main") (call $some)))`;
    for (let call = 0; call < 50; call++) gas += (await runGuest(short, { sampler })).usage.gas;
    const { profile } = sampler;
    expect(gas / 50).toBeLessThan(samplerLimits.firstGas);
    expect(profile).toMatchObject({ gas, calls: 50 });
    const sampled = Object.values(stacksOf(profile)).reduce((sum, own) => sum + own, 0);
    expect(gas - sampled).toBeLessThan(2 * samplerLimits.firstGas);
  });
});

describe('the sum of profiles', () => {
  const one: GasProfile = {
    gas: 10,
    calls: 1,
    samples: 1,
    functions: ['a', 'b'],
    nodes: [
      [-1, 0, 1],
      [0, 1, 9],
    ],
  };
  const two: GasProfile = {
    gas: 5,
    calls: 2,
    samples: 1,
    functions: ['b', 'a'],
    nodes: [
      [-1, 1, 2],
      [0, 0, 3],
    ],
  };

  test('has the contexts of all, by the names of their functions', () => {
    expect(sumOfProfiles([])).toEqual(emptyProfile);
    const sum = sumOfProfiles([one, two]);
    expect(sum).toMatchObject({ gas: 15, calls: 3, samples: 2 });
    expect(stacksOf(sum)).toEqual({ a: 3, 'a;b': 12 });
  });

  test('is made of what a runner sends only if it is a profile', () => {
    expect(plausibleProfile(structuredClone(one))).toEqual(one);
    const hostile: readonly unknown[] = [
      ...[null, 7, {}, { ...one, gas: -1 }, { ...one, calls: '1' }, { ...one, functions: [7] }, { ...one, nodes: [7] }],
      ...[
        [1, 0, 1],
        [-1, 9, 1],
        [-1, 0, Number.NaN],
        [-2, 0, 1],
        [-1, 0],
      ].map((node) => ({ ...one, nodes: [node] })),
      { ...one, functions: ['x'.repeat(gasProfileLimits.nameChars + 1)], nodes: [] },
      { ...one, functions: Array(gasProfileLimits.nodes + 1).fill('a') },
      { ...one, nodes: Array.from({ length: gasProfileLimits.nodes + 1 }, () => [-1, 0, 0]) },
      { ...one, nodes: new Array(3) },
      { ...one, functions: new Array(3), nodes: [] },
    ];
    for (const profile of hostile) expect(plausibleProfile(profile), JSON.stringify(profile)?.slice(0, 80)).toBeNull();
  });

  test('survives places that lead nowhere', () => {
    expect(() =>
      sumOfProfiles([
        {
          ...one,
          nodes: [
            [7, 9, 1],
            [-3, 0, 1],
          ],
        },
      ]),
    ).not.toThrow();
  });
});

/** Returns a module without its custom sections. */
function withoutNames(bytes: Uint8Array): Uint8Array {
  const kept: number[] = [...bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    let size = 0;
    let head = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[head++] ?? 0;
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (id !== 0) kept.push(...bytes.subarray(at, head + size));
    at = head + size;
  }
  return Uint8Array.from(kept);
}

/** Gas profiles of functions that real runners serve. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { call, TestFleet } from '../../support/fleet.ts';

let fleet: TestFleet;
beforeEach(async () => {
  fleet = new TestFleet();
  await fleet.start();
});
afterEach(() => fleet.stop());

const program = (times: number) => `(module
  (func $work (local $i i32)
    (loop $next (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${times})))))
  (func $serve (export "main") (call $work)))`;

describe('a profile of a function', () => {
  it('has the calls of all runners while it is taken, and of no other function', async () => {
    const { spec } = await fleet.deployWat('busy', program(20_000));
    await fleet.deployWat('other', program(20_000));
    const id = spec.handlerId;
    let isOver = false;
    const profile = fleet.fleet.profile(id, 2_000).finally(() => {
      isOver = true;
    });
    await expect(fleet.fleet.profile(id, 1_000)).rejects.toMatchObject({ code: 'conflict' });
    while (!isOver) await Promise.all(['busy', 'other'].map((name) => call(`${fleet.url}/${name}/`)));
    const { calls, samples, functions, nodes, gas } = await profile;
    expect(functions).toHaveLength(2);
    expect(nodes.map(([caller, fn]) => [caller, fn])).toEqual([
      [-1, 0],
      [0, 1],
    ]);
    expect(calls).toBeGreaterThan(0);
    expect(samples).toBeGreaterThan(0);
    expect(nodes.reduce((sum, [, , own]) => sum + own, 0)).toBeLessThanOrEqual(gas);
    // Nothing is left of it: another one can begin, and without calls it is empty.
    expect(await fleet.fleet.profile(id, 10)).toMatchObject({ gas: 0, calls: 0, samples: 0, nodes: [] });
  });
});

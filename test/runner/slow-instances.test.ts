/** Instances that take longer than a slice to make hold up others for one of them, not for as many as are called. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { sliceLimits } from '../../src/runner/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { call, compileWat, deploymentOf, TestFleet, writer } from '../support/fleet.ts';
import { moduleOfTable } from '../support/large-modules.ts';
import { codeOf, runIn } from '../support/runner-guests.ts';

const fleet = new TestFleet();
beforeAll(() => fleet.start());
afterAll(() => fleet.stop());

/** What vet would measure of a module whose instances take two slices to make. */
const slowUs = sliceLimits.sliceMs * 2_000;

describe('a function whose instances take long to make', () => {
  it('makes one in a turn of the loop: a quick function called after it answers before it', async () => {
    const wasm = await compileWat(writer('A: b\n\nslow\n'));
    const slow = deploymentOf('slow', wasm);
    await fleet.deploy({
      ...slow,
      spec: { ...slow.spec, module: { ...slow.spec.module, instantiationUs: slowUs } },
    });
    await fleet.deployWat('quick', writer('A: b\n\nquick\n'));
    for (const handler of ['slow', 'quick']) expect((await call(`${fleet.url}/${handler}/`)).status).toBe(200);

    const socket = connect(Number(new URL(fleet.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const get = (handler: string) => `GET /${handler}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    // In one piece: node hands all of them over in one turn of the loop.
    socket.write(`${['slow', 'slow', 'slow', 'slow', 'quick'].map(get).join('')}`);
    const ended = await fleet.until(() => {
      const handlers = fleet.records.map((record) => record.handler);
      return handlers.length >= 7 ? handlers : undefined;
    });
    socket.destroy();
    const pipelined = ended.slice(2);
    expect([...pipelined].sort()).toEqual(['quick', 'slow', 'slow', 'slow', 'slow']);
    expect(pipelined.indexOf('quick')).toBeLessThan(pipelined.lastIndexOf('slow'));
    // Only those that found an instance ready were not held back.
    expect(pipelined.indexOf('quick')).toBeLessThanOrEqual(1);
  });
});

describe('a pool', () => {
  it('tells that the next slot is slow to make, and remakes used ones when the loop turns', async () => {
    // Its table may be changed: every life wants a new instance.
    const code = await codeOf(`(module (table $t 1 funcref) (func $f)
      (elem declare func $f)
      (func (export "cwa_main") (result i32) (table.set $t (i32.const 0) (ref.func $f)) (i32.const 0)))`);
    const pool = new SlotPool({ ...code, isSlow: true }, new MemoryBudget(16 * MIB), () => {});
    expect(pool.makesSlowly).toBe(true);
    const slot = pool.take();
    if (slot === null) throw new Error('no slot');
    expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: 0 });
    pool.give(slot, true);
    expect(pool.makesSlowly).toBe(true);
    await turn();
    expect(pool.makesSlowly).toBe(false);
    expect(pool.take()).toBe(slot);
    pool.close();
  });

  it('of a module with a table of 707,047 entries makes one instance for one call after the other', async () => {
    const code = { ...(await codeOf(moduleOfTable(707_047, 20_000))), isSlow: true };
    let made = 0;
    const budget = new MemoryBudget(256 * MIB);
    const pool = new SlotPool(code, budget, () => {});
    const slots = new Set<unknown>();
    for (let life = 0; life < 200; life += 1) {
      if (pool.makesSlowly) made += 1;
      const slot = pool.take();
      if (slot === null) throw new Error('no slot');
      slots.add(slot);
      // It traps unless the entries of the table are what they should be.
      expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: 0 });
      pool.give(slot, true);
    }
    expect([made, slots.size]).toEqual([1, 1]);
    // The table counts in the budget while the instance is kept.
    expect(budget.usedBytes).toBeGreaterThan(707_047 * 32);
    pool.close();
    expect(budget.usedBytes).toBe(0);
  });

  it('of a module that is quick to make never tells that', async () => {
    const pool = new SlotPool(await codeOf(writer('x')), new MemoryBudget(16 * MIB), () => {});
    expect(pool.makesSlowly).toBe(false);
    pool.close();
  });
});

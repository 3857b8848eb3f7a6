import { describe, expect, it } from 'vitest';
import { sliceLimits } from '../../src/runner/limits.ts';
import { Scheduler, Share } from '../../src/runner/scheduler.ts';

/** Runs `loops` endless computations per share until `turns` slices have been given; who got how many. */
async function compete(loops: readonly number[], turns: number): Promise<readonly number[]> {
  const scheduler = new Scheduler();
  const got = loops.map(() => 0);
  let left = turns;
  await Promise.all(
    loops.flatMap((count, index) => {
      const share = new Share();
      return Array.from({ length: count }, async () => {
        for (let slices = 1; left > 0; slices++) {
          await scheduler.turn(share, slices);
          left -= 1;
          got[index] = (got[index] as number) + 1;
        }
      });
    }),
  );
  return got;
}

describe('the scheduler', () => {
  it('shares the thread by handler, however many invocations each has', async () => {
    const [one, many] = await compete([1, 20], 2_000);
    expect(Math.abs((one as number) - (many as number))).toBeLessThan(50);
  });

  it('lets a handler that begins to wait join in, without what it has slept', async () => {
    const scheduler = new Scheduler();
    const [old, fresh] = [new Share(), new Share()];
    for (let i = 1; i <= 100; i++) await scheduler.turn(old, i);
    const order: string[] = [];
    const run = async (name: string, share: Share) => {
      for (let i = 1; i <= 10; i++) {
        await scheduler.turn(share, i);
        order.push(name);
      }
    };
    await Promise.all([run('old', old), run('fresh', fresh)]);
    expect(order.slice(0, 10).filter((name) => name === 'fresh').length).toBeLessThanOrEqual(6);
  });

  it('lets the invocation of a handler go first that has had fewest slices', async () => {
    const scheduler = new Scheduler();
    const share = new Share();
    const order: string[] = [];
    await Promise.all([
      scheduler.turn(share, 500).then(() => order.push('long')),
      scheduler.turn(share, 20).then(() => order.push('middle')),
      scheduler.turn(share, 1).then(() => order.push('short')),
    ]);
    expect(order).toEqual(['short', 'middle', 'long']);
  });

  it('gives one slice per turn of the event loop, so that sockets are served in between', async () => {
    const scheduler = new Scheduler();
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns += 1;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const shares = [new Share(), new Share()];
    await Promise.all(
      shares.map(async (share) => {
        for (let i = 1; i <= 50; i++) await scheduler.turn(share, i);
      }),
    );
    running = false;
    expect(turns).toBeGreaterThanOrEqual(99);
    expect(scheduler.waiting).toBe(0);
  });

  it('learns how much gas fits into a slice, within bounds', () => {
    const share = new Share();
    for (let i = 0; i < 50; i++) share.measured(1_000_000, 4);
    expect(share.sliceGas()).toBeCloseTo(250_000 * sliceLimits.sliceMs, -4);
    for (let i = 0; i < 50; i++) share.measured(1_000, 10);
    expect(share.sliceGas()).toBe(sliceLimits.minGas);
    for (let i = 0; i < 50; i++) share.measured(1e12, 0.1);
    expect(share.sliceGas()).toBe(sliceLimits.maxGas);
  });
});

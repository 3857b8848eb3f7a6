import { expect, it } from 'vitest';
import { WakeLoop } from '../../src/waiting/wake-loop.ts';

/** A loop whose rounds end when the test says so. */
function loop() {
  const rounds: PromiseWithResolvers<void>[] = [];
  const made = new WakeLoop(() => {
    const round = Promise.withResolvers<void>();
    rounds.push(round);
    return round.promise;
  });
  return { loop: made, rounds };
}

it('calls during a round share one more, which begins after they came', async () => {
  const { loop: one, rounds } = loop();
  const first = one.wake();
  expect(rounds).toHaveLength(1);
  let isOver = false;
  const later = Promise.all([one.wake(), one.wake()]).then(() => {
    isOver = true;
  });
  expect(rounds).toHaveLength(1);
  rounds[0]!.resolve();
  await new Promise(setImmediate);
  expect([rounds.length, isOver]).toEqual([2, false]);
  rounds[1]!.resolve();
  await Promise.all([first, later]);
  expect(rounds).toHaveLength(2);
});

it('a round that fails is told to those who wait, and the next call begins anew', async () => {
  const { loop: one, rounds } = loop();
  const failing = one.wake();
  rounds[0]!.reject(new Error('away'));
  await expect(failing).rejects.toThrow('away');
  const again = one.wake();
  rounds[1]!.resolve();
  await again;
});

it('closing waits for the round in progress, even if it fails, and begins no other', async () => {
  const { loop: one, rounds } = loop();
  const running = one.wake().catch(() => 'failed');
  void one.wake().catch(() => {});
  const closed = one.close();
  expect(one.isClosed).toBe(true);
  rounds[0]!.reject(new Error('away'));
  await closed;
  expect(await running).toBe('failed');
  await one.wake();
  expect(rounds).toHaveLength(1);
});

/** The time that git may work on the objects of one push. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ObjectTime } from '../../../src/control/git/object-time.ts';
import type { PushedObjects } from '../../../src/protocol/push.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Objects of which each read takes `ms` milliseconds. */
const slow = (ms: number): PushedObjects => ({
  list: () => wait(ms).then(() => []),
  read: () => wait(ms).then(() => new Uint8Array()),
  about: () => wait(ms).then(() => ({ author: null, subject: null })),
});

test('is over when it has run as long in all, and does not run between', async () => {
  const time = new ObjectTime(1_000);
  time.start();
  await vi.advanceTimersByTimeAsync(600);
  time.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(time.over.aborted).toBe(false);
  time.start();
  await vi.advanceTimersByTimeAsync(399);
  expect(time.over.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(time.over.reason).toMatchObject({
    code: 'limit_exceeded',
    message: 'git works longer than 1 s on the objects of the push',
  });
});

test('runs while objects are read, each time', async () => {
  const time = new ObjectTime(1_000);
  const objects = time.counting(slow(300));
  const read = (async () => {
    await objects.list('');
    await wait(60_000); // a module is checked
    await objects.read('', 1);
    await objects.about('');
  })();
  await vi.advanceTimersByTimeAsync(60_900);
  await read;
  expect(time.over.aborted).toBe(false);
  void objects.read('', 1);
  await vi.advanceTimersByTimeAsync(100);
  expect(time.over.aborted).toBe(true);
});

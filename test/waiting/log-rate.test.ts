import { expect, test } from 'vitest';
import { LogRate } from '../../src/waiting/log-rate.ts';

test('so many entries of each window are let through; the next one has the number of the others', () => {
  let nowMs = 5;
  const rate = new LogRate({ most: 2, windowMs: 10, nowMs: () => nowMs });
  expect([rate.take(), rate.take(), rate.take(), rate.take()]).toEqual([0, 0, null, null]);
  nowMs = 14;
  expect(rate.take()).toBeNull();
  nowMs = 15;
  expect([rate.take(), rate.take(), rate.take()]).toEqual([3, 0, null]);
  expect(rate.leftOut()).toBe(1);
  expect(rate.leftOut()).toBe(0);
});

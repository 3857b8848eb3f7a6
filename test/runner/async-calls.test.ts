import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attemptsOf, isOwnPath, prefersAsync, receiveBody } from '../../src/runner/async-calls.ts';
import { asyncLimits } from '../../src/runner/limits.ts';
import { ByteBudget } from '../../src/waiting/byte-budget.ts';

describe('the body of an asynchronous request', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  it('that drips is given up in time; what it held is given back, and no timer stays', async () => {
    const request = new PassThrough();
    const budget = new ByteBudget(100);
    const received = receiveBody(request, 50, budget);
    const refused = expect(received).rejects.toMatchObject({ code: 'request_timeout' });
    request.write('1');
    await vi.advanceTimersByTimeAsync(asyncLimits.receiveMs - 1);
    request.write('2');
    await vi.advanceTimersByTimeAsync(1);
    await refused;
    expect(budget.take(100)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that was cut off before, or is later, is refused; what it held is given back', async () => {
    const budget = new ByteBudget(100);
    const early = new PassThrough();
    early.destroy();
    await expect(receiveBody(early, 50, budget)).rejects.toMatchObject({ code: 'bad_request' });
    const late = new PassThrough();
    const received = expect(receiveBody(late, 50, budget)).rejects.toMatchObject({ code: 'bad_request' });
    late.write('half');
    late.destroy();
    await received;
    expect(budget.take(100)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that is longer than it may be, or than the budget, is refused; what it held is given back', async () => {
    for (const [most, room, code] of [
      [8, 100, 'body_too_large'],
      [50, 8, 'overloaded'],
    ] as const) {
      const budget = new ByteBudget(room);
      const request = new PassThrough();
      const received = expect(receiveBody(request, most, budget)).rejects.toMatchObject({ code });
      request.write('12345678');
      request.write('9');
      await received;
      expect(budget.take(room)).toBe(true);
    }
    const whole = new PassThrough();
    whole.end('12345678');
    expect(await receiveBody(whole, 8, new ByteBudget(8))).toHaveLength(8);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that arrives is returned whole, and no timer stays', async () => {
    const request = new PassThrough();
    const received = receiveBody(request, 50, new ByteBudget(100));
    request.write('hello ');
    request.end('there');
    expect((await received).toString()).toBe('hello there');
    expect(vi.getTimerCount()).toBe(0);
  });
});

it.each([
  ['respond-async', true],
  ['return=minimal, Respond-Async; wait=10', true],
  ['wait=10', false],
  ['foo="a, respond-async"', false],
  ['respond-async=1', false],
  [undefined, false],
])('Prefer: %s asks for an asynchronous answer: %s', (field, wanted) => {
  expect(prefersAsync(field)).toBe(wanted);
});

it.each([
  ['/.trisiel/calls/x', true],
  ['/a/%2etrisiel/b', true],
  ['/a%2F.TRISIEL', true],
  ['/.trisiel-not', false],
  ['/a/b.trisiel', false],
])('the path %s belongs to the platform: %s', (path, own) => {
  expect(isOwnPath(path)).toBe(own);
});

it.each([
  [undefined, 1],
  ['', 1],
  ['often', 1],
  ['-1', 1],
  ['1.5', 1],
  ['0', 1],
  ['3', 3],
  ['100', 100],
  ['101', 100],
  ['9'.repeat(400), 100],
])('TRISIEL_RETRY=%s: %s attempts', (value, attempts) => {
  expect(attemptsOf(value)).toBe(attempts);
});

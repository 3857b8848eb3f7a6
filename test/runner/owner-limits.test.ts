import { expect, it } from 'vitest';
import { OwnerLimits } from '../../src/runner/owner-limits.ts';

it('counts the calls of a limited User alone, and admits so many at once', () => {
  const limits = new OwnerLimits();
  limits.set({ ownerId: 'a', isSuspended: false, callsMax: 2 });
  expect(limits.admit('b')).toBeNull();
  const owner = limits.admit('a');
  expect(owner).not.toBeNull();
  owner!.inFlight = 1;
  expect(limits.admit('a')).toBe(owner);
  owner!.inFlight = 2;
  expect(() => limits.admit('a')).toThrow(expect.objectContaining({ code: 'overloaded', retryAfterSeconds: 1 }));
  limits.set({ ownerId: 'a', isSuspended: false, callsMax: null });
  expect(limits.admit('a')).toBeNull();
});

it('admits no call of a User who is suspended, whether limited as well or not, and all of them afterwards', () => {
  const limits = new OwnerLimits();
  const suspended = expect.objectContaining({ code: 'suspended' });
  for (const callsMax of [null, 5]) {
    limits.set({ ownerId: 'a', isSuspended: true, callsMax });
    expect(() => limits.admit('a')).toThrow(suspended);
  }
  limits.set({ ownerId: 'a', isSuspended: false, callsMax: null });
  expect(limits.admit('a')).toBeNull();
});

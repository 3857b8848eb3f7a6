import { describe, expect, it } from 'vitest';
import { lookupLimits, queuedLookup } from '../../../src/control/drains/lookup.ts';

describe('lookups of drains', () => {
  it('run few at a time, wait in line, and are refused when too many wait', async () => {
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const lookup = queuedLookup((name) => {
      asked.push(name);
      return new Promise((resolve) => answers.push(() => resolve([{ address: `address of ${name}` }])));
    });
    const names = Array.from({ length: lookupLimits.atOnce + lookupLimits.waiting }, (_, n) => `name-${n}`);
    const found = names.map((name) => lookup(name));
    await new Promise(setImmediate);
    expect(asked).toEqual(names.slice(0, lookupLimits.atOnce));
    // The pool has four threads.
    expect(asked.length).toBeLessThan(4);
    await expect(lookup('one-more')).rejects.toThrow('too many host names wait');
    for (let n = 0; n < names.length; n++) {
      answers[n]?.();
      await found[n];
    }
    expect(await Promise.all(found)).toEqual(names.map((name) => [{ address: `address of ${name}` }]));
    expect(asked).toEqual(names);
  });

  it('give their place back when they fail', async () => {
    const lookup = queuedLookup(() => Promise.reject(new Error('no such name')));
    for (let n = 0; n <= lookupLimits.atOnce; n++) await expect(lookup('x')).rejects.toThrow('no such name');
  });
});

import { describe, expect, it } from 'vitest';
import { drainBatch } from '../../../src/control/drains/drains.ts';
import { drainRequestLimits } from '../../../src/control/drains/http-request.ts';
import { lookupLimits, queuedLookup } from '../../../src/control/drains/lookup.ts';

const unknown = Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
const noHosts = async () => '';

describe('lookups of drains', () => {
  it('ask name servers for all names at once: some that hang hold up no other', async () => {
    const lookup = queuedLookup({
      hosts: noHosts,
      network: (name) =>
        name.startsWith('hangs') ? new Promise(() => {}) : Promise.resolve([{ address: '192.0.2.1' }]),
      system: () => new Promise(() => {}),
    });
    for (let n = 0; n < drainBatch.running; n++) void lookup(`hangs-${n}`);
    expect(await lookup('answers')).toEqual([{ address: '192.0.2.1' }]);
  });

  it('give a name server less time than the exchange has', () => {
    expect(lookupLimits.questionMs * lookupLimits.tries).toBeLessThan(drainRequestLimits.exchangeMs);
  });

  it('do not ask the system where a name server fails: a thread would wait for it again', async () => {
    const late = Object.assign(new Error('queryA ETIMEOUT'), { code: 'ETIMEOUT' });
    const lookup = queuedLookup({
      hosts: noHosts,
      network: () => Promise.reject(late),
      system: () => Promise.resolve([{ address: '192.0.2.1' }]),
    });
    await expect(lookup('x')).rejects.toBe(late);
  });

  it('ask the system for names that name servers do not know, few at a time, and refuse when too many wait', async () => {
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const lookup = queuedLookup({
      hosts: noHosts,
      network: () => Promise.reject(unknown),
      system: (name) => {
        asked.push(name);
        return new Promise((resolve) => answers.push(() => resolve([{ address: `address of ${name}` }])));
      },
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
    const fails = () => Promise.reject(new Error('no such name'));
    const lookup = queuedLookup({ hosts: noHosts, network: () => Promise.reject(unknown), system: fails });
    for (let n = 0; n <= lookupLimits.atOnce; n++) await expect(lookup('x')).rejects.toThrow('no such name');
  });

  it('find names of the file of hosts first, in any case, and those of this machine', async () => {
    const never = () => Promise.reject(new Error('was asked'));
    const hosts = async () =>
      '# 192.0.2.9 collector\n192.0.2.1\tother Collector.example alias # collector\n::1 alias\n';
    const lookup = queuedLookup({ hosts, network: never, system: never });
    expect(await lookup('collector.example.')).toEqual([{ address: '192.0.2.1' }]);
    expect(await lookup('ALIAS')).toEqual([{ address: '192.0.2.1' }, { address: '::1' }]);
    await expect(lookup('collector')).rejects.toThrow('was asked');
    expect(await queuedLookup()('localhost')).toContainEqual(expect.objectContaining({ address: '127.0.0.1' }));
  });
});

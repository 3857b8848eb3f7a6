import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BoundedQueue } from '../../src/waiting/bounded-queue.ts';

const full = () => new Error('full');
const error = () => new Error('ended');

describe('BoundedQueue', () => {
  it('admits in the order of coming, those first whose turn it can be', async () => {
    const queue = new BoundedQueue<string>({ max: 3, full });
    const admitted: string[] = [];
    const waits = ['a', 'b', 'c'].map((item) => queue.wait(item).then(() => admitted.push(item)));
    await expect(queue.wait('d')).rejects.toThrow('full');
    expect(queue.length).toBe(3);
    expect(queue.count((item) => item > 'a')).toBe(2);
    expect(queue.admit((item) => item !== 'a')).toBe('b');
    expect(queue.admit()).toBe('a');
    expect(queue.admit((item) => item === 'b')).toBeUndefined();
    expect(queue.admit()).toBe('c');
    expect(queue.admit()).toBeUndefined();
    await Promise.all(waits);
    expect(admitted).toEqual(['b', 'a', 'c']);
  });

  it('forgets a waiter whose signal aborts, and leaves no listener behind', async () => {
    const queue = new BoundedQueue<string>({ max: 2, full });
    const controller = new AbortController();
    const { signal } = controller;
    const stays = queue.wait('stays', { abort: { signal, error } });
    expect(queue.admit()).toBe('stays');
    await stays;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const goes = queue.wait('goes', { abort: { signal, error } });
    controller.abort();
    await expect(goes).rejects.toThrow('ended');
    expect(queue.length).toBe(0);
    await expect(queue.wait('late', { abort: { signal, error } })).rejects.toThrow('ended');
    expect(queue.length).toBe(0);
  });

  it('ends a wait at its limit, and all waits at once', async () => {
    const queue = new BoundedQueue<string>({ max: 5, full });
    await expect(queue.wait('a', { limit: { ms: 1, error } })).rejects.toThrow('ended');
    const waits = ['a', 'b'].map((item) => queue.wait(item, { limit: { ms: 60_000, error } }));
    queue.refuseAll(new Error('closed'));
    for (const wait of waits) await expect(wait).rejects.toThrow('closed');
    expect(queue.length).toBe(0);
  });
});

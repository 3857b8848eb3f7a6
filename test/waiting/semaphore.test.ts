import { describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/waiting/semaphore.ts';

const options = { running: 2, waiting: 2, full: () => new Error('full') };

describe('Semaphore', () => {
  it('runs so many at once, keeps so many waiting, and passes a place on directly', async () => {
    const semaphore = new Semaphore(options);
    const first = await semaphore.enter();
    const second = await semaphore.enter();
    const order: string[] = [];
    const waits = ['c', 'd'].map((name) => semaphore.run(async () => order.push(name)));
    await expect(semaphore.enter()).rejects.toThrow('full');
    first();
    first(); // twice is once
    const late = semaphore.run(async () => order.push('late'));
    expect(semaphore.running).toBe(2);
    await Promise.all([...waits, late]);
    expect(order).toEqual(['c', 'd', 'late']);
    second();
    expect(semaphore.running).toBe(0);
  });

  it('gives a place back when its task throws, and refuses who waits when it is told to', async () => {
    const semaphore = new Semaphore({ ...options, running: 1 });
    const failing = semaphore.run(() => Promise.reject(new Error('task')));
    const leave = semaphore.enter();
    await expect(failing).rejects.toThrow('task');
    const waiting = semaphore.enter();
    semaphore.refuseWaiting(new Error('closed'));
    await expect(waiting).rejects.toThrow('closed');
    (await leave)();
    expect(semaphore.running).toBe(0);
  });

  it('lets nobody in who has given up before or gives up while waiting, and keeps no place for them', async () => {
    const semaphore = new Semaphore({ ...options, running: 1 });
    const abort = (signal: AbortSignal) => ({ abort: { signal, error: () => new Error('gone') } });
    await expect(semaphore.enter(abort(AbortSignal.abort()))).rejects.toThrow('gone');
    expect(semaphore.running).toBe(0);
    const leave = await semaphore.enter();
    const ends = new AbortController();
    const waiting = semaphore.enter(abort(ends.signal));
    ends.abort();
    await expect(waiting).rejects.toThrow('gone');
    leave();
    expect(semaphore.running).toBe(0);
  });
});

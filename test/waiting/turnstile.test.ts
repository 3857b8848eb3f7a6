import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Turnstile } from '../../src/waiting/turnstile.ts';

const limits = {
  operations: 3,
  operationsPerUser: 2,
  waiting: 1_000,
  waitingPerUser: 1_000,
  waitingPerRepository: 1_000,
  turnMs: 600_000,
};
const never = new AbortController().signal;

describe('Turnstile', () => {
  it('lets nobody in who has given up before, and keeps no place for them', async () => {
    const turnstile = new Turnstile(limits);
    const comer = { userId: 'a', exclusive: null };
    await expect(turnstile.enter({ ...comer, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'bad_request',
    });
    expect(turnstile.running).toBe(0);
  });

  it('holds every cap and lets everybody in at last, whatever the order of coming and leaving', async () => {
    const comers = fc.array(
      fc.record({ userId: fc.constantFrom('a', 'b', 'c'), exclusive: fc.constantFrom('r', 's', null) }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(comers, fc.scheduler(), async (list, scheduler) => {
        const turnstile = new Turnstile(limits);
        const inside: { userId: string; exclusive: string | null }[] = [];
        let passed = 0;
        const all = Promise.all(
          list.map(async (comer) => {
            const leave = await turnstile.enter({ ...comer, signal: never });
            inside.push(comer);
            expect(inside.length).toBeLessThanOrEqual(limits.operations);
            expect(inside.filter((other) => other.userId === comer.userId).length).toBeLessThanOrEqual(2);
            if (comer.exclusive !== null)
              expect(inside.filter((other) => other.exclusive === comer.exclusive)).toHaveLength(1);
            await scheduler.schedule(Promise.resolve());
            inside.splice(inside.indexOf(comer), 1);
            passed += 1;
            leave();
            leave(); // twice is once
          }),
        );
        await scheduler.waitFor(all);
        expect(passed).toBe(list.length);
        expect(turnstile.running).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('lets pushes to one repository in by the order of coming', async () => {
    const turnstile = new Turnstile(limits);
    const order: number[] = [];
    const first = await turnstile.enter({ userId: 'a', exclusive: 'r', signal: never });
    const others = [1, 2, 3].map(async (n) => {
      const leave = await turnstile.enter({ userId: `u${n}`, exclusive: 'r', signal: never });
      order.push(n);
      leave();
    });
    first();
    await Promise.all(others);
    expect(order).toEqual([1, 2, 3]);
  });

  it('turns away who would wait behind too many, and forgets who has gone', async () => {
    const turnstile = new Turnstile({ ...limits, waitingPerRepository: 1 });
    const leave = await turnstile.enter({ userId: 'a', exclusive: 'r', signal: never });
    const gone = new AbortController();
    const waiting = turnstile.enter({ userId: 'b', exclusive: 'r', signal: gone.signal });
    await expect(turnstile.enter({ userId: 'c', exclusive: 'r', signal: never })).rejects.toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: 5,
    });
    gone.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'bad_request' });
    const next = turnstile.enter({ userId: 'c', exclusive: 'r', signal: never });
    leave();
    (await next)();
    expect(turnstile.running).toBe(0);
  });

  it('lets others past a head that is blocked by its repository or by its user', async () => {
    const turnstile = new Turnstile(limits);
    const enter = (userId: string, exclusive: string | null) => turnstile.enter({ userId, exclusive, signal: never });
    const leaves = await Promise.all([enter('a', 'r'), enter('a', null), enter('b', null)]);
    const passed: string[] = [];
    const pass = (name: string, userId: string, exclusive: string | null) =>
      enter(userId, exclusive).then(() => passed.push(name));
    pass('blocked by its repository', 'c', 'r');
    pass('blocked by its user', 'a', null);
    const free = pass('free', 'c', 's');
    leaves[2]!();
    await free;
    expect(passed).toEqual(['free']);
    leaves[0]!();
    leaves[1]!();
  });

  it('turns away a user who has as many waiting as he may, and nobody else', async () => {
    const turnstile = new Turnstile({ ...limits, operations: 1, waitingPerUser: 2 });
    const enter = (userId: string) => turnstile.enter({ userId, exclusive: null, signal: never });
    const leave = await enter('a');
    const waiting = [enter('a'), enter('a')];
    await expect(enter('a')).rejects.toMatchObject({ code: 'overloaded' });
    const other = enter('b');
    leave();
    for (const next of [...waiting, other]) (await next)();
    expect(turnstile.running).toBe(0);
  });
});

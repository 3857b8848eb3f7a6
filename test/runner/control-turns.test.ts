/** Requests of guests to control: those of one owner's functions do not stand before everybody's. */
import { expect, it } from 'vitest';
import { createEgress } from '../../src/guest/kernel/net/egress.ts';
import type { RunnerRequest } from '../../src/protocol/messages.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';
import type { ControlLink } from '../../src/runner/control-link.ts';
import { handlerServices } from '../../src/runner/control-services.ts';
import { ControlTurns } from '../../src/runner/control-turns.ts';
import { HandlerStates } from '../../src/runner/handler-states.ts';
import { busRequestsMax } from '../../src/runner/limits.ts';

/** Requests that have gone to control, each with the functions that end it. */
function control() {
  const sent: { request: RunnerRequest; answer: (value: Uint8Array | null) => void; fail: (error: Error) => void }[] =
    [];
  const request = (request: RunnerRequest) =>
    new Promise<Uint8Array | null>((answer, fail) => void sent.push({ request, answer, fail }));
  const link = { request } as unknown as ControlLink;
  const services = { link, turns: new ControlTurns(8), egress: createEgress({ allow: [], ownPorts: [] }) };
  const of = (ownerId: string, handler: string) =>
    handlerServices(services, { ownerId, handlerId: handlerIdOf(handler), preview: null });
  return { sent, of };
}

it('leave places to another owner, however many functions of one ask', async () => {
  const { sent, of } = control();
  const asked = ['h1', 'h2'].flatMap((handler) => {
    const { kv, queues, calls } = of('a', handler);
    return Array.from({ length: 20 }, (_, n) =>
      n % 3 === 0 ? kv.get('b', `${n}`) : n % 3 === 1 ? queues.publish('q', new Uint8Array()) : calls.show(`${n}`),
    );
  });
  expect(sent).toHaveLength(4);
  void of('b', 'other').kv.get('b', 'other');
  expect(sent.at(-1)?.request).toMatchObject({ op: 'kv.get', key: 'other' });
  // All are sent in the end, also where some fail.
  const ends = Promise.allSettled(asked);
  for (let n = 0; n < 41; n += 1) {
    if (n % 2 === 0) sent[n]?.answer(new Uint8Array());
    else sent[n]?.fail(new Error('control is away'));
    await new Promise(setImmediate);
  }
  expect((await ends).map(({ status }) => status)).toContain('rejected');
  expect(sent).toHaveLength(41);
});

it('wait in the order in which an owner has asked', async () => {
  const turns = new ControlTurns(2);
  const order: number[] = [];
  const all = Array.from({ length: 6 }, (_, n) => turns.run('a', async () => void order.push(n)));
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
});

it('wait in a bounded number of each owner', async () => {
  const turns = new ControlTurns(2);
  const answer = Promise.withResolvers<void>();
  const ask = (owner: string) => turns.run(owner, () => answer.promise);
  const all = [ask('a')];
  while (all.length <= busRequestsMax) all.push(ask('a'));
  await expect(ask('a')).rejects.toThrow('too many calls wait for control');
  all.push(ask('b'));
  answer.resolve();
  await Promise.all(all);
});

it('a handler that has got another owner has services of its own, each closed with its last Deployment', () => {
  const closed: string[] = [];
  const { of } = control();
  const handlers = new HandlerStates((owner) => ({
    ...of(owner.ownerId, 'h'),
    close: () => void closed.push(owner.ownerId),
  }));
  const before = { ownerId: 'a', handlerId: handlerIdOf('h'), preview: null };
  const after = { ...before, ownerId: 'b' };
  expect(handlers.acquire(before).services).toBe(handlers.acquire(before).services);
  expect(handlers.acquire(after).handler).toBe(handlers.acquire(before).handler);
  for (let n = 0; n < 3; n += 1) handlers.release(before);
  expect(closed).toEqual(['a']);
  handlers.release(after);
  expect(closed).toEqual(['a', 'b']);
});

/** Consumers between a real database and a server that plays the runners: what changes while messages are under way. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Consumers, consumerLimits } from '../../../src/control/queues/consumers.ts';
import { Deliveries, deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { FunctionCaller } from '../../../src/control/queues/function-caller.ts';
import { replaceSubscriptions } from '../../../src/control/queues/subscriptions.ts';
import { newTakenId, type Taker } from '../../../src/control/queues/taker.ts';
import type { QueueSettings } from '../../../src/protocol/nouns.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { type TestQueues, testQueues } from '../../support/queues.ts';
import { testQuota } from '../../support/quotas.ts';

const settings: QueueSettings = {
  ...{ name: 'q', concurrency: 1, batch: 1, framing: 'ndjson', maxAttempts: 1, timeoutMs: 30_000, output: null },
};

onEachDatabase('consumers', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;
  let consumers: Consumers;
  let server: Server;
  let answer: RequestListener;
  let reported: unknown[];

  beforeEach(async () => {
    store = await dialect.temporary();
    own = testQueues(store.db);
    reported = [];
    answer = (_, response) => response.end();
    server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: 'h', name: 'otter', owner_id: 'ada', next_number: 1, created_ms: 0 })
      .execute();
    const quota = testQuota(store.db, { quotaBytes: 2_000 });
    consumers = new Consumers({
      db: store.db,
      queues: own.queues,
      deliveries: new Deliveries({ db: store.db, now: Date.now, random: () => 0 }),
      publish: async (ownerId, queue, message) => {
        await quota.publishing(ownerId, message.body.length, () => own.messages.publish(ownerId, queue, [message]));
      },
      caller: new FunctionCaller({ target: () => ({ host: '127.0.0.1', port, key: 'k' }), domain: 'localhost' }),
      count: (queueId, event, count) => own.rates.count(queueId, event, count),
      taker: { controlId: 'control', bootId: 'boot' },
      now: Date.now,
      report: (_, error) => reported.push(error),
    });
  });
  afterEach(async () => {
    await consumers.close(1_000);
    vi.useRealTimers();
    server.closeAllConnections();
    server.close();
    await store.close();
  });

  const subscribe = (...all: readonly Partial<QueueSettings>[]) =>
    store.db.transaction().execute((trx) =>
      replaceSubscriptions(
        trx,
        { handlerId: 'h', branch: '' },
        all.map((one) => ({ ...settings, ...one })),
      ),
    );
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 20 });
  const counts = async (name = 'q') => (await own.queues.summary('ada', name)).messages;
  /** Holds each call until it is let go. */
  const holding = () => {
    const held: (() => void)[] = [];
    answer = (_, response) => held.push(() => response.end());
    return held;
  };

  it('an output for which the quota has no room fails its message, which says so; the input is kept', async () => {
    answer = (_, response) => response.end(Buffer.alloc(1_990));
    await own.publish('ada', 'q', ['a']);
    await subscribe({ output: 'out' });
    consumers.start();
    await eventually(async () => expect(await counts()).toMatchObject({ dead: 1 }));
    const { id } = await own.queues.find('ada', 'q');
    const [dead] = await own.messages.read(id, { after: 0, limit: 1 });
    expect(dead!.reason).toMatch(/^its output could not be published to out: .*quota/);
    await expect(own.queues.find('ada', 'out')).rejects.toMatchObject({ code: 'not_found' });
    expect(reported).toEqual([]);
  });

  it('a consumer that is deployed away finishes what it has, and gets no more', async () => {
    const held = holding();
    await own.publish('ada', 'q', ['a', 'b', 'c']);
    await subscribe({});
    consumers.start();
    await eventually(async () => expect(held).toHaveLength(1));
    await subscribe();
    // Seen with the next look, after which nothing is taken.
    await own.publish('ada', 'other', 'x');
    await subscribe({ name: 'other' });
    await eventually(async () => expect(held).toHaveLength(2));
    for (const go of held) go();
    await eventually(async () => expect(await counts()).toEqual({ ready: 2, inflight: 0, dead: 0, done: 1 }));
    // A further take of the old consumer would have been made before this one.
    await own.publish('ada', 'other', 'y');
    await eventually(async () => expect(held).toHaveLength(3));
    expect(await counts()).toEqual({ ready: 2, inflight: 0, dead: 0, done: 1 });
    held[2]!();
    expect(reported).toEqual([]);
  });

  it('a message is kept for its function however long that takes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const held = holding();
    await own.publish('ada', 'q', 'a');
    await subscribe({});
    consumers.start();
    await eventually(async () => expect(held).toHaveLength(1));
    const beginMs = Date.now();
    await store.db
      .updateTable('messages')
      .set({ due_ms: beginMs + deliveryLimits.visibleMs - 1 })
      .execute();
    vi.advanceTimersByTime(deliveryLimits.visibleMs / 3);
    await eventually(async () => {
      const { due_ms: dueMs } = await store.db.selectFrom('messages').select('due_ms').executeTakeFirstOrThrow();
      expect(Number(dueMs)).toBeGreaterThanOrEqual(beginMs + deliveryLimits.visibleMs);
    });
    held[0]!();
    await eventually(async () => expect(await counts()).toEqual({ ready: 0, inflight: 0, dead: 0, done: 1 }));
    expect(held).toHaveLength(1);
    expect(reported).toEqual([]);
  });

  it('a queue that is deleted while it is consumed is gone, and works when it is made again', async () => {
    const held = holding();
    await own.publish('ada', 'q', ['a', 'b']);
    await subscribe({});
    consumers.start();
    await eventually(async () => expect(held).toHaveLength(1));
    await own.queues.delete('ada', 'q');
    held[0]!();
    await own.publish('ada', 'q', 'new');
    await eventually(async () => expect(held).toHaveLength(2));
    held[1]!();
    await eventually(async () => expect(await counts()).toEqual({ ready: 0, inflight: 0, dead: 0, done: 1 }));
    const total = await store.db.selectFrom('message_totals').select(['items', 'bytes']).executeTakeFirstOrThrow();
    expect([Number(total.items), Number(total.bytes)]).toEqual([1, 3]);
    expect(reported).toEqual([]);
  });

  /** Adds a user with handler and queue of the user's name, and its subscription. */
  const addUser = async (name: string, more: Partial<QueueSettings>) => {
    await store.db.insertInto('users').values({ id: name, name, password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: name, name, owner_id: name, next_number: 1, created_ms: 0 })
      .execute();
    await store.db
      .transaction()
      .execute((trx) => replaceSubscriptions(trx, { handlerId: name, branch: '' }, [{ ...settings, name, ...more }]));
  };

  it('slow functions of one user leave places to those of others, and a place that is free is used at once', async () => {
    const held: { readonly host: string; readonly go: () => void }[] = [];
    answer = (request, response) => held.push({ host: request.headers.host!.split('.')[0]!, go: () => response.end() });
    const of = (name: string) => held.filter(({ host }) => host === name);
    const all = { concurrency: consumerLimits.calls };
    for (const name of ['slow', 'quick']) {
      await addUser(name, all);
      await own.publish(
        name,
        name,
        Array.from({ length: consumerLimits.calls }, (_, n) => `${n}`),
      );
    }
    await own.queues.put('quick', 'quick', { isPaused: true });
    consumers.start();
    const half = consumerLimits.calls / 2;
    await eventually(async () => expect(of('slow')).toHaveLength(half));
    await own.queues.put('quick', 'quick', { isPaused: false });
    // Nothing of the other user ends meanwhile.
    await eventually(async () => expect(of('quick')).toHaveLength(half / 2));
    expect(of('slow')).toHaveLength(half);
    // Places that one gives back go to both.
    for (const { go } of of('quick')) go();
    await eventually(async () => expect(of('quick').length).toBeGreaterThan(half / 2));
    expect(reported).toEqual([]);
  });

  it('a function with batches gets no more calls at the same time than its concurrency, however few messages come', async () => {
    const held = holding();
    await own.publish('ada', 'q', 'first');
    await subscribe({ batch: 10, concurrency: 2 });
    consumers.start();
    await eventually(async () => expect(held).toHaveLength(1));
    for (const [n, calls] of [
      ['second', 2],
      ['third', 2],
    ] as const) {
      await own.publish('ada', 'q', n);
      consumers.wake(own.woken.at(-1)!);
      await eventually(async () => expect(held).toHaveLength(calls));
    }
    // A third call would have been made with the take that this publication wakes.
    await own.publish('ada', 'other', 'x');
    await subscribe({ batch: 10, concurrency: 2 }, { name: 'other' });
    await eventually(async () => expect(held).toHaveLength(3));
    expect(await counts()).toMatchObject({ ready: 1, inflight: 2 });
    expect(reported).toEqual([]);
  });

  it('what a control had when it was killed is delivered again as soon as it works again', async () => {
    await own.publish('ada', 'q', 'a');
    await subscribe({ maxAttempts: 2 });
    const { id } = await own.queues.find('ada', 'q');
    const take = (taker: Taker) =>
      new Deliveries({ db: store.db, now: Date.now, random: () => 0 }).take({
        ...{ queueId: id, handlerId: 'h', takenId: newTakenId(taker), limit: 1, inFlightMax: 1, maxAttempts: 2 },
      });
    expect((await take({ controlId: 'control', bootId: 'killed' })).messages).toHaveLength(1);
    expect((await take({ controlId: 'another', bootId: 'boot' })).messages).toEqual([]);
    const held = holding();
    consumers.start();
    // The visibility time is 30 s, and `eventually` waits for less.
    await eventually(async () => expect(held).toHaveLength(1));
    held[0]!();
    await eventually(async () => expect(await counts()).toMatchObject({ done: 1 }));
  });
});

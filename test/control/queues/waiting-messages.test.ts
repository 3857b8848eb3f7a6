/**
 * Messages of groups that wait for each other: in order, never two at once, none forgotten, found without reading all.
 */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  Deliveries,
  type Delivery,
  deliveryLimits,
  type TakenMessage,
} from '../../../src/control/queues/deliveries.ts';
import { dueMessages, lockQueue } from '../../../src/control/queues/waiting-messages.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { analyze, expectFewRows } from '../../support/query-plans.ts';
import { type TestQueues, testQueues } from '../../support/queues.ts';
import { randomOf } from '../../support/random.ts';

onEachDatabase('messages that wait', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;
  let deliveries: Deliveries;
  let queueId: string;
  let nowMs = 1_000;
  let takes = 0;

  beforeEach(async () => {
    nowMs = 1_000;
    store = await dialect.temporary();
    own = testQueues(store.db, () => nowMs);
    deliveries = new Deliveries({ db: store.db, now: () => nowMs, random: () => 0 });
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await own.queues.put('ada', 'q', {});
    queueId = (await own.queues.find('ada', 'q')).id;
  });
  afterEach(() => store.close());

  const take = async (limit: number, by = deliveries, maxAttempts = 3) => {
    takes += 1;
    const delivery: Delivery = { queueId, takenId: `t${takes}` };
    const taken = await by.take({ ...delivery, handlerId: 'h', limit, inFlightMax: 100_000, maxAttempts });
    return { ...taken, delivery };
  };
  const texts = (messages: readonly TakenMessage[]) => messages.map(({ body }) => Buffer.from(body).toString());

  it('behind 40,000 of one group are found after a few takes; later takes read next to nothing', async () => {
    // In parts, each well within the time of a statement.
    for (let from = 1; from <= 40_000; from += 10_000)
      await sql`insert into messages (id, queue_id, position, state, due_ms, attempts, body, group_key, published_ms)
        with recursive n(i) as (select ${sql.lit(from)} union all select i + 1 from n where i < ${sql.lit(from + 9_999)})
        select 'm' || i, ${queueId}, i, 'ready', 0, 0, ${Buffer.from('x')}, 'long', 0 from n`.execute(store.db);
    await store.db.updateTable('queues').set({ last_position: 40_000 }).execute();
    await own.publish('ada', 'q', ['free', 'too']);
    await analyze(store.db, 'messages');
    const head = await take(10);
    expect(head.messages.map(({ id }) => id)).toEqual(['m1']);
    let found: readonly TakenMessage[] = [];
    let more = head.hasMore;
    for (; more; more = more && found.length === 0) {
      const next = await take(10);
      found = next.messages;
      more = next.hasMore;
    }
    expect(texts(found)).toEqual(['free', 'too']);
    await analyze(store.db, 'messages');
    const few = { table: 'messages', most: 10, indexes: ['messages_due', 'messages_group'] };
    await store.db.transaction().execute(async (trx) => {
      await expectFewRows(dialect, trx, dueMessages(trx, { queueId, after: 0, limit: 10 }), few);
    });
    await deliveries.done(head.delivery, head.messages, null);
    const next = await take(10);
    expect(next.messages.map(({ id }) => id)).toEqual(['m2']);
    // What stands behind is still waiting, and the queue's oldest message is among it.
    expect((await own.queues.summary('ada', 'q')).messages).toMatchObject({ ready: 39_998, inflight: 3, done: 1 });
    expect((await take(10)).messages).toEqual([]);
  });

  it('come when those before them are purged, dead, or were lost', async () => {
    await own.publish('ada', 'q', ['a1', 'a2', 'a3', 'a4'], { group: 'a' });
    const first = await take(10, deliveries, 1);
    expect(texts(first.messages)).toEqual(['a1']);
    await deliveries.failed(first.delivery, {
      ...{ messages: first.messages, reason: 'no', invocation: null, maxAttempts: 1 },
    });
    expect(texts((await take(10, deliveries, 1)).messages)).toEqual(['a2']);
    nowMs += deliveryLimits.visibleMs;
    // Lost with its last attempt: a dead letter.
    expect(texts((await take(10, deliveries, 1)).messages)).toEqual(['a3']);
    await own.queues.purge('ada', queueId, 'inflight');
    expect(texts((await take(10)).messages)).toEqual(['a4']);
  });

  it('come in their order although dead letters before them are retried, and never two of a group at once', async () => {
    await own.publish('ada', 'q', ['a1', 'a2', 'a3'], { group: 'a' });
    const first = await take(10, deliveries, 1);
    await deliveries.failed(first.delivery, {
      ...{ messages: first.messages, reason: 'no', invocation: null, maxAttempts: 1 },
    });
    const second = await take(10);
    expect(texts(second.messages)).toEqual(['a2']);
    expect(await own.messages.retry(queueId)).toBe(1);
    expect((await take(10)).messages).toEqual([]);
    await deliveries.done(second.delivery, second.messages, null);
    const again = await take(10);
    expect(texts(again.messages)).toEqual(['a1']);
    await deliveries.done(again.delivery, again.messages, null);
    expect(texts((await take(10)).messages)).toEqual(['a3']);
  });

  // SQLite locks the whole file.
  it.skipIf(dialect.name === 'sqlite')('are settled before or after a take, never during one', async () => {
    await own.publish('ada', 'q', ['a1', 'a2'], { group: 'a' });
    const { delivery, messages } = await take(1);
    let settled: Promise<number> | null = null;
    await store.db.transaction().execute(async (trx) => {
      await lockQueue(trx, queueId);
      settled = deliveries.done(delivery, messages, null);
      const waiting = () => sql`select 1 from pg_locks where not granted`.execute(trx);
      await expect.poll(async () => (await waiting()).rows.length).toBeGreaterThan(0);
    });
    expect(await settled).toBe(1);
    expect(texts((await take(1)).messages)).toEqual(['a2']);
  });

  it('whatever happens: none is forgotten, none of a group is taken beside or before an earlier one', async () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    process.stderr.write(`messages that wait, ${dialect.name}: SEED=${seed}\n`);
    const random = randomOf(seed);
    const other = new Deliveries({ db: await store.open(), now: () => nowMs, random: () => 0 });
    const inFlight: { readonly delivery: Delivery; readonly message: TakenMessage }[] = [];
    let published = 0;
    const publish = async (): Promise<void> => {
      const group = random(4);
      const bodies = Array.from({ length: 1 + random(4) }, (_, n) => String(published + n));
      published += bodies.length;
      await own.publish('ada', 'q', bodies, { group: group === 0 ? null : `g${group}`, dueMs: random(4) * 600 });
    };
    const takeSome = async (): Promise<void> => {
      const { messages, delivery } = await take(1 + random(4), random(2) === 0 ? deliveries : other, 1_000);
      for (const message of messages) {
        if (message.group !== null) {
          const beside = inFlight.filter((one) => one.message.group === message.group);
          expect(beside, `beside ${message.id}, seed ${seed}`).toEqual([]);
          const before = await store.db
            .selectFrom('messages')
            .select('id')
            .where('group_key', '=', message.group)
            .where('state', 'in', ['ready', 'inflight'])
            .where('position', '<', message.position)
            .execute();
          expect(before, `before ${message.id}, seed ${seed}`).toEqual([]);
        }
        inFlight.push({ delivery, message });
      }
    };
    const settle = async (): Promise<void> => {
      const [one] = inFlight.splice(random(Math.max(1, inFlight.length)), 1);
      if (one === undefined) return;
      const by = random(2) === 0 ? deliveries : other;
      const failure = { messages: [one.message], reason: 'no', invocation: null };
      const how = random(4);
      if (how === 0) await by.giveBack(one.delivery, [one.message], random(2) * 500);
      else if (how === 1) await by.failed(one.delivery, { ...failure, maxAttempts: 1_000 });
      else if (how === 2) await by.failed(one.delivery, { ...failure, maxAttempts: 1 });
      else await by.done(one.delivery, [one.message], null);
    };
    for (let step = 0; step < 150; step += 1) {
      // Less than visibleMs in all: no delivery is lost.
      nowMs += random(150);
      const what = random(10);
      if (what < 2) await publish();
      else if (what < 5) await takeSome();
      else if (what < 9) await settle();
      else if (random(3) === 0) await own.queues.purge('ada', queueId, 'ready');
    }
    // From here on nothing fails: everything that waits comes, in order.
    for (;;) {
      nowMs += 60_000;
      for (const { delivery, message } of inFlight.splice(0)) await deliveries.done(delivery, [message], null);
      await takeSome();
      if (inFlight.length === 0) break;
    }
    const left = await own.queues.summary('ada', 'q');
    expect([left.messages.ready, left.messages.inflight], `seed ${seed}`).toEqual([0, 0]);
  });

  it('of one group are all delivered, one after the other, by many takers on two controls at once', async () => {
    const each = 40;
    for (const group of ['a', 'b', 'c'])
      await own.publish(
        'ada',
        'q',
        Array.from({ length: each }, (_, i) => `${group}${i}`),
        { group },
      );
    const other = new Deliveries({ db: await store.open(), now: () => nowMs, random: () => 0 });
    const got: string[] = [];
    const work = async (by: Deliveries): Promise<void> => {
      while (got.length < 3 * each) {
        const { messages, delivery } = await take(2, by);
        got.push(...texts(messages));
        if (messages.length > 0) await by.done(delivery, messages, null);
      }
    };
    await Promise.all([deliveries, other, deliveries, other].map(work));
    for (const group of ['a', 'b', 'c'])
      expect(got.filter((text) => text.startsWith(group))).toEqual(
        Array.from({ length: each }, (_, i) => `${group}${i}`),
      );
  });
});

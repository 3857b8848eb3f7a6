/** Queues and their messages in the database: publishing, reading, limits, deliveries. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deliveries, deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { queueRateLimits } from '../../../src/control/queues/queue-rates.ts';
import { readSubscriptions } from '../../../src/control/queues/subscriptions.ts';
import { queueLimits } from '../../../src/protocol/limits.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { newMessage, type TestQueues, testQueues } from '../../support/queues.ts';

onEachDatabase('queues', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;
  let nowMs = 1_000;

  beforeEach(async () => {
    nowMs = 1_000;
    store = await dialect.temporary();
    own = testQueues(store.db, () => nowMs);
    for (const id of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id, name: id, password_hash: '', created_ms: 0 }).execute();
  });
  afterEach(() => store.close());

  const texts = (messages: readonly { readonly body: Uint8Array }[]) =>
    messages.map(({ body }) => Buffer.from(body).toString());
  const idOf = async (name: string, owner = 'ada') => (await own.queues.find(owner, name)).id;
  const all = async (name: string) => own.messages.read(await idOf(name), { after: 0, limit: 1_000 });
  const total = (owner = 'ada') =>
    store.db.selectFrom('message_totals').select(['items', 'bytes']).where('owner_id', '=', owner).executeTakeFirst();

  describe('published messages', () => {
    it('keep their order, apart by user and name', async () => {
      await own.publish('ada', 'q', ['a', 'b']);
      await own.publish('ada', 'other', 'x');
      await own.publish('bob', 'q', 'y');
      await own.publish('ada', 'q', 'c');
      const id = await idOf('q');
      const first = await own.messages.read(id, { after: 0, limit: 2 });
      expect(texts(first)).toEqual(['a', 'b']);
      expect(texts(await own.messages.read(id, { after: first[1]!.position, limit: 2 }))).toEqual(['c']);
      // As many as fit, but one at least.
      expect(await own.messages.read(id, { after: 0, limit: 9, bytesMax: 1 })).toHaveLength(1);
      expect(await own.messages.read(id, { after: 0, limit: 9, bytesMax: 0 })).toHaveLength(1);
      expect(own.woken.filter((woken) => woken === id)).toHaveLength(2);
    });

    it('keep bytes, type, group and time', async () => {
      await own.publish('ada', 'q', Uint8Array.of(0, 255), { contentType: 'image/png', group: 'g', dueMs: 5_000 });
      await own.publish('ada', 'q', '');
      expect(await all('q')).toMatchObject([
        {
          body: Uint8Array.of(0, 255),
          contentType: 'image/png',
          group: 'g',
          dueMs: 5_000,
          publishedMs: 1_000,
          attempts: 0,
        },
        { body: new Uint8Array(), contentType: null, group: null, dueMs: null, state: 'ready' },
      ]);
    });

    it('with a key that has been used within a day are not published again', async () => {
      const publish = (...keys: (string | null)[]) =>
        own.messages.publish(
          'ada',
          'q',
          keys.map((key) => newMessage('m', { key })),
        );
      const [first, twin] = await publish('k', 'k');
      expect(twin).toEqual({ id: first!.id, isDuplicate: true });
      nowMs += queueLimits.keyMs - 1;
      expect(await publish('k', 'other', null)).toMatchObject([
        { id: first!.id, isDuplicate: true },
        { isDuplicate: false },
        { isDuplicate: false },
      ]);
      nowMs += 1;
      expect(await publish('k')).toMatchObject([{ isDuplicate: false }]);
      expect(await all('q')).toHaveLength(4);
    });

    it('are counted, and refused past the limit, all or none', async () => {
      await own.publish('ada', 'q', ['ab', 'c']);
      expect(await total()).toEqual({ items: 2, bytes: 3 });
      await store.db
        .updateTable('message_totals')
        .set({ items: queueLimits.messages - 1 })
        .execute();
      await expect(own.publish('ada', 'q', ['x', 'y'])).rejects.toMatchObject({
        code: 'limit_exceeded',
        hints: [expect.stringContaining('wasmcloud queue purge')],
      });
      expect(await all('q')).toHaveLength(2);
      await own.publish('bob', 'q', 'z');
    });

    it.each([
      ['too long', newMessage(new Uint8Array(queueLimits.messageBytes + 1)), 'limit_exceeded'],
      ['with an empty key', newMessage('m', { key: '' }), 'bad_request'],
      ['with a key too long', newMessage('m', { key: 'k'.repeat(queueLimits.keyChars + 1) }), 'bad_request'],
      ['with a control character in its type', newMessage('m', { contentType: 'text/\n' }), 'bad_request'],
      ['with a group beyond ASCII', newMessage('m', { group: 'ü' }), 'bad_request'],
    ])('%s are refused', async (_what, message, code) => {
      await expect(own.messages.publish('ada', 'q', [message])).rejects.toMatchObject({ code });
      await own.messages.publish('ada', 'q', [newMessage(new Uint8Array(queueLimits.messageBytes))]);
    });

    it.each(['', 'a/b', 'q'.repeat(65), 'ü', '..\n'])('a queue named %j is refused', async (name) => {
      await expect(own.publish('ada', name, 'm')).rejects.toMatchObject({ code: 'name_invalid' });
    });

    it('make no more queues than a user may have', async () => {
      const rows = Array.from({ length: queueLimits.queues - 1 }, (_, i) => ({
        ...{ id: `q${i}`, owner_id: 'ada', name: `q${i}` },
        ...{ is_paused: 0, last_position: 0, created_ms: 0 },
      }));
      for (let at = 0; at < rows.length; at += 100)
        await store.db
          .insertInto('queues')
          .values(rows.slice(at, at + 100))
          .execute();
      await own.publish('ada', 'last', 'm');
      await expect(own.publish('ada', 'more', 'm')).rejects.toMatchObject({ code: 'limit_exceeded' });
      await own.publish('ada', 'q0', 'm');
      await own.publish('bob', 'more', 'm');
    });

    it('among 100,000 queues are published, read and listed in pages; no further queue is made', async () => {
      const rows = Array.from({ length: 100_000 }, (_, i) => ({
        ...{ id: `q${i}`, owner_id: 'ada', name: `q${String(i).padStart(6, '0')}` },
        ...{ is_paused: 0, last_position: 0, created_ms: 0 },
      }));
      for (let at = 0; at < rows.length; at += 4_000)
        await store.db
          .insertInto('queues')
          .values(rows.slice(at, at + 4_000))
          .execute();
      await own.publish('ada', 'q050000', 'm');
      const page = await own.queues.list({ ownerId: 'ada', after: 'q049999', limit: 200 });
      expect(page.map(({ name }) => name).slice(0, 2)).toEqual(['q050000', 'q050001']);
      expect(page).toHaveLength(200);
      expect(page[0]).toMatchObject({ messages: { ready: 1 } });
      await expect(own.publish('ada', 'more', 'm')).rejects.toMatchObject({ code: 'limit_exceeded' });
      expect(await readSubscriptions(store.db, nowMs)).toEqual([]);
    });

    it('of many writers all arrive, each with a position of its own', async () => {
      const both = [own, testQueues(await store.open(), () => nowMs)];
      await Promise.all(Array.from({ length: 100 }, (_, i) => both[i % 2]!.publish('ada', 'q', ['m', 'n'])));
      expect((await all('q')).map(({ position }) => position)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      expect(await total()).toEqual({ items: 200, bytes: 200 });
    });
  });

  describe('what becomes of messages', () => {
    it('is counted on all controls, by queue, for a few minutes', async () => {
      nowMs = 1_000_000_000_000;
      const other = testQueues(await store.open(), () => nowMs);
      await own.publish('ada', 'a', ['1', '2', '3']);
      await other.publish('ada', 'a', '4');
      await other.publish('ada', 'b', '5');
      const { id } = await own.queues.find('ada', 'a');
      own.rates.count(id, 'acknowledged', 2);
      other.rates.count(id, 'retried', 1);
      other.rates.count(id, 'dead', 1);
      await Promise.all([own.rates.flush(), other.rates.flush()]);
      const recent = async (name: string) => (await own.queues.summary('ada', name)).recent;
      expect(await recent('a')).toEqual({ published: 4, acknowledged: 2, retried: 1, dead: 1 });
      expect(await recent('b')).toEqual({ published: 1, acknowledged: 0, retried: 0, dead: 0 });
      expect(own.rates.totals).toEqual({ published: 3, acknowledged: 2, retried: 0, dead: 0 });
      nowMs += 60_000;
      await own.publish('ada', 'a', '6');
      await own.rates.flush();
      expect(await recent('a')).toMatchObject({ published: 5 });
      nowMs += queueRateLimits.windowMs - 60_000;
      expect(await recent('a')).toMatchObject({ published: 1, dead: 0 });
      nowMs += 4 * queueRateLimits.windowMs;
      await own.queues.prune();
      expect(await store.db.selectFrom('queue_rates').selectAll().execute()).toEqual([]);
    });

    it('shows in what all queues hold: messages, and the oldest that waits for a consumer', async () => {
      expect(await own.queues.backlog()).toEqual({ messages: 0, oldestMs: null });
      await own.publish('ada', 'a', ['1', '2']);
      nowMs += 1;
      await own.publish('ada', 'b', '3');
      // Nobody consumes it: it may lie as long as its owner likes.
      expect(await own.queues.backlog()).toEqual({ messages: 3, oldestMs: null });
      await store.db
        .insertInto('handlers')
        .values({ id: 'h', name: 'otter', owner_id: 'ada', next_number: 1, created_ms: 0 })
        .execute();
      await store.db.insertInto('subscriptions').values({ handler_id: 'h', queue: 'b', settings: '{}' }).execute();
      expect(await own.queues.backlog()).toEqual({ messages: 3, oldestMs: nowMs });
    });
  });

  describe('a queue', () => {
    it('is listed with what it holds, in pages', async () => {
      await own.publish('ada', 'b', ['xx', 'xxx']);
      nowMs += 1;
      await own.publish('ada', 'a', 'x');
      const list = (after: string, limit = 10) => own.queues.list({ ownerId: 'ada', after, limit });
      const none = { inflight: 0, dead: 0, done: 0 };
      const noEvents = { published: 0, acknowledged: 0, retried: 0, dead: 0 };
      const a = {
        name: 'a',
        isPaused: false,
        messages: { ready: 1, ...none },
        bytes: 1,
        oldestMs: 1_001,
        recent: { ...noEvents },
        consumers: [],
      };
      const b = {
        name: 'b',
        isPaused: false,
        messages: { ready: 2, ...none },
        bytes: 5,
        oldestMs: 1_000,
        recent: { ...noEvents },
        consumers: [],
      };
      expect(await list('')).toEqual([a, b]);
      expect(await list('', 1)).toEqual([a]);
      expect(await list('a')).toEqual([b]);
      expect(await list('b')).toEqual([]);
      expect(await own.queues.summary('ada', 'b')).toEqual(b);
      await expect(own.queues.summary('bob', 'b')).rejects.toMatchObject({ code: 'not_found' });
    });

    it('has the functions of its owner as consumers, and no others that read a queue of its name', async () => {
      await own.publish('ada', 'q', 'x');
      for (const [id, name, owner_id] of [
        ['h1', 'otter', 'ada'],
        ['h2', 'heron', 'bob'],
        ['h3', 'deleted', 'ada'],
      ] as const) {
        const row = { id, name, owner_id, next_number: 1, created_ms: 0, deleted_ms: name === 'deleted' ? 1 : null };
        await store.db.insertInto('handlers').values(row).execute();
        await store.db.insertInto('subscriptions').values({ handler_id: id, queue: 'q', settings: '{}' }).execute();
      }
      expect((await own.queues.summary('ada', 'q')).consumers).toEqual(['otter']);
    });

    it('is purged in steps; positions go on where they were', async () => {
      await own.publish('ada', 'other', 'kept');
      for (let i = 0; i < 2; i += 1)
        await own.publish(
          'ada',
          'q',
          Array.from({ length: 600 }, () => 'x'),
        );
      const id = await idOf('q');
      expect(await own.queues.purge('ada', id)).toEqual({ messages: 1_200, bytes: 1_200 });
      expect(await own.queues.purge('ada', id)).toEqual({ messages: 0, bytes: 0 });
      expect(await total()).toEqual({ items: 1, bytes: 4 });
      await own.publish('ada', 'q', 'new');
      expect((await all('q'))[0]?.position).toBe(1_201);
    });

    it('is deleted with everything in it', async () => {
      await own.publish('ada', 'q', ['x', 'y'], { key: null });
      await own.queues.delete('ada', 'q');
      await expect(own.queues.find('ada', 'q')).rejects.toMatchObject({ code: 'not_found' });
      expect(await total()).toEqual({ items: 0, bytes: 0 });
    });
  });

  describe('deliveries', () => {
    let deliveries: Deliveries;
    let count = 0;
    beforeEach(async () => {
      deliveries = new Deliveries({ db: store.db, now: () => nowMs, random: () => 0 });
    });
    const take = async (more: Partial<Parameters<Deliveries['take']>[0]> = {}) => {
      count += 1;
      const delivery = { queueId: await idOf('q'), takenId: `t${count}` };
      const taken = await deliveries.take({
        ...{ ...delivery, handlerId: 'h', limit: 10, inFlightMax: 10, maxAttempts: 3 },
        ...more,
      });
      return { ...taken, delivery };
    };
    const ids = (messages: readonly { readonly id: string }[]) => messages.map(({ id }) => id);

    it('give each message to one taker, in order, at most as many as asked for and allowed', async () => {
      await own.publish('ada', 'q', ['a', 'b', 'c', 'd', 'e']);
      const first = await take({ limit: 2 });
      expect(texts(first.messages)).toEqual(['a', 'b']);
      expect(first.messages[0]).toMatchObject({ attempt: 1, publishedMs: 1_000, contentType: null });
      expect(texts((await take({ inFlightMax: 3 })).messages)).toEqual(['c']);
      expect((await take({ inFlightMax: 3 })).messages).toEqual([]);
      // Another consumer has a limit of its own.
      expect(texts((await take({ handlerId: 'other', inFlightMax: 1 })).messages)).toEqual(['d']);
      expect(await deliveries.done(first.delivery, first.messages, 'inv-1')).toBe(2);
      expect((await all('q')).map(({ state }) => state)).toEqual(['done', 'done', 'inflight', 'inflight', 'ready']);
      expect((await all('q'))[0]).toMatchObject({ invocation: 'inv-1', endedMs: 1_000 });
    });

    it('by many takers at once never overlap', async () => {
      await own.publish(
        'ada',
        'q',
        Array.from({ length: 100 }, (_, i) => String(i)),
      );
      const other = new Deliveries({ db: await store.open(), now: () => nowMs, random: () => 0 });
      const queueId = await idOf('q');
      const takes = Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? deliveries : other).take({
          ...{ queueId, handlerId: 'h', takenId: `p${i}`, limit: 5, inFlightMax: 1_000, maxAttempts: 3 },
        }),
      );
      const taken = (await Promise.all(takes)).flatMap(({ messages }) => ids(messages));
      expect(new Set(taken).size).toBe(100);
    });

    it('that fail come again later and later, then are dead letters with the reason', async () => {
      await own.publish('ada', 'q', 'poison');
      const waits: number[] = [];
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const { messages, delivery } = await take();
        expect(messages).toMatchObject([{ attempt }]);
        await deliveries.failed(delivery, { messages, reason: 'trapped: boom', invocation: 'inv', maxAttempts: 3 });
        const { messages: none, nextMs } = await take();
        expect(none).toEqual([]);
        if (nextMs === null) break;
        waits.push(nextMs - nowMs);
        nowMs = nextMs;
      }
      expect(waits).toEqual([deliveryLimits.retryMs / 2, deliveryLimits.retryMs]);
      expect(await all('q')).toMatchObject([
        { state: 'dead', reason: 'trapped: boom', invocation: 'inv', attempts: 3 },
      ]);
      expect(await own.messages.retry(await idOf('q'))).toBe(1);
      expect((await take()).messages).toMatchObject([{ attempt: 1 }]);
    });

    it('that nobody settles or extends come again, and are dead letters in the end', async () => {
      await own.publish('ada', 'q', 'm');
      const { delivery, messages } = await take();
      nowMs += deliveryLimits.visibleMs - 1;
      await deliveries.extend([delivery]);
      nowMs += 1;
      expect((await take()).messages).toEqual([]);
      nowMs += deliveryLimits.visibleMs;
      expect((await take()).messages).toMatchObject([{ attempt: 2 }]);
      // The first taker is late: nothing happens.
      expect(await deliveries.done(delivery, messages, null)).toBe(0);
      nowMs += deliveryLimits.visibleMs;
      expect((await take()).messages).toMatchObject([{ attempt: 3 }]);
      nowMs += deliveryLimits.visibleMs;
      expect((await take()).messages).toEqual([]);
      expect(await all('q')).toMatchObject([{ state: 'dead', reason: expect.stringContaining('ended') }]);
    });

    it('come again when the clock jumps ahead, and are not held up when it is put back', async () => {
      await own.publish('ada', 'q', 'm');
      const late = await take();
      nowMs += 60 * 60_000;
      // At least once: whoever had it may have ended.
      const again = await take();
      expect(again.messages).toMatchObject([{ attempt: 2 }]);
      expect(await deliveries.done(late.delivery, late.messages, null)).toBe(0);
      nowMs -= 60 * 60_000;
      expect((await take()).messages).toEqual([]);
      // A taker that lives extends it by then.
      nowMs += deliveryLimits.visibleMs - 1;
      await deliveries.extend([again.delivery]);
      nowMs += 1;
      expect((await take()).messages).toEqual([]);
      nowMs += deliveryLimits.visibleMs;
      expect((await take()).messages).toMatchObject([{ attempt: 3 }]);
    });

    it('that are given back have not been tried', async () => {
      await own.publish('ada', 'q', 'm');
      const { delivery, messages } = await take();
      await deliveries.giveBack(delivery, messages, 0);
      expect((await take()).messages).toMatchObject([{ attempt: 1 }]);
    });

    it('wait for their time, and then keep the order of publishing', async () => {
      await own.publish('ada', 'q', 'later', { dueMs: 2_000 });
      await own.publish('ada', 'q', ['now', 'too']);
      const first = await take({ limit: 1 });
      expect([texts(first.messages), first.nextMs]).toEqual([['now'], 2_000]);
      nowMs = 2_000;
      expect(texts((await take()).messages)).toEqual(['later', 'too']);
    });

    it('of one group follow each other, whatever the attempts take', async () => {
      await own.publish('ada', 'q', ['a1', 'a2'], { group: 'a' });
      await own.publish('ada', 'q', ['b1', 'b2'], { group: 'b' });
      await own.publish('ada', 'q', 'free');
      const first = await take();
      expect(texts(first.messages)).toEqual(['a1', 'b1', 'free']);
      const [a1] = first.messages;
      await deliveries.failed(first.delivery, { messages: [a1!], reason: 'no', invocation: null, maxAttempts: 3 });
      await deliveries.done(first.delivery, first.messages.slice(1), null);
      expect(texts((await take()).messages)).toEqual(['b2']);
      nowMs += deliveryLimits.retryMs;
      expect(texts((await take()).messages)).toEqual(['a1']);
    });

    it('are taken up to a number of bytes, one at least', async () => {
      const large = new Uint8Array(queueLimits.messageBytes);
      const fitting = deliveryLimits.takenBytes / queueLimits.messageBytes;
      for (let i = 0; i <= fitting; i += 1) await own.publish('ada', 'q', large);
      expect((await take({ limit: 100, inFlightMax: 100 })).messages).toHaveLength(fitting);
      expect((await take({ limit: 100, inFlightMax: 100 })).messages).toHaveLength(1);
    });

    it('of a paused queue rest', async () => {
      await own.publish('ada', 'q', 'm');
      await own.queues.put('ada', 'q', { isPaused: true });
      expect((await take()).messages).toEqual([]);
      await own.queues.put('ada', 'q', { isPaused: false });
      expect((await take()).messages).toHaveLength(1);
    });

    it('that are done are kept for a while, and so many', async () => {
      for (let i = 0; i < 2; i += 1)
        await own.publish(
          'ada',
          'q',
          Array.from({ length: 700 }, () => 'x'),
        );
      const { delivery, messages } = await take({ limit: 2_000, inFlightMax: 2_000 });
      await deliveries.done(delivery, messages, null);
      await own.queues.prune();
      expect(await total()).toEqual({ items: queueLimits.doneMessages, bytes: queueLimits.doneMessages });
      nowMs += queueLimits.doneMs + 1;
      await own.queues.prune();
      expect(await total()).toEqual({ items: 0, bytes: 0 });
    });
  });
});

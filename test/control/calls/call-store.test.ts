/** Asynchronous calls in the database: accepted, fairly taken, retried, kept for a while, found by their id alone. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CallDeliveries } from '../../../src/control/calls/call-deliveries.ts';
import { CallStore, callCursor } from '../../../src/control/calls/call-store.ts';
import { deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { newTakenId, type Taker } from '../../../src/control/queues/taker.ts';
import { callLimits } from '../../../src/protocol/limits.ts';
import { FairPlaces } from '../../../src/waiting/fair-places.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { placesFor } from '../../support/places.ts';

onEachDatabase('asynchronous calls', (dialect) => {
  let store: TemporaryDatabase;
  let calls: CallStore;
  let deliveries: CallDeliveries;
  let nowMs = 0;

  beforeEach(async () => {
    nowMs = 1_000_000_000_000;
    store = await dialect.temporary();
    calls = new CallStore({ db: store.db, now: () => nowMs });
    deliveries = new CallDeliveries({ db: store.db, now: () => nowMs, random: () => 0 });
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    for (const id of ['h', 'other'])
      await store.db
        .insertInto('handlers')
        .values({ id, name: `${id}-name`, owner_id: 'ada', next_number: 1, created_ms: 0 })
        .execute();
  });
  afterEach(() => store.close());

  const request = {
    ...{ method: 'PUT', path: '/x', label: 'h-name', authority: null, env: { A: 'b' }, timeoutMs: 5 },
    fields: [['x-secret', 'yes']] as const,
  };
  const accept = async (more: { handlerId?: string; attemptsMax?: number; id?: string; body?: Uint8Array } = {}) => {
    const id = more.id ?? randomUUID();
    await calls.accept({ handlerId: 'h', attemptsMax: 1, body: Buffer.from('body'), ...more, id, request });
    return id;
  };
  const take = (room = 100, running = new Map<string, number>()) =>
    deliveries.take({ takenId: randomUUID(), running, places: placesFor(room) });
  const answer = { status: 503, fields: [['x-a', 'b']] as const, body: Buffer.from('answer') };
  const failure = { reason: 'status 503', invocation: 'i', answer, isInterrupted: false };

  it('come back as they were accepted; what was sent is forgotten with the end', async () => {
    const id = await accept();
    expect(await calls.show('h', id)).toMatchObject({ state: 'ready', attempts: 0, status: null, endedMs: null });
    const [call] = await take();
    expect(call).toMatchObject({ id, handler: 'h-name', schedule: null, attempt: 1, request });
    expect(Buffer.from(call!.body).toString()).toBe('body');
    await expect(calls.answer('h', id)).rejects.toMatchObject({ code: 'not_found' });
    nowMs += 5;
    await deliveries.done(call!, { invocation: 'i', answer: { ...answer, status: 200 } });
    expect(await calls.show('h', id)).toMatchObject({ state: 'done', status: 200, invocation: 'i', endedMs: nowMs });
    expect(await calls.answer('h', id)).toEqual({ ...answer, status: 200, body: new Uint8Array(answer.body) });
    const row = await store.db.selectFrom('calls').select(['request', 'body']).executeTakeFirstOrThrow();
    expect([row.request, row.body.length]).toEqual(['{}', 0]);
  });

  const shown = (id: string) => id.slice(0, callLimits.shownIdChars);

  it('that wait are cancelled; those that run are not, and those that have ended are refused', async () => {
    const id = await accept();
    expect(await calls.cancelWaiting('h', shown(id))).toBe(true);
    expect(await calls.show('h', id)).toMatchObject({
      state: 'failed',
      endedMs: nowMs,
      reason: expect.stringMatching(/^cancelled/),
    });
    expect(await take()).toEqual([]);
    await expect(calls.cancelWaiting('h', shown(id))).rejects.toMatchObject({ code: 'conflict' });
    await expect(calls.cancelWaiting('other', shown(id))).rejects.toMatchObject({ code: 'not_found' });
    const running = await accept();
    expect(await take()).toHaveLength(1);
    expect(await calls.cancelWaiting('h', shown(running))).toBe(false);
    expect((await calls.show('h', running)).state).toBe('inflight');
  });

  it('that failed are tried again with the same request; others are refused', async () => {
    const id = await accept({ attemptsMax: 1 });
    await expect(calls.retry('h', shown(id))).rejects.toMatchObject({ code: 'conflict' });
    await deliveries.failed((await take())[0]!, failure);
    expect((await calls.show('h', id)).state).toBe('failed');
    await expect(calls.retry('other', shown(id))).rejects.toMatchObject({ code: 'not_found' });
    await calls.retry('h', shown(id));
    expect(await calls.show('h', id)).toMatchObject({ state: 'ready', attempts: 0, endedMs: null, status: null });
    const [again] = await take();
    expect(again).toMatchObject({ id, attempt: 1, request });
    expect(Buffer.from(again!.body).toString()).toBe('body');
    await deliveries.done(again!, { invocation: 'i', answer });
    await expect(calls.retry('h', shown(id))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('that an earlier version failed have no request any more, and are not tried again', async () => {
    const id = await accept();
    await store.db.updateTable('calls').set({ state: 'failed', request: '{}', ended_ms: nowMs }).execute();
    await expect(calls.retry('h', shown(id))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('are tried again only while there is room', async () => {
    const id = await accept();
    await deliveries.failed((await take())[0]!, failure);
    for (let n = 0; n < callLimits.waiting; n++) await accept();
    await expect(calls.retry('h', shown(id))).rejects.toMatchObject({ code: 'overloaded' });
    expect((await calls.show('h', id)).state).toBe('failed');
  });

  it('are found under their own handler only', async () => {
    const id = await accept();
    for (const [handler, which] of [
      ['other', id],
      ['h', randomUUID()],
    ] as const) {
      await expect(calls.show(handler, which)).rejects.toMatchObject({ code: 'not_found' });
      await expect(calls.answer(handler, which)).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('that fail are made again as often as asked, later and later; the last answer is kept', async () => {
    const id = await accept({ attemptsMax: 2 });
    await deliveries.failed((await take())[0]!, failure);
    expect(await take()).toEqual([]);
    nowMs += deliveryLimits.retryMs / 2;
    await deliveries.failed((await take())[0]!, failure);
    nowMs += deliveryLimits.retryMostMs;
    expect(await take()).toEqual([]);
    expect(await calls.show('h', id)).toMatchObject({
      state: 'failed',
      attempts: 2,
      status: 503,
      reason: 'status 503',
    });
    expect(await calls.answer('h', id)).toMatchObject({ status: 503 });
  });

  it('whose runner ended are made again although nobody asked for it, a few times', async () => {
    const id = await accept();
    for (let attempt = 1; attempt <= callLimits.interrupted; attempt += 1) {
      const [call] = await take();
      expect(call).toMatchObject({ attempt });
      await deliveries.failed(call!, { ...failure, answer: null, isInterrupted: true });
      nowMs += deliveryLimits.retryMostMs;
    }
    expect(await take()).toEqual([]);
    expect(await calls.show('h', id)).toMatchObject({ state: 'failed', status: null });
  });

  it('that cannot begin wait, for a day', async () => {
    const id = await accept();
    await deliveries.refused((await take())[0]!, 'overloaded: full', 1_000);
    expect(await calls.show('h', id)).toMatchObject({ state: 'ready', attempts: 0 });
    nowMs += callLimits.patienceMs + 1;
    await deliveries.refused((await take())[0]!, 'overloaded: full', 1_000);
    expect(await calls.show('h', id)).toMatchObject({ state: 'failed', reason: 'overloaded: full' });
  });

  it('are refused past a number that wait, for each handler', async () => {
    await accept();
    await store.db.deleteFrom('calls').execute();
    const id = await accept();
    const row = await store.db.selectFrom('calls').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    for (let at = 1; at < callLimits.waiting; at += 111)
      await store.db
        .insertInto('calls')
        .values(Array.from({ length: 111 }, (_, i) => ({ ...row, id: `c${at + i}` })))
        .execute();
    await expect(accept()).rejects.toMatchObject({ code: 'overloaded' });
    await accept({ handlerId: 'other' });
  });

  it('of one handler leave room for those of others', async () => {
    for (let i = 0; i < callLimits.concurrency + 4; i += 1) await accept();
    nowMs += 1;
    await accept({ handlerId: 'other' });
    const taken = await take(callLimits.concurrency + 1);
    expect(taken.filter(({ handlerId }) => handlerId === 'h')).toHaveLength(callLimits.concurrency);
    expect(taken.filter(({ handlerId }) => handlerId === 'other')).toHaveLength(1);
    expect(await take(100, new Map([['h', callLimits.concurrency]]))).toEqual([]);
    expect(await take(100, new Map([['h', callLimits.concurrency - 1]]))).toHaveLength(1);
  });

  it('of one user with many functions leave room for those of others; places of calls not taken go back', async () => {
    await store.db.insertInto('users').values({ id: 'bob', name: 'bob', password_hash: '', created_ms: 0 }).execute();
    for (let i = 0; i < 20; i += 1) {
      const handler = { id: `a${i}`, name: `a${i}`, owner_id: 'ada', next_number: 1, created_ms: 0 };
      await store.db.insertInto('handlers').values(handler).execute();
      await accept({ handlerId: handler.id });
    }
    await store.db
      .insertInto('handlers')
      .values({ id: 'b', name: 'b', owner_id: 'bob', next_number: 1, created_ms: 0 })
      .execute();
    nowMs += 1;
    await accept({ handlerId: 'b' });
    const places = new FairPlaces(8);
    const taken = await deliveries.take({ takenId: 't', running: new Map(), places });
    expect(taken.filter(({ ownerId }) => ownerId === 'bob')).toHaveLength(1);
    expect(taken.filter(({ ownerId }) => ownerId === 'ada').length).toBeLessThanOrEqual(4);
    expect([places.heldBy('ada'), places.heldBy('bob')]).toEqual([taken.length - 1, 1]);
    const other = new CallDeliveries({ db: await store.open(), now: () => nowMs, random: () => 0 });
    const two = await Promise.all(
      [deliveries, other].map((one, i) => one.take({ takenId: `u${i}`, running: new Map(), places })),
    );
    expect(places.held).toBe(taken.length + two.flat().length);
  });

  it('that a control had when it was killed are made again as soon as it works again', async () => {
    await accept();
    const take = (taker: Taker) =>
      deliveries.take({ takenId: newTakenId(taker), running: new Map(), places: placesFor(1) });
    const [first] = await take({ controlId: 'one', bootId: 'a' });
    await deliveries.giveUpBefore({ controlId: 'other', bootId: 'b' });
    await deliveries.giveUpBefore({ controlId: 'one', bootId: 'a' });
    expect(await take({ controlId: 'one', bootId: 'a' })).toEqual([]);
    await deliveries.giveUpBefore({ controlId: 'one', bootId: 'b' });
    const [again] = await take({ controlId: 'one', bootId: 'b' });
    expect(again).toMatchObject({ id: first!.id, attempt: 2 });
  });

  it('are taken by one of many controls', async () => {
    for (let i = 0; i < 12; i += 1) await accept();
    const other = new CallDeliveries({ db: await store.open(), now: () => nowMs, random: () => 0 });
    const takes = Array.from({ length: 6 }, (_, i) =>
      (i % 2 === 0 ? deliveries : other).take({ takenId: `t${i}`, running: new Map(), places: placesFor(4) }),
    );
    const ids = (await Promise.all(takes)).flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are listed newest first, in pages, by state, without what gives access to their answers', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      ids.push(await accept());
      // Some within one millisecond.
      if (i % 2 === 0) nowMs += 1;
    }
    await accept({ handlerId: 'other' });
    const [taken] = await take(1);
    const all = await calls.list('h', { limit: 10 });
    expect(all.map(({ id }) => id).sort()).toEqual(ids.map((id) => id.slice(0, callLimits.shownIdChars)).sort());
    expect(all.map(({ acceptedMs }) => acceptedMs)).toEqual(
      all.map(({ acceptedMs }) => acceptedMs).sort((a, b) => b - a),
    );
    const paged: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await calls.list('h', { limit: 2, after });
      paged.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (last === undefined) break;
      after = callCursor(last);
    }
    expect(paged).toEqual(all.map(({ id }) => id));
    expect(await calls.list('h', { limit: 10, state: 'inflight' })).toMatchObject([
      { id: taken!.id.slice(0, callLimits.shownIdChars), attempts: 1, state: 'inflight' },
    ]);
    await expect(calls.list('h', { limit: 1, after: 'x' })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(calls.show('h', all[0]!.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that ended are removed after a day, those that wait stay', async () => {
    const ended = await accept();
    await deliveries.done((await take())[0]!, { invocation: null, answer });
    const waiting = await accept();
    nowMs += callLimits.keptMs + 1;
    await deliveries.prune();
    await expect(calls.show('h', ended)).rejects.toMatchObject({ code: 'not_found' });
    expect(await calls.show('h', waiting)).toMatchObject({ state: 'ready' });
  });

  it('go on when the clock is put back', async () => {
    await accept();
    nowMs -= 60 * 60_000;
    const [call] = await take();
    expect(call).toMatchObject({ attempt: 1 });
    nowMs -= 60 * 60_000;
    expect(await take()).toEqual([]);
    nowMs += deliveryLimits.visibleMs;
    expect(await take()).toMatchObject([{ attempt: 2 }]);
  });
});

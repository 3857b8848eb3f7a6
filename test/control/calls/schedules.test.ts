/** Schedules in the database: what is fired, how often, and what becomes of it. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CallDeliveries, type TakenCall } from '../../../src/control/calls/call-deliveries.ts';
import { replaceSchedules, Schedules, scheduleLimits } from '../../../src/control/calls/schedules.ts';
import { deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { callLimits } from '../../../src/protocol/limits.ts';
import type { ScheduleSettings } from '../../../src/protocol/nouns.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { placesFor } from '../../support/places.ts';

const every: ScheduleSettings = {
  ...{ name: 'minutely', cron: null, timezone: 'UTC', everyMs: 60_000, path: '/tick', body: 'go' },
  ...{ overlap: 'skip', catchUp: 1, timeoutMs: 1_000 },
};
const startMs = Date.parse('2026-06-01T00:00:00Z');

onEachDatabase('schedules', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs = startMs;
  let schedules: Schedules;
  let calls: CallDeliveries;
  const now = () => nowMs;

  beforeEach(async () => {
    nowMs = startMs;
    store = await dialect.temporary();
    schedules = new Schedules({ db: store.db, now, newId: randomUUID });
    calls = new CallDeliveries({ db: store.db, now, random: () => 0 });
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: 'h', name: 'otter', owner_id: 'ada', next_number: 1, created_ms: 0 })
      .execute();
  });
  afterEach(() => store.close());

  const deploy = (...all: readonly Partial<ScheduleSettings>[]) =>
    store.db.transaction().execute((trx) =>
      replaceSchedules(
        trx,
        'h',
        all.map((one) => ({ ...every, ...one })),
        nowMs,
      ),
    );
  const take = () => calls.take({ takenId: randomUUID(), running: new Map(), places: placesFor(100) });
  const runs = async (name = 'minutely') => (await schedules.show('h', name)).runs;
  const end = (call: TakenCall) => calls.done(call, { invocation: 'inv', answer: null });
  const tickOf = (call: TakenCall) => call.request.env.SCHEDULE_TIME;

  it('a tick is fired when it is due, and its call has what the function is told', async () => {
    await deploy({});
    expect(await schedules.fire()).toBe(startMs + 60_000);
    expect(await take()).toEqual([]);
    nowMs += 60_000;
    expect(await schedules.fire()).toBe(startMs + 120_000);
    const [call] = await take();
    expect(call).toMatchObject({
      handler: 'otter',
      schedule: 'minutely',
      attempt: 1,
      request: {
        method: 'POST',
        path: '/tick',
        timeoutMs: 1_000,
        env: { TRISIEL_TRIGGER: 'schedule', SCHEDULE_NAME: 'minutely', SCHEDULE_TIME: '2026-06-01T00:01:00.000Z' },
      },
    });
    expect(Buffer.from(call!.body).toString()).toBe('go');
    await end(call!);
    expect(await runs()).toEqual([
      {
        ...{ tickMs: startMs + 60_000, state: 'done', startedMs: nowMs, endedMs: nowMs, attempts: 1 },
        ...{ reason: null, invocation: 'inv' },
      },
    ]);
  });

  it('those of a preview have names and ticks of their own, call the preview, and go with it alone', async () => {
    const ofPreview = (...all: readonly ScheduleSettings[]) =>
      store.db.transaction().execute((trx) => replaceSchedules(trx, 'h', all, nowMs, 'dev'));
    await deploy({});
    await ofPreview(every);
    expect((await schedules.list('h')).map(({ name }) => name)).toEqual(['dev/minutely', 'minutely']);
    nowMs += 60_000;
    await schedules.fire();
    const taken = [...(await take())].sort((a, b) => (a.schedule! < b.schedule! ? -1 : 1));
    expect(taken).toMatchObject([
      { schedule: 'dev/minutely', request: { label: 'dev--', env: { SCHEDULE_NAME: 'minutely' } } },
      { schedule: 'minutely', request: { label: null } },
    ]);
    for (const call of taken) await end(call);
    nowMs += 60_000;
    await schedules.fire();
    await deploy({ body: 'changed' });
    expect((await schedules.show('h', 'dev/minutely')).body).toBe('go');
    await ofPreview();
    expect((await schedules.list('h')).map(({ name }) => name)).toEqual(['minutely']);
    // The run of the preview that had not begun is gone, that of the handler waits.
    const waiting = await store.db.selectFrom('calls').select('schedule').where('state', '=', 'ready').execute();
    expect(waiting).toEqual([{ schedule: 'minutely' }]);
  });

  it('many controls fire a tick once, and one of them makes the call', async () => {
    await deploy({}, { name: 'other' });
    nowMs += 60_000;
    const others: Schedules[] = [];
    const takers = [calls];
    for (let i = 0; i < 3; i += 1) {
      const db = await store.open();
      others.push(new Schedules({ db, now, newId: randomUUID }));
      takers.push(new CallDeliveries({ db, now, random: () => 0 }));
    }
    await Promise.all([schedules, ...others].map((one) => one.fire()));
    expect(await runs()).toHaveLength(1);
    const taken = await Promise.all(
      takers.map((one) => one.take({ takenId: randomUUID(), running: new Map(), places: placesFor(10) })),
    );
    expect(
      taken
        .flat()
        .map(({ schedule }) => schedule)
        .sort(),
    ).toEqual(['minutely', 'other']);
  });

  it('the store refuses a second call for one tick, whatever the schedule says', async () => {
    await deploy({});
    nowMs += 60_000;
    await schedules.fire();
    await store.db.updateTable('schedules').set({ next_ms: nowMs, last_ms: null }).execute();
    await schedules.fire();
    expect(await runs()).toHaveLength(1);
  });

  describe('while a run has not ended', () => {
    it('skip lets the tick pass and says so', async () => {
      await deploy({});
      nowMs += 60_000;
      await schedules.fire();
      const [first] = await take();
      nowMs += 60_000;
      await calls.extend([first!.takenId]);
      await schedules.fire();
      expect(await runs()).toMatchObject([
        { state: 'skipped', reason: 'the run before has not ended' },
        { state: 'inflight' },
      ]);
      await end(first!);
      nowMs += 60_000;
      await schedules.fire();
      expect(await take()).toHaveLength(1);
    });

    it('allow runs both, up to a limit', async () => {
      await deploy({ overlap: 'allow' });
      for (let i = 0; i <= scheduleLimits.runsMost; i += 1) {
        nowMs += 60_000;
        await schedules.fire();
      }
      expect(await take()).toHaveLength(scheduleLimits.runsMost);
      expect((await runs())[0]).toMatchObject({ state: 'skipped' });
    });
  });

  describe('ticks that were missed', () => {
    it.each([
      [0, []],
      [1, ['2026-06-01T09:59:00.000Z']],
      [3, ['2026-06-01T09:57:00.000Z', '2026-06-01T09:58:00.000Z', '2026-06-01T09:59:00.000Z']],
    ])('with catch-up = %i the newest of them are run, one after the other', async (catchUp, expected) => {
      await deploy({ catchUp });
      nowMs = Date.parse('2026-06-01T09:59:30Z');
      expect(await schedules.fire()).toBe(Date.parse('2026-06-01T10:00:00Z'));
      const made: (string | undefined)[] = [];
      for (let taken = await take(); taken.length > 0; taken = await take()) {
        expect(taken).toHaveLength(1);
        made.push(tickOf(taken[0]!));
        await end(taken[0]!);
      }
      expect(made).toEqual(expected);
      if (catchUp === 0)
        expect(await runs()).toMatchObject([{ state: 'skipped', reason: expect.stringContaining('missed') }]);
    });
  });

  describe('a clock that jumps', () => {
    it('forward counts as time that was missed', async () => {
      await deploy({});
      nowMs += 366 * 24 * 60 * 60_000 + 30_000;
      await schedules.fire();
      expect(await take()).toHaveLength(1);
      expect(await runs()).toHaveLength(1);
    });

    it('back a little fires nothing twice, and goes on when the time has come again', async () => {
      await deploy({});
      nowMs += 60_000;
      await schedules.fire();
      await end((await take())[0]!);
      nowMs -= 30 * 60_000;
      expect(await schedules.fire()).toBe(startMs + 120_000);
      expect(await take()).toEqual([]);
      nowMs = startMs + 120_000;
      await schedules.fire();
      expect(await take()).toHaveLength(1);
    });

    it('back by far lets the schedule go on from the new time', async () => {
      nowMs = startMs + 365 * 24 * 60 * 60_000;
      await deploy({ cron: '* * * * *', everyMs: null });
      nowMs += 60_000;
      await schedules.fire();
      nowMs = startMs;
      expect(await schedules.fire()).toBe(startMs + 60_000);
    });
  });

  it('a call whose control ended is made again, and has failed in the end', async () => {
    await deploy({});
    nowMs += 60_000;
    await schedules.fire();
    for (let attempt = 1; attempt <= callLimits.interrupted; attempt += 1) {
      expect(await take()).toMatchObject([{ attempt }]);
      nowMs += deliveryLimits.visibleMs;
    }
    expect(await take()).toEqual([]);
    expect((await runs()).find(({ state }) => state === 'failed')).toMatchObject({
      reason: expect.stringContaining('ended'),
    });
  });

  it('a run that fails is not tried again; one that could not begin is', async () => {
    await deploy({});
    nowMs += 60_000;
    await schedules.fire();
    const [first] = await take();
    await calls.refused(first!, 'overloaded: full', 1_000);
    expect(await take()).toEqual([]);
    nowMs += 1_000;
    const [again] = await take();
    expect(again).toMatchObject({ attempt: 1 });
    await calls.failed(again!, { reason: 'trapped: boom', invocation: 'i', answer: null, isInterrupted: false });
    expect(await runs()).toMatchObject([{ state: 'failed', reason: 'trapped: boom', invocation: 'i' }]);
  });

  it('paused schedules rest, through pushes too; what was due meanwhile is not run', async () => {
    await deploy({});
    await schedules.pause('h', 'minutely', true);
    await deploy({ body: 'other' });
    nowMs += 600_000;
    expect(await schedules.fire()).toBeNull();
    expect(await schedules.show('h', 'minutely')).toMatchObject({ isPaused: true, nextMs: [], runs: [] });
    await schedules.pause('h', 'minutely', false);
    expect(await schedules.fire()).toBe(nowMs + 60_000);
    expect(await runs()).toEqual([]);
    await expect(schedules.pause('h', 'nothing', true)).rejects.toMatchObject({ code: 'not_found' });
    await expect(schedules.pause('another', 'minutely', true)).rejects.toMatchObject({ code: 'not_found' });
    await expect(schedules.runNow('another', 'minutely')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('run now runs a paused one too, and no more than may wait', async () => {
    await deploy({});
    await schedules.pause('h', 'minutely', true);
    for (let i = 0; i < scheduleLimits.runsMost; i += 1) await schedules.runNow('h', 'minutely');
    await expect(schedules.runNow('h', 'minutely')).rejects.toMatchObject({ code: 'conflict' });
    // They follow each other.
    expect(await take()).toMatchObject([{ schedule: 'minutely' }]);
    expect(await take()).toEqual([]);
  });

  it('a push that leaves the times alone keeps the next tick; a schedule that is gone runs no more', async () => {
    await deploy({});
    nowMs += 30_000;
    await deploy({ body: 'other' });
    expect(await schedules.fire()).toBe(startMs + 60_000);
    await deploy({ everyMs: 120_000 });
    expect(await schedules.fire()).toBe(nowMs + 120_000);
    await schedules.runNow('h', 'minutely');
    await deploy();
    expect(await schedules.fire()).toBeNull();
    expect(await take()).toEqual([]);
  });

  it('those of a suspended user and of a deleted handler rest', async () => {
    await deploy({});
    await schedules.runNow('h', 'minutely');
    nowMs += 60_000;
    await store.db.updateTable('users').set({ suspended_ms: 1 }).execute();
    expect(await schedules.fire()).toBeNull();
    expect(await take()).toEqual([]);
    await store.db.updateTable('users').set({ suspended_ms: null }).execute();
    await store.db.updateTable('handlers').set({ deleted_ms: 1 }).execute();
    expect(await schedules.fire()).toBeNull();
    expect(await take()).toEqual([]);
  });

  it('of the runs that have ended the newest are kept', async () => {
    await deploy({ catchUp: 100 }, { name: 'quiet' });
    nowMs += 61.5 * 60_000;
    await schedules.fire();
    await store.db
      .updateTable('calls')
      .set({ state: 'done', ended_ms: nowMs })
      .where('schedule', '=', 'minutely')
      .execute();
    await store.db.updateTable('calls').set({ state: 'done', ended_ms: 5 }).where('schedule', '=', 'quiet').execute();
    await calls.prune();
    const rows = await store.db.selectFrom('calls').select('schedule').execute();
    expect(rows.filter(({ schedule }) => schedule === 'minutely')).toHaveLength(callLimits.keptRuns);
    expect(rows.filter(({ schedule }) => schedule === 'quiet')).toHaveLength(1);
  });
});

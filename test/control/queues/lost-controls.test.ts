/** What another control had taken when it ended without a word is taken over within seconds, and not before. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CallDeliveries } from '../../../src/control/calls/call-deliveries.ts';
import { CallStore } from '../../../src/control/calls/call-store.ts';
import { HeldLease } from '../../../src/control/db/held-lease.ts';
import { SqlLeases } from '../../../src/control/db/leases.ts';
import { Deliveries, deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { controlLease, LostControls, lostControlLimits } from '../../../src/control/queues/lost-controls.ts';
import { newTakenId } from '../../../src/control/queues/taker.ts';
import type { Lease } from '../../../src/protocol/ports.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { placesFor } from '../../support/places.ts';
import { type TestQueues, testQueues } from '../../support/queues.ts';

onEachDatabase('a control that ended', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;
  let queueId: string;
  let deliveries: Deliveries;
  let calls: CallDeliveries;
  let leases: SqlLeases;
  let lost: LostControls;
  let found: string[];
  /** The wall clock stands still: nothing here follows from it. */
  const nowMs = 1_000_000;
  let elapsedMs = 0;

  beforeEach(async () => {
    elapsedMs = 0;
    found = [];
    store = await dialect.temporary();
    const db = await store.open();
    own = testQueues(store.db, () => nowMs);
    deliveries = new Deliveries({ db: store.db, now: () => nowMs, random: () => 0 });
    calls = new CallDeliveries({ db: store.db, now: () => nowMs, random: () => 0 });
    let renewals = 0;
    // Each renewal has a time of its own, as on a clock that goes.
    leases = new SqlLeases({
      db: store.db,
      now: () => {
        renewals += 1;
        return nowMs + renewals;
      },
    });
    lost = new LostControls({
      db,
      controlId: 'own',
      elapsedMs: () => elapsedMs,
      giveUp: [deliveries, calls].map((one) => (trx, controlId) => one.giveUp(trx, controlId)),
      onLost: (controlId, givenUp) => found.push(`${controlId} ${givenUp}`),
      report: (_, error) => {
        throw error;
      },
    });
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: 'h', name: 'h', owner_id: 'ada', next_number: 1, created_ms: 0 })
      .execute();
    await own.publish('ada', 'q', 'm');
    queueId = (await own.queues.find('ada', 'q')).id;
    const request = { method: 'PUT', path: '/', label: null, authority: null, env: {}, timeoutMs: 5, fields: [] };
    const accepted = { id: 'c', handlerId: 'h', attemptsMax: 1, body: Buffer.from('body'), request };
    await new CallStore({ db: store.db, now: () => nowMs }).accept(accepted);
  });
  afterEach(() => store.close());

  const leaseOf = async (controlId: string) =>
    (await leases.take({ name: `${controlLease}${controlId}`, holder: controlId, ttlMs: 15_000 }))!;
  /** Takes what waits, a message and a call, and returns the attempts that they are at. */
  const takeAll = async (controlId: string): Promise<readonly number[]> => {
    const takenId = newTakenId({ controlId, bootId: 'boot' });
    const limits = { limit: 9, inFlightMax: 9, maxAttempts: 9 };
    const { messages } = await deliveries.take({ queueId, takenId, handlerId: 'h', ...limits });
    const made = await calls.take({ takenId, running: new Map(), places: placesFor(9) });
    return [...messages, ...made].map(({ attempt }) => attempt);
  };
  /** Looks once a second for a while, after `each`. */
  const watch = async (ms: number, each: () => Promise<unknown> = async () => {}): Promise<void> => {
    for (let at = 0; at < ms; at += lostControlLimits.lookMs) {
      await each();
      elapsedMs += lostControlLimits.lookMs;
      await lost.look();
    }
  };

  it('is told by its lease: what it had comes again within seconds, once', async () => {
    await leaseOf('other');
    expect(await takeAll('other')).toEqual([1, 1]);
    await watch(lostControlLimits.lostMs);
    expect(await takeAll('own')).toEqual([]);
    await watch(lostControlLimits.lookMs);
    expect(found).toEqual(['other 2']);
    expect(await takeAll('own')).toEqual([2, 2]);
    await watch(10 * lostControlLimits.lostMs);
    expect(found).toEqual(['other 2']);
    expect(lostControlLimits.lostMs + 2 * lostControlLimits.lookMs).toBeLessThan(deliveryLimits.visibleMs / 3);
  });

  it('is not one that renews its lease, however long its function takes', async () => {
    const lease = await leaseOf('other');
    expect(await takeAll('other')).toEqual([1, 1]);
    await watch(20 * lostControlLimits.lostMs, () => leases.renew(lease, 15_000));
    expect([found, await takeAll('own')]).toEqual([[], []]);
  });

  it('is never the one that looks', async () => {
    await leaseOf('own');
    await takeAll('own');
    await watch(3 * lostControlLimits.lostMs);
    expect(found).toEqual([]);
  });

  it('is not found by a look that comes late: what delayed it may have delayed the renewals', async () => {
    await leaseOf('other');
    await takeAll('other');
    await watch(lostControlLimits.lookMs);
    for (let at = 0; at < 5; at += 1) {
      elapsedMs += lostControlLimits.lostMs;
      await lost.look();
    }
    expect(found).toEqual([]);
    await watch(lostControlLimits.lostMs);
    expect(found).toEqual(['other 2']);
  });

  it('keeps what it takes after it has started again', async () => {
    const first = await leaseOf('other');
    await takeAll('other');
    await watch(lostControlLimits.lostMs);
    // Starts between two looks: its new lease has another epoch.
    const again: Lease = await leaseOf('other');
    expect(again.epoch).toBe(first.epoch + 1);
    await watch(lostControlLimits.lostMs);
    expect(found).toEqual([]);
    await watch(lostControlLimits.lookMs);
    expect(found).toEqual(['other 2']);
  });

  it('renews its lease one renewal at a time, and ends it when it stops in order', async () => {
    const held = (await HeldLease.take({
      ...{ leases, name: `${controlLease}other`, holder: 'other', renewMs: 1 },
      ...{ onLost: () => {}, onError: () => {} },
    }))!;
    const state = () => store.db.selectFrom('leases').select(['epoch', 'expires_ms']).executeTakeFirstOrThrow();
    const before = await state();
    await expect.poll(async () => (await state()).expires_ms).not.toBe(before.expires_ms);
    await held.close();
    expect(Number((await state()).expires_ms)).toBe(0);
  });
});

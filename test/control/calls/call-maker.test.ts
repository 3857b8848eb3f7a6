import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { CallDeliveries } from '../../../src/control/calls/call-deliveries.ts';
import { CallMaker, presentAddress } from '../../../src/control/calls/call-maker.ts';
import { CallStore } from '../../../src/control/calls/call-store.ts';
import { replaceSchedules, Schedules } from '../../../src/control/calls/schedules.ts';
import { deliveryLimits } from '../../../src/control/queues/deliveries.ts';
import { FunctionCaller } from '../../../src/control/queues/function-caller.ts';
import { onEachDatabase } from '../../support/database.ts';

afterEach(() => void vi.useRealTimers());

onEachDatabase('a call', (dialect) => {
  it('is kept for its function however long that takes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const store = await dialect.temporary();
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: 'h', name: 'otter', owner_id: 'ada', next_number: 1, created_ms: 0 })
      .execute();
    const held: (() => void)[] = [];
    const server = createServer((_, response) => held.push(() => response.end())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const at = { db: store.db, now: Date.now, newId: randomUUID, random: () => 0 };
    const reported: unknown[] = [];
    const maker = new CallMaker({
      calls: new CallDeliveries(at),
      schedules: new Schedules(at),
      caller: new FunctionCaller({ target: () => ({ host: '127.0.0.1', port, key: 'k' }), domain: 'localhost' }),
      taker: { controlId: 'control', bootId: 'boot' },
      now: Date.now,
      onStored: () => {},
      report: (_, error) => reported.push(error),
    });
    const row = () => store.db.selectFrom('calls').select(['due_ms', 'state', 'attempts']).executeTakeFirstOrThrow();
    try {
      const request = {
        method: 'GET',
        path: '/',
        label: 'otter',
        authority: null,
        fields: [],
        env: {},
        timeoutMs: 60_000,
      };
      await new CallStore(at).accept({
        id: randomUUID(),
        handlerId: 'h',
        attemptsMax: 1,
        body: Buffer.alloc(0),
        request,
      });
      maker.start();
      await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 60_000 });
      const beginMs = Date.now();
      await store.db
        .updateTable('calls')
        .set({ due_ms: beginMs + deliveryLimits.visibleMs - 1 })
        .execute();
      vi.advanceTimersByTime(deliveryLimits.visibleMs / 3);
      const isExtended = async () =>
        expect(Number((await row()).due_ms)).toBeGreaterThanOrEqual(beginMs + deliveryLimits.visibleMs);
      await vi.waitFor(isExtended, { timeout: 60_000 });
      held[0]!();
      const isDone = async () => expect(await row()).toMatchObject({ state: 'done', attempts: 1 });
      await vi.waitFor(isDone, { timeout: 60_000 });
      expect(reported).toEqual([]);
    } finally {
      for (const go of held) go();
      await maker.close(1_000);
      server.closeAllConnections();
      server.close();
      await store.close();
    }
  });

  it('of a schedule leaves a run without its answer', async () => {
    const store = await dialect.temporary();
    await store.db.insertInto('users').values({ id: 'ada', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({ id: 'h', name: 'otter', owner_id: 'ada', next_number: 1, created_ms: 0 })
      .execute();
    const server = createServer((_, response) => response.end('not kept')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A server on a port has an AddressInfo.
    const { port } = server.address() as AddressInfo;
    const at = { db: store.db, now: Date.now, newId: randomUUID, random: () => 0 };
    const schedules = new Schedules(at);
    const stored: number[] = [];
    const maker = new CallMaker({
      calls: new CallDeliveries(at),
      schedules,
      caller: new FunctionCaller({ target: () => ({ host: '127.0.0.1', port, key: 'k' }), domain: 'localhost' }),
      taker: { controlId: 'control', bootId: 'boot' },
      now: Date.now,
      onStored: (_, bytes) => stored.push(bytes),
      report: () => {},
    });
    try {
      const often = { name: 'often', cron: null, timezone: 'UTC', everyMs: 3_600_000, path: '/tick', body: '' };
      const settings = { ...often, overlap: 'skip', catchUp: 0, timeoutMs: 60_000 } as const;
      await store.db.transaction().execute((trx) => replaceSchedules(trx, 'h', [settings], Date.now()));
      await schedules.runNow('h', 'often');
      maker.start();
      const row = () => store.db.selectFrom('calls').select(['state', 'answer', 'status']).executeTakeFirstOrThrow();
      await vi.waitFor(async () => expect((await row()).state).toBe('done'), { timeout: 120_000 });
      expect(await row()).toEqual({ state: 'done', answer: null, status: null });
      expect(stored).toEqual([]);
    } finally {
      await maker.close(1_000);
      server.closeAllConnections();
      server.close();
      await store.close();
    }
  });
});

it('a stored call is made under the present name of its handler, by host name or by path as it was asked for', () => {
  const stored = (label: string | null, path: string, authority: string | null) => ({ label, path, authority });
  const kept = stored('dev--otter', '/a', 'dev--otter.localhost:3003');
  expect(presentAddress(kept, 'otter')).toEqual(kept);
  expect(presentAddress(kept, 'heron')).toEqual(stored('dev--heron', '/a', 'dev--heron.localhost:3003'));
  expect(presentAddress(stored('otter', '/a?b', 'Otter.LOCALHOST'), 'heron')).toEqual(
    stored('heron', '/a?b', 'heron.LOCALHOST'),
  );
  expect(presentAddress(stored('otter', '/otter/a?b', 'localhost:3003'), 'heron')).toEqual(
    stored('heron', '/heron/a?b', 'localhost:3003'),
  );
  expect(presentAddress(stored('otter', '/otter/a', null), 'heron')).toEqual(stored('heron', '/heron/a', null));
  expect(presentAddress(stored('dev--', '/tick', null), 'heron')).toEqual(stored('dev--heron', '/tick', null));
  expect(presentAddress(stored(null, '/', null), 'heron')).toEqual(stored('heron', '/', null));
});

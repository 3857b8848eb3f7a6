/** The choice of calls among very many that wait: fair, and without reading them all. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CallDeliveries } from '../../../src/control/calls/call-deliveries.ts';
import { chooseCalls, firstCallsQuery, waitingHandlers } from '../../../src/control/calls/waiting-calls.ts';
import { callLimits } from '../../../src/protocol/limits.ts';
import { FairPlaces } from '../../../src/waiting/fair-places.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { placesFor } from '../../support/places.ts';
import { analyze, expectFewRows } from '../../support/query-plans.ts';

const handlers = 100;
const callsEach = 1_000;
const nowMs = 1_000_000;

onEachDatabase('100,000 waiting calls', (dialect) => {
  let store: TemporaryDatabase;

  /** Makes a database in which as many handlers have callsEach calls each; the handler that comes last is bob's. */
  async function filled(count: number): Promise<TemporaryDatabase> {
    const made = await dialect.temporary();
    const { db } = made;
    for (const id of ['ada', 'bob'])
      await db.insertInto('users').values({ id, name: id, password_hash: '', created_ms: 0 }).execute();
    await sql`insert into handlers (id, name, owner_id, next_number, created_ms)
      with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${sql.lit(count)})
      select 'h' || i, 'n' || i, case when i = ${sql.lit(count - 1)} then 'bob' else 'ada' end, 1, 0 from n`.execute(
      db,
    );
    // In parts, each well within the time of a statement.
    for (let from = 0; from < callsEach; from += 100)
      await sql`insert into calls
          (id, handler_id, state, due_ms, attempts, attempts_max, is_serial, request, body, created_ms)
        with recursive n(i) as (select ${sql.lit(from)} union all select i + 1 from n where i + 1 < ${sql.lit(from + 100)})
        select handlers.id || '-' || i, handlers.id, 'ready', i, 0, 1, 0, '{}', ${Buffer.from('body')}, i
        from handlers cross join n`.execute(db);
    await analyze(db, 'calls', 'handlers', 'users');
    return made;
  }

  // Filled once: no test changes what waits in it.
  beforeAll(async () => {
    store = await filled(handlers);
  });
  afterAll(() => store.close());

  const choose = (places = new FairPlaces(128), running = new Map<string, number>()) =>
    chooseCalls(store.db.reader, { nowMs, running, places });
  const of = (calls: Awaited<ReturnType<typeof choose>>, owner: string) =>
    calls.filter(({ ownerId }) => ownerId === owner);

  it('are chosen in turns of owners and of their handlers, each handler from its oldest call on', async () => {
    const places = new FairPlaces(128);
    const chosen = await choose(places);
    expect(of(chosen, 'bob')).toHaveLength(callLimits.concurrency);
    expect(of(chosen, 'ada').length).toBeGreaterThan(50);
    expect([places.heldBy('ada'), places.heldBy('bob')]).toEqual([of(chosen, 'ada').length, callLimits.concurrency]);
    // Of ada's 99 handlers as many as there are places have one call each.
    expect(new Set(of(chosen, 'ada').map(({ handlerId }) => handlerId)).size).toBe(of(chosen, 'ada').length);
    expect(of(chosen, 'ada').every(({ id, handlerId }) => id === `${handlerId}-0`)).toBe(true);
    expect(of(chosen, 'bob').map(({ id }) => id)).toEqual(
      Array.from({ length: callLimits.concurrency }, (_, i) => `h${handlers - 1}-${i}`),
    );
  });

  it('of handlers with calls in progress come after those of others, and none beyond what is allowed', async () => {
    const running = new Map(Array.from({ length: 98 }, (_, i) => [`h${i}`, i === 0 ? callLimits.concurrency : 1]));
    const [first, ...others] = await choose(new FairPlaces(8), running);
    expect([first, ...others].filter((call) => call?.ownerId === 'ada')[0]?.handlerId).toBe('h98');
    expect(await chooseCalls(store.db.reader, { nowMs, running, places: placesFor(10_000) })).not.toContainEqual(
      expect.objectContaining({ handlerId: 'h0' }),
    );
  });

  it('are chosen without reading most of them', async () => {
    const { reader } = store.db;
    const found = await waitingHandlers(reader, nowMs).execute();
    expect(found).toHaveLength(handlers);
    const few = {
      table: 'calls',
      most: 5 * handlers,
      indexes: ['calls_waiting', 'calls_handler', 'users', 'handlers'],
    };
    await expectFewRows(dialect, reader, waitingHandlers(reader, nowMs), few);
    const asked = found.map(({ id, name, ownerId, dueMs }) => ({ id, name, ownerId, dueMs: Number(dueMs) }));
    await expectFewRows(dialect, reader, firstCallsQuery(reader, asked, { nowMs, most: () => 5 }), few);
  });

  it('behind runs of a schedule that may not overlap are found, and the runs follow each other', async () => {
    const own = await filled(1);
    await own.db
      .updateTable('calls')
      .set({ schedule: 's', is_serial: 1 })
      .where('handler_id', '=', 'h0')
      .where('due_ms', '<', 500)
      .execute();
    const deliveries = new CallDeliveries({ db: own.db, now: () => nowMs, random: () => 0 });
    const take = (running: number) =>
      deliveries.take({ takenId: 't', running: new Map([['h0', running]]), places: placesFor(100) });
    const [serial, ...none] = await take(0);
    expect([serial?.id, none]).toEqual(['h0-0', []]);
    // The second run waits for the first one, which the requests behind do not.
    expect((await take(1)).map(({ id }) => id).sort()).toEqual(
      Array.from({ length: callLimits.concurrency - 1 }, (_, i) => `h0-${500 + i}`),
    );
    await deliveries.done(serial!, { invocation: null, answer: null });
    expect((await take(callLimits.concurrency - 1)).map(({ id }) => id)).toEqual(['h0-1']);
    await own.close();
  });
});

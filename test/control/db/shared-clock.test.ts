/** The clock of a control: of its machine on SQLite, of the database where other controls share it. */
import { afterEach, expect, test, vi } from 'vitest';
import type { Database } from '../../../src/control/db/database.ts';
import { openSharedClock, type SharedClock, sharedClockLimits } from '../../../src/control/db/shared-clock.ts';
import { onPostgres, sqlite, type TemporaryDatabase } from '../../support/database.ts';

const minutesMs = 60_000;
let store: TemporaryDatabase | null = null;
let clock: SharedClock | null = null;
afterEach(async () => {
  vi.useRealTimers();
  await clock?.close();
  await store?.close();
  clock = null;
  store = null;
});

const open = async (
  options: Partial<Parameters<typeof openSharedClock>[0]> & { readonly db: Pick<Database, 'isShared' | 'reader'> },
) => {
  clock = await openSharedClock({
    wallMs: () => Date.now() + 5 * minutesMs,
    elapsedMs: () => performance.now(),
    report: () => {},
    ...options,
  });
  return clock;
};

test('on SQLite it is the clock of the machine', async () => {
  store = await sqlite.temporary();
  const { now } = await open({ db: store.db, wallMs: () => 7 });
  expect(now()).toBe(7);
});

onPostgres('the clock of a database', ({ temporary }) => {
  test("it is the database's, whatever the machine's clock says and where its monotonic one began", async () => {
    store = await temporary();
    for (const begun of [0, 1e9, -5 * minutesMs]) {
      const { now } = await open({ db: store.db, elapsedMs: () => performance.now() + begun });
      const beforeMs = Date.now();
      const ms = now();
      // PostgreSQL runs on this machine.
      expect(Math.abs(ms - beforeMs)).toBeLessThan(minutesMs);
      await clock?.close();
    }
  });
});

/** A database whose answers this test gives. */
function answering(ask: () => Promise<number>): Pick<Database, 'isShared' | 'reader'> {
  const reader = { selectNoFrom: () => ({ executeTakeFirstOrThrow: async () => ({ ms: await ask() }) }) };
  return { isShared: true, reader: reader as unknown as Database['reader'] };
}

test('a slow answer moves it only as far as it proves, and a clock that was put right is followed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  let elapsedMs = 1_000;
  let databaseMs = 500_000;
  let takesMs = 0;
  let asked = 0;
  const passes = (ms: number): void => {
    elapsedMs += ms;
    databaseMs += ms;
  };
  const db = answering(async () => {
    asked += 1;
    passes(takesMs);
    const ms = databaseMs;
    passes(takesMs);
    return ms;
  });
  const { now } = await open({ db, elapsedMs: () => elapsedMs });
  expect(now()).toBe(500_000);
  takesMs = 3_000;
  await vi.advanceTimersByTimeAsync(sharedClockLimits.askMs);
  expect([asked, now()]).toEqual([2, databaseMs]);
  databaseMs += 5 * minutesMs;
  takesMs = 0;
  await vi.advanceTimersByTimeAsync(sharedClockLimits.askMs);
  expect([asked, now()]).toEqual([3, databaseMs]);
});

test('while the database does not answer it goes on, and that is told once', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  let elapsedMs = 0;
  let isThere = true;
  const told: string[] = [];
  const db = answering(() => (isThere ? Promise.resolve(500_000 + elapsedMs) : Promise.reject(new Error('away'))));
  const { now } = await open({ db, elapsedMs: () => elapsedMs, report: (message) => void told.push(message) });
  isThere = false;
  elapsedMs = 60_000;
  for (let n = 0; n < 3; n += 1) await vi.advanceTimersByTimeAsync(sharedClockLimits.askMs);
  expect(now()).toBe(560_000);
  expect(told).toEqual(['the clock of the database could not be read']);
});

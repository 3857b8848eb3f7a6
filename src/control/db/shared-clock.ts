/**
 * The clock by which a control tells due times, reservations and ends of Tokens that other controls read too. On
 * PostgreSQL it follows the database's clock: with their machines' own, a control that is minutes ahead would take what
 * another one has just reserved, and one that is behind would wait for what is due.
 */
import type { Kysely } from 'kysely';
import type { Database } from './database.ts';
import { databaseMs } from './database-clock.ts';
import type { Schema } from './schema.ts';

export const sharedClockLimits = {
  /** Milliseconds between two questions to the database: monotonic clocks differ by less than 1 ms in this time. */
  askMs: 10_000,
} as const;

export interface SharedClock {
  /** Returns the present time in Unix milliseconds. */
  readonly now: () => number;
  close(): Promise<void>;
}

export interface SharedClockOptions {
  readonly db: Pick<Database, 'isShared' | 'reader'>;
  /** Wall clock of this machine, in Unix milliseconds, for a database that has no other controls. */
  readonly wallMs: () => number;
  /** Monotonic clock, in milliseconds. */
  readonly elapsedMs: () => number;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/**
 * Returns the wall clock for a database of one control, and the database's clock for one that controls share. Rejects
 * when the database does not answer. While it does not answer later, the clock goes on by `elapsedMs`.
 */
export async function openSharedClock({ db, wallMs, elapsedMs, report }: SharedClockOptions): Promise<SharedClock> {
  if (!db.isShared) return { now: wallMs, close: async () => {} };
  let aheadMs = nearest(null, await askAhead(db.reader, elapsedMs));
  let hasFailed = false;
  let asking: Promise<void> = Promise.resolve();
  let isAsking = false;
  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    asking = askAhead(db.reader, elapsedMs)
      .then((bounds) => {
        aheadMs = nearest(aheadMs, bounds);
        hasFailed = false;
      })
      .catch((error: unknown) => {
        if (!hasFailed) report('the clock of the database could not be read', error);
        hasFailed = true;
      })
      .finally(() => {
        isAsking = false;
      });
  }, sharedClockLimits.askMs);
  timer.unref();
  return {
    now: () => Math.floor(elapsedMs() + aheadMs),
    async close() {
      clearInterval(timer);
      await asking;
    },
  };
}

/** Milliseconds by which the database's wall clock is ahead of a monotonic one, as far as one answer tells. */
interface Bounds {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** Asks the database for its time: it is of some moment between question and answer. */
async function askAhead(db: Kysely<Schema>, elapsedMs: () => number): Promise<Bounds> {
  const beginMs = elapsedMs();
  const { ms } = await db.selectNoFrom([databaseMs({ isShared: true }).as('ms')]).executeTakeFirstOrThrow();
  return { leastMs: Number(ms) - elapsedMs(), mostMs: Number(ms) - beginMs };
}

/**
 * Returns the value within `bounds` that is nearest to `aheadMs`, so that a slow answer changes nothing; null: their
 * middle.
 */
function nearest(aheadMs: number | null, { leastMs, mostMs }: Bounds): number {
  if (aheadMs === null) return (leastMs + mostMs) / 2;
  return Math.min(mostMs, Math.max(leastMs, aheadMs));
}

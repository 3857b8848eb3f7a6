/**
 * Finds other controls that have ended without a word, and gives up the messages and calls that they had taken. Each
 * control keeps a lease in the table `leases` and renews it every second; one that does not change for `lostMs` has no
 * living holder.
 *
 * Time is measured by this control's own monotonic clock, from one look to the next: clocks of machines may differ or
 * jump. A look that comes late proves nothing, since what delayed it may delay the others too (a database that did not
 * answer, a machine that hung): all times then begin anew.
 */
import type { Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';

export const lostControlLimits = {
  /** Milliseconds between two looks. */
  lookMs: 1_000,
  /** Milliseconds between two looks after which nothing is known about the time between. */
  lateMs: 2_500,
  /** Milliseconds without a renewal after which a control is lost: five of its renewals have not come. */
  lostMs: 5_000,
} as const;

/** Beginning of the names of controls' leases; the id of the control follows. */
export const controlLease = 'control/';

export interface LostControlsOptions {
  readonly db: Database;
  /** Id of this control, which is never lost to itself. */
  readonly controlId: string;
  /** Monotonic clock, in milliseconds. */
  readonly elapsedMs: () => number;
  /** Gives up what a control has taken, within the transaction, and returns the number of messages or calls. */
  readonly giveUp: readonly ((trx: Transaction<Schema>, controlId: string) => Promise<number>)[];
  /** Is called after messages or calls of a lost control have been given up. */
  readonly onLost: (controlId: string, givenUp: number) => void;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

interface LeaseState {
  readonly epoch: number;
  readonly expiresMs: number;
}

interface Seen extends LeaseState {
  /** Monotonic time since which the lease is known to have this state. */
  sinceMs: number;
  /** Whether the control has been given up in this state. */
  isLost: boolean;
}

export class LostControls {
  readonly #options: LostControlsOptions;
  /** State of each lease at the last look, by name. */
  #seen = new Map<string, Seen>();
  #lastLookMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;

  constructor(options: LostControlsOptions) {
    this.#options = options;
  }

  /** Starts looking, once in lostControlLimits.lookMs. */
  start(): void {
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      this.#looking = this.look()
        .catch((error: unknown) => this.#options.report('other controls could not be looked at', error))
        .finally(() => {
          this.#isLooking = false;
        });
    }, lostControlLimits.lookMs);
  }

  /** Ends looking; waits for a look in progress. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
  }

  /** Looks once, and gives up the controls that are lost. */
  async look(): Promise<void> {
    const { db, controlId, elapsedMs } = this.#options;
    // A renewal may come while the query waits: what is seen is as old as its begin and as new as its end.
    const beginMs = elapsedMs();
    const rows = await db.reader
      .selectFrom('leases')
      .select(['name', 'epoch', 'expires_ms'])
      .where('name', 'like', `${controlLease}%`)
      .execute();
    const endMs = elapsedMs();
    const isLate = this.#lastLookMs !== null && endMs - this.#lastLookMs > lostControlLimits.lateMs;
    this.#lastLookMs = beginMs;
    const seen = new Map<string, Seen>();
    for (const row of rows) {
      const state = { epoch: Number(row.epoch), expiresMs: Number(row.expires_ms) };
      const before = this.#seen.get(row.name);
      const isSame = before?.epoch === state.epoch && before.expiresMs === state.expiresMs;
      seen.set(row.name, isSame ? before : { ...state, sinceMs: endMs, isLost: false });
    }
    if (isLate) for (const one of seen.values()) one.sinceMs = endMs;
    this.#seen = seen;
    for (const [name, one] of seen) {
      const isLost = beginMs - one.sinceMs >= lostControlLimits.lostMs;
      if (!isLost || one.isLost || name === `${controlLease}${controlId}`) continue;
      const givenUp = await this.#giveUp(name, one);
      if (givenUp > 0) this.#options.onLost(name.slice(controlLease.length), givenUp);
      one.isLost = true;
    }
  }

  /** Gives a control up unless its lease has changed meanwhile. Returns the number of messages and calls. */
  async #giveUp(name: string, { epoch, expiresMs }: LeaseState): Promise<number> {
    return this.#options.db.transaction().execute(async (trx) => {
      // Locks the lease: a control that starts again takes its lease before it takes messages, so nothing that it takes
      // is given up here.
      const row = await trx
        .selectFrom('leases')
        .select('name')
        .where('name', '=', name)
        .where('epoch', '=', epoch)
        .where('expires_ms', '=', expiresMs)
        .forNoKeyUpdate()
        .executeTakeFirst();
      let givenUp = 0;
      if (row === undefined) return givenUp;
      for (const giveUp of this.#options.giveUp) givenUp += await giveUp(trx, name.slice(controlLease.length));
      return givenUp;
    });
  }
}

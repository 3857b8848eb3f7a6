/**
 * Hands log lines on to receivers outside: each drain reads the stored log from its cursor, sends a batch, and moves
 * the cursor when the receiver has taken it. So a line is sent at least once, whatever ends in between; what waits is
 * the log itself, which retention bounds.
 *
 * Of several controls with one database one does this, which holds the lease `drains`.
 */
import type { Egress } from '../../guest/kernel/net/egress.ts';
import type { Lease, Leases, LogFeed, LogPage } from '../../protocol/ports.ts';
import { FairPlaces } from '../../waiting/fair-places.ts';
import { DrainCounts } from './drain-counts.ts';
import type { Behind, DrainStore, DueDrain } from './drain-store.ts';
import { DrainFailure } from './failure.ts';
import { type Sender, senders } from './senders.ts';

export const drainTimes = {
  /** Milliseconds between two looks for lines to hand on. */
  lookMs: 1_000,
  /** Milliseconds that the lease lasts. It is renewed when half is over, so that a batch always ends within it. */
  leaseMs: 60_000,
  /** Milliseconds after which a drain's turn ends, so that a slow receiver does not keep its place. */
  turnMs: 10_000,
  /** Milliseconds before the second attempt; doubles with each failure, up to the most. */
  firstRetryMs: 1_000,
  mostRetryMs: 5 * 60_000,
  /** Longest wait, in milliseconds, that a receiver may ask for. */
  mostAskedMs: 60 * 60_000,
} as const;

export const drainBatch = {
  /** Lines of one request. */
  lines: 1_000,
  /**
   * Drains that send at the same time: receivers that hang take as many places, each for one exchange. Those of one
   * user take half at most.
   */
  running: 16,
  /** Batches of one drain before the others have their turn. */
  perTurn: 20,
} as const;

export interface DrainsOptions {
  readonly store: DrainStore;
  readonly logs: Pick<LogFeed, 'query'>;
  readonly egress: Egress;
  readonly leases: Leases;
  /** Id of this control's life, for the lease. */
  readonly holder: string;
  /** Name of the machine in syslog messages. */
  readonly hostName: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Number in [0, 1). */
  readonly random: () => number;
  readonly report: (message: string, error: unknown) => void;
  /** Milliseconds between two looks; absent: drainTimes.lookMs. */
  readonly lookMs?: number;
}

export class Drains {
  /** What this control has handed on, and not. */
  readonly counts: DrainCounts;
  readonly #options: DrainsOptions;
  #timer: NodeJS.Timeout | null = null;
  /** Owners of the drains that wait for their turn, by drain: the first one whose owner has room is served. */
  readonly #waiting = new Map<string, string>();
  /** Turns that run, by drain. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #places = new FairPlaces(drainBatch.running);
  #asking: Promise<void> | null = null;
  /** Lease of this control with the time of the last renewal by this control's clock; null: another control has it. */
  #lease: Promise<{ readonly lease: Lease; readonly sinceMs: number } | null> = Promise.resolve(null);
  /** Lines of one request for drains whose receivers take fewer than drainBatch.lines. */
  readonly #smaller = new Map<string, number>();
  #isClosed = false;
  /** Whether the last look failed, so that an outage is reported once. */
  #hasFailed = false;

  constructor(options: DrainsOptions) {
    this.#options = options;
    this.counts = new DrainCounts(options.store);
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.lookMs ?? drainTimes.lookMs);
  }

  /**
   * Gives each drain with waiting lines a turn. Resolves when all turns have ended, also those of earlier looks; a look
   * may begin before the last one has ended. Never rejects.
   */
  async look(): Promise<void> {
    if (this.#isClosed) return;
    this.#asking ??= this.#guarded(() => this.#ask()).finally(() => {
      this.#asking = null;
    });
    await this.#asking;
    await this.#turnsOver();
  }

  /** Ends after the batches that are being sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#asking;
    await this.#turnsOver();
    await this.#guarded(async () => {
      const held = await this.#lease;
      if (held !== null) await this.#options.leases.release(held.lease);
    });
  }

  async #guarded(run: () => Promise<void>): Promise<void> {
    try {
      await run();
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#options.report('log lines could not be handed on', error);
      this.#hasFailed = true;
    }
  }

  /** Queues drains with waiting lines, and gives turns. */
  async #ask(): Promise<void> {
    for (const { id, ownerId } of await this.#options.store.due())
      if (!this.#running.has(id)) this.#waiting.set(id, ownerId);
    if (this.#waiting.size === 0 || !(await this.#holdsLease())) return;
    this.#giveTurns();
  }

  /** Gives turns to queued drains while their owners have room. The end of each turn makes room. */
  #giveTurns(): void {
    if (this.#isClosed) return;
    for (const [id, ownerId] of this.#waiting) {
      if (this.#places.room(ownerId) === 0) continue;
      this.#waiting.delete(id);
      this.#places.take(ownerId, 1);
      const turn = this.#guarded(() => this.#turn(id)).finally(() => {
        this.#running.delete(id);
        this.#places.give(ownerId, 1);
        this.#giveTurns();
      });
      this.#running.set(id, turn);
    }
  }

  /** Resolves when no turn runs. */
  async #turnsOver(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Returns whether this control does the work, at least until half of the lease's time has passed. */
  async #holdsLease(): Promise<boolean> {
    const { leases, holder, now } = this.#options;
    const ttlMs = drainTimes.leaseMs;
    this.#lease = this.#lease
      .catch(() => null)
      .then(async (held) => {
        const nowMs = now();
        if (held !== null && nowMs >= held.sinceMs && nowMs < held.sinceMs + ttlMs / 2) return held;
        const renewed = held === null ? null : await leases.renew(held.lease, ttlMs);
        const lease = renewed ?? (await leases.take({ name: 'drains', holder, ttlMs }));
        return lease === null ? null : { lease, sinceMs: nowMs };
      });
    return (await this.#lease) !== null;
  }

  /** Hands on lines of one drain, until none waits, it fails, or its turn is over. */
  async #turn(id: string): Promise<void> {
    const { store, now } = this.#options;
    const drain = await store.open(id);
    if (drain === null) return void this.#smaller.delete(id);
    const endMs = now() + drainTimes.turnMs;
    let batches = 0;
    let { failures } = drain;
    try {
      for (const behind of await store.behind(drain)) {
        let { cursor } = behind;
        for (;;) {
          if (this.#isClosed || batches >= drainBatch.perTurn || now() >= endMs) return;
          if (!(await this.#holdsLease())) return;
          batches += 1;
          const page = await this.#handPage(drain, behind, cursor);
          if (page === null) return;
          // `advance` has set the row's number to 0 too.
          if (page.cursor > cursor) failures = 0;
          cursor = page.cursor;
          if (!page.more) break;
        }
      }
    } catch (error) {
      if (!(error instanceof DrainFailure)) throw error;
      this.counts.add(drain.settings.kind, { failures: 1 });
      await store.failed(id, { error: error.message, afterMs: this.#waitMs(failures, error) });
    }
  }

  /**
   * Hands on the lines that follow the cursor `after` in the log of one handler, and stores how far the drain has come.
   * Returns null if the drain was removed meanwhile. A batch that is too large for the receiver is tried again with
   * half of its lines; a single line is lost then. Throws DrainFailure for everything else that the sender throws: an
   * error that passed would end the turn without a back-off, and its owner would see none.
   */
  async #handPage(drain: DueDrain, behind: Behind, after: number): Promise<LogPage | null> {
    const { store, logs, egress, hostName, now } = this.#options;
    const { id, settings } = drain;
    const { handler } = behind;
    const { requests } = settings;
    const limit = this.#smaller.get(id) ?? drainBatch.lines;
    const page = await logs.query(handler, { after, limit, requests });
    const sender: Sender = senders[settings.kind];
    let refused = 0;
    try {
      if (page.lines.length > 0) refused = await sender(page.lines, { egress, settings, hostName, nowMs: now() });
    } catch (error) {
      const failure = DrainFailure.of(error);
      if (!failure.isTooLarge) throw failure;
      if (page.lines.length > 1) {
        this.#smaller.set(id, Math.floor(page.lines.length / 2));
        return this.#handPage(drain, behind, after);
      }
      refused = 1;
    }
    const lost = page.expired + refused;
    if (page.cursor === after) return page;
    const sent = page.lines.length - refused;
    const isThere = await store.advance(id, handler.id, { cursor: page.cursor, sent, lost });
    if (isThere) this.counts.add(settings.kind, { sent, lost });
    return isThere ? page : null;
  }

  /**
   * Returns the milliseconds until the next attempt: exponential, of which a random part between half and all, so that
   * drains of one receiver do not come back together; more if the receiver asks for it.
   */
  #waitMs(failures: number, { retryAfterMs }: DrainFailure): number {
    const { firstRetryMs, mostRetryMs, mostAskedMs } = drainTimes;
    const backOffMs = Math.min(mostRetryMs, firstRetryMs * 2 ** Math.min(failures, 20));
    return Math.max(Math.min(retryAfterMs, mostAskedMs), backOffMs * (0.5 + this.#options.random() / 2));
  }
}

/**
 * Hands log lines on to receivers outside: each drain reads the stored log from its cursor, sends a batch, and moves the
 * cursor when the receiver has taken it. So a line is sent at least once, whatever ends in between; what waits is the
 * log itself, which retention bounds.
 *
 * Of several controls with one database one does this, which holds the lease `drains`.
 */
import type { Egress } from '../../guest/kernel/net/egress.ts';
import type { Leases, LogFeed, LogPage } from '../../protocol/ports.ts';
import type { Behind, DrainStore, DueDrain } from './drain-store.ts';
import { DrainFailure } from './failure.ts';
import { type Sender, senders } from './senders.ts';

export const drainTimes = {
  /** Milliseconds between two looks for lines to hand on. */
  lookMs: 1_000,
  /** Milliseconds that the lease lasts: longer than the longest batch takes. */
  leaseMs: 60_000,
  /** Milliseconds before the second attempt; doubles with each failure, up to the most. */
  firstRetryMs: 1_000,
  mostRetryMs: 5 * 60_000,
  /** Longest wait that a receiver may ask for. */
  mostAskedMs: 60 * 60_000,
} as const;

export const drainBatch = {
  /** Lines of one request. */
  lines: 1_000,
  /** Drains that send at the same time. */
  running: 8,
  /** Batches of one drain before the others have their turn. */
  perLook: 20,
} as const;

export interface DrainsOptions {
  readonly store: DrainStore;
  readonly logs: Pick<LogFeed, 'query'>;
  readonly egress: Egress;
  readonly leases: Pick<Leases, 'take' | 'release'>;
  /** Id of this control's life, for the lease. */
  readonly holder: string;
  /** Name of the machine in syslog messages. */
  readonly hostName: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Number in [0, 1). */
  readonly random: () => number;
  readonly report: (message: string, error: unknown) => void;
  /** Time between two looks; absent: drainTimes.lookMs. */
  readonly lookMs?: number;
}

export class Drains {
  readonly #options: DrainsOptions;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #isClosed = false;
  /** Whether the last look failed, so that an outage is reported once. */
  #hasFailed = false;

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.lookMs ?? drainTimes.lookMs);
  }

  /** Hands on what waits. Resolves when each drain is done, has failed, or has had its turn. Never rejects. */
  look(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#looking ??= this.#look()
      .then(
        () => {
          this.#hasFailed = false;
        },
        (error: unknown) => {
          if (!this.#hasFailed) this.#options.report('log lines could not be handed on', error);
          this.#hasFailed = true;
        },
      )
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  /** Ends after the batches that are being sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { store, leases, holder } = this.#options;
    const due = [...(await store.due())];
    if (due.length === 0) return;
    const lease = await leases.take({ name: 'drains', holder, ttlMs: drainTimes.leaseMs });
    if (lease === null) return;
    const work = async (): Promise<void> => {
      for (let drain = due.shift(); drain !== undefined; drain = due.shift()) await this.#hand(drain);
    };
    await Promise.all(Array.from({ length: drainBatch.running }, work));
    if (this.#isClosed) await leases.release(lease);
  }

  /** Hands on lines of one drain, until none waits, it fails, or its turn is over. */
  async #hand(drain: DueDrain): Promise<void> {
    const { store } = this.#options;
    let batches = 0;
    try {
      for (const behind of await store.behind(drain)) {
        let { cursor } = behind;
        for (;;) {
          if (this.#isClosed || batches >= drainBatch.perLook) return;
          batches += 1;
          const page = await this.#handPage(drain, behind, cursor);
          cursor = page.cursor;
          if (!page.more) break;
        }
      }
    } catch (error) {
      if (!(error instanceof DrainFailure)) throw error;
      await store.failed(drain.id, { error: error.message, afterMs: this.#waitMs(drain.failures, error) });
    }
  }

  async #handPage({ id, settings }: DueDrain, { handler }: Behind, after: number): Promise<LogPage> {
    const { store, logs, egress, hostName, now } = this.#options;
    const page = await logs.query(handler, { after, limit: drainBatch.lines, userId: `drain ${id}` });
    const sender: Sender = senders[settings.kind];
    const refused =
      page.lines.length === 0 ? 0 : await sender(page.lines, { egress, settings, hostName, nowMs: now() });
    const lost = page.expired + refused;
    if (page.cursor > after)
      await store.advance(id, handler.id, { cursor: page.cursor, sent: page.lines.length - refused, lost });
    return page;
  }

  /** Exponential, with between half and all of the time, so that drains of one receiver do not come back together. */
  #waitMs(failures: number, { retryAfterMs }: DrainFailure): number {
    const { firstRetryMs, mostRetryMs, mostAskedMs } = drainTimes;
    const backOffMs = Math.min(mostRetryMs, firstRetryMs * 2 ** Math.min(failures, 20));
    return Math.max(Math.min(retryAfterMs, mostAskedMs), backOffMs * (0.5 + this.#options.random() / 2));
  }
}

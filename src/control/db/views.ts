/**
 * Reads of any length that see the database as it is at one moment, for downloads. Each has a connection of its own
 * with an open read transaction: writers do not wait for it, and it does not wait for them.
 *
 * A view costs room while it is open: SQLite cannot shorten its write-ahead log, PostgreSQL cannot clean up dead rows.
 * So a view ends after `viewLimits.ms` however slow its reader is; a longer read goes on in a newer view.
 */
import type { ControlledTransaction, Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import type { Schema } from './schema.ts';

export const viewLimits = {
  /** Views of one control that are open at once; each is a connection. */
  open: 4,
  /** Reads that wait for a view, over all users. */
  waiting: 256,
  /** Reads of one user at once. */
  ofUser: 4,
  /** Milliseconds that a view stays open. */
  ms: 30_000,
} as const;

interface View {
  readonly db: Kysely<Schema>;
  /** Its time is up, or it has been closed: it serves no further page. */
  isOver: boolean;
  /** A page is being read, after which the view can be closed. */
  isReading: boolean;
  close(): Promise<void>;
}

export class Views {
  readonly #connect: () => Kysely<Schema>;
  readonly #ms: number;
  readonly #turns = new Semaphore({
    running: viewLimits.open,
    waiting: viewLimits.waiting,
    full: () => busy('too many exports wait already'),
  });
  readonly #ofUser = new Map<string, number>();
  readonly #views = new Set<View>();
  #isClosed = false;

  /** `connect` makes a database of one connection, used by one view. `ms`: default viewLimits.ms. */
  constructor(options: { readonly connect: () => Kysely<Schema>; readonly ms?: number }) {
    this.#connect = options.connect;
    this.#ms = options.ms ?? viewLimits.ms;
  }

  /**
   * Yields what `read` returns until it returns null. All calls of `read` within viewLimits.ms get the same view; `read`
   * itself keeps the place up to which it has read. Throws `rate_limited` where the user reads too much at once.
   */
  async *pages<Page>(userId: string, read: (view: Kysely<Schema>) => Promise<Page | null>): AsyncGenerator<Page> {
    const running = this.#ofUser.get(userId) ?? 0;
    if (running >= viewLimits.ofUser) throw busy(`you have ${running} exports running already`);
    this.#ofUser.set(userId, running + 1);
    let view: View | null = null;
    try {
      for (;;) {
        view ??= await this.#open();
        view.isReading = true;
        const page = await read(view.db);
        view.isReading = false;
        if (page === null) return;
        if (view.isOver) await view.close();
        yield page;
        if (view.isOver) view = null;
      }
    } finally {
      await view?.close();
      const left = (this.#ofUser.get(userId) ?? 1) - 1;
      if (left === 0) this.#ofUser.delete(userId);
      else this.#ofUser.set(userId, left);
    }
  }

  /** Ends every view; reads that run fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#turns.refuseWaiting(stopping());
    await Promise.all([...this.#views].map((view) => view.close()));
  }

  async #open(): Promise<View> {
    if (this.#isClosed) throw stopping();
    const endTurn = await this.#turns.enter();
    const connection = this.#connect();
    let trx: ControlledTransaction<Schema> | null = null;
    let closing: Promise<void> | null = null;
    const close = async (): Promise<void> => {
      clearTimeout(timer);
      try {
        await trx?.rollback().execute();
        await connection.destroy();
      } finally {
        this.#views.delete(view);
        endTurn();
      }
    };
    const view: View = {
      isOver: false,
      isReading: true,
      get db(): Kysely<Schema> {
        if (trx === null) throw new Error('a view that is open has a transaction');
        return trx;
      },
      close(): Promise<void> {
        view.isOver = true;
        closing ??= close();
        return closing;
      },
    };
    const timer = setTimeout(() => {
      view.isOver = true;
      // Its reader learns of a failure with the next page; this one has nobody to tell.
      if (!view.isReading) void view.close().catch(() => {});
    }, this.#ms);
    timer.unref();
    this.#views.add(view);
    try {
      trx = await connection
        .startTransaction()
        .setAccessMode('read only')
        .setIsolationLevel('repeatable read')
        .execute();
      // The moment of the view is that of the first read, on both databases.
      await trx.selectFrom('settings').select('key').limit(1).execute();
      return view;
    } catch (error) {
      await view.close().catch(() => {});
      throw error;
    }
  }
}

function stopping(): PlatformError {
  return new PlatformError('unavailable', 'the platform is stopping');
}

function busy(message: string): PlatformError {
  return new PlatformError('rate_limited', message, { retryAfterSeconds: 5 });
}

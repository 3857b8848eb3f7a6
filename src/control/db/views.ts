/**
 * Reads of any length that see the database as of one moment, for downloads. Each view has a connection of its own with
 * an open read transaction: writers and views do not wait for each other.
 *
 * An open view keeps disk space in use: SQLite cannot shorten its write-ahead log, PostgreSQL cannot remove dead rows.
 * So a view ends after `viewLimits.ms` even when its reader is slow; a longer read continues in a newer view.
 */
import type { ControlledTransaction, Kysely } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import type { Schema } from './schema.ts';

export const viewLimits = {
  /** Views of one control that are open at once. Each takes a connection. */
  open: 4,
  /** Reads of all users that wait for a view. */
  waiting: 256,
  /** Reads of one user at once. */
  ofUser: 4,
  /** Milliseconds that a view stays open. */
  ms: 30_000,
} as const;

interface View {
  readonly db: Kysely<Schema>;
  /** Whether its time is up or it has been closed: no further page is read from it. */
  isOver: boolean;
  /** Whether a page is being read; the view is closed after that. */
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

  /**
   * `connect`: makes a database of one connection, for one view. `ms`: lifetime of a view, viewLimits.ms by default.
   */
  constructor(options: { readonly connect: () => Kysely<Schema>; readonly ms?: number }) {
    this.#connect = options.connect;
    this.#ms = options.ms ?? viewLimits.ms;
  }

  /**
   * Yields the results of `read` until it returns null. All calls of `read` within viewLimits.ms get the same view;
   * `read` itself remembers its position. Throws `rate_limited` when the user has too many reads running.
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

  /** Ends every view; running reads fail. */
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
      // The reader sees a failure at its next page, so this one is dropped.
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
      // The first read fixes the moment of the view, on both databases.
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

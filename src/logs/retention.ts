/** Keeps the newest lines of each handler. Off the hot path, in small steps between the inserts. */
import type { Database } from '../db/database.ts';
import { logLimits } from '../protocol/limits.ts';

export const retentionLimits = {
  /** Lines deleted by one statement: a few milliseconds that an insert may have to wait. */
  stepLines: 1_000,
  /** A handler is looked at again when it has grown by this many: a tenth more than retained, at worst. */
  slackLines: logLimits.retainedLines / 10,
  /** Handlers whose growth is remembered. One that is pushed out is looked at again when it next grows. */
  handlers: 20_000,
} as const;

export class LogRetention {
  readonly #db: Database;
  readonly #onError: (error: unknown) => void;
  readonly #retained: number;
  readonly #slack: number;
  /** Lines since the last look, least recently grown first. A handler that is not in here is due. */
  readonly #grown = new Map<string, number>();
  readonly #due = new Set<string>();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: {
    readonly db: Database;
    readonly onError: (error: unknown) => void;
    readonly retainedLines?: number;
    readonly slackLines?: number;
  }) {
    this.#db = options.db;
    this.#onError = options.onError;
    this.#retained = options.retainedLines ?? logLimits.retainedLines;
    this.#slack = options.slackLines ?? retentionLimits.slackLines;
  }

  /** `lines` more of a handler have been stored. */
  grown(handlerId: string, lines: number): void {
    const before = this.#grown.get(handlerId);
    const total = (before ?? 0) + lines;
    const due = before === undefined || total >= this.#slack;
    this.#grown.delete(handlerId);
    this.#grown.set(handlerId, due ? 0 : total);
    if (this.#grown.size > retentionLimits.handlers) {
      const [oldest] = this.#grown.keys();
      if (oldest !== undefined) this.#grown.delete(oldest);
    }
    if (!due || this.#closed) return;
    this.#due.add(handlerId);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is due. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#due.clear();
    await this.idle();
  }

  async removeAll(handlerId: string): Promise<void> {
    await this.#deleteUpTo(handlerId, Number.MAX_SAFE_INTEGER);
    this.#grown.delete(handlerId);
  }

  async #run(): Promise<void> {
    await null;
    for (;;) {
      const [handlerId] = this.#due;
      if (handlerId === undefined) break;
      this.#due.delete(handlerId);
      try {
        await this.#trim(handlerId);
      } catch (error) {
        this.#grown.delete(handlerId);
        this.#onError(error);
      }
    }
    this.#running = null;
  }

  async #trim(handlerId: string): Promise<void> {
    const newestSurplus = await this.#db.reader
      .selectFrom('log_lines')
      .select('cursor')
      .where('handler_id', '=', handlerId)
      .orderBy('cursor', 'desc')
      .limit(1)
      .offset(this.#retained)
      .executeTakeFirst();
    if (newestSurplus !== undefined) await this.#deleteUpTo(handlerId, newestSurplus.cursor);
  }

  async #deleteUpTo(handlerId: string, cursor: number): Promise<void> {
    while (!this.#closed) {
      const step = await this.#db.reader
        .selectFrom('log_lines')
        .select('cursor')
        .where('handler_id', '=', handlerId)
        .where('cursor', '<=', cursor)
        .orderBy('cursor')
        .limit(1)
        .offset(retentionLimits.stepLines - 1)
        .executeTakeFirst();
      await this.#db.relaxed
        .deleteFrom('log_lines')
        .where('handler_id', '=', handlerId)
        .where('cursor', '<=', step?.cursor ?? cursor)
        .execute();
      if (step === undefined) return;
    }
  }
}

/**
 * Reads Invocations of a handler: those that run, as runners list them, and the stored records of those that have
 * ended.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { InvocationRecord, PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { type HandlerRef, toRecord } from './invocation-rows.ts';
import type { RunningInvocations } from './running.ts';

export class InvocationReader {
  readonly #db: Database;
  readonly #running: Pick<RunningInvocations, 'of'>;
  readonly #now: () => number;

  constructor(options: {
    readonly db: Database;
    readonly running: Pick<RunningInvocations, 'of'>;
    /** Unix milliseconds. */
    readonly now: () => number;
  }) {
    this.#db = options.db;
    this.#running = options.running;
    this.#now = options.now;
  }

  /**
   * Returns at most `limit` Invocations: first those that have been running for long, then those that have ended; both
   * newest first. `before`: id after which the page starts in that order. `failed`: only those that ended with another
   * outcome than `ok`. Throws `not_found` when `before` is not kept.
   */
  async list(
    handler: HandlerRef,
    options: {
      readonly limit: number;
      readonly before?: string | undefined;
      readonly failed?: boolean | undefined;
    },
  ): Promise<readonly InvocationRecord[]> {
    const all = this.#running.of(handler.id);
    const place = all.findIndex(({ id }) => id === options.before);
    const isAmongRunning = options.before === undefined || place >= 0;
    let query = this.#db.reader.selectFrom('invocations').select('record').where('handler_id', '=', handler.id);
    if (options.before !== undefined && !isAmongRunning) {
      const { id, started_ms } = await this.#placeOf(handler.id, options.before);
      query = query.where((eb) =>
        eb.or([eb('started_ms', '<', started_ms), eb.and([eb('started_ms', '=', started_ms), eb('id', '<', id)])]),
      );
    }
    if (options.failed === true) query = query.where('outcome', '!=', 'ok');
    const rows = await query.orderBy('started_ms', 'desc').orderBy('id', 'desc').limit(options.limit).execute();
    const ended = rows.map(({ record }) => toRecord(record, handler));
    if (!isAmongRunning || options.failed === true) return ended;
    const ids = new Set(ended.map(({ id }) => id));
    const running = all.slice(place + 1).filter(({ id }) => !ids.has(id));
    return [...running.map((record) => this.#shown(record, handler)), ...ended].slice(0, options.limit);
  }

  /** Returns the Invocation, running or ended; null: it is not kept. */
  async find(handler: HandlerRef, invocation: string): Promise<InvocationRecord | null> {
    const row = await this.#db.reader
      .selectFrom('invocations')
      .select('record')
      .where('handler_id', '=', handler.id)
      .where('id', '=', invocation)
      .executeTakeFirst();
    if (row !== undefined) return toRecord(row.record, handler);
    const running = this.#running.of(handler.id).find(({ id }) => id === invocation);
    return running === undefined ? null : this.#shown(running, handler);
  }

  #shown({ handlerId: _, ...facts }: PendingInvocationRecord, handler: HandlerRef): InvocationRecord {
    return { ...facts, handler: handler.name, durationMs: Math.max(0, this.#now() - facts.startedMs) };
  }

  async #placeOf(handlerId: HandlerId, invocation: string): Promise<{ id: string; started_ms: number }> {
    const row = await this.#db.reader
      .selectFrom('invocations')
      .select(['id', 'started_ms'])
      .where('handler_id', '=', handlerId)
      .where('id', '=', invocation)
      .executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', 'no such invocation is kept (any more)');
    return row;
  }
}

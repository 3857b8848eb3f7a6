/** queue: of every handler: a message is durable when publish() returns, and keeps its order. */

import { PlatformError } from '../../protocol/errors.ts';
import { queueLimits } from '../../protocol/limits.ts';
import type { Database } from '../db/database.ts';
import { lockTotal, setTotal } from './totals.ts';

export class QueueStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #newId: () => string;

  /** `now` in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number; readonly newId: () => string }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#newId = options.newId;
  }

  /** Throws `limit_exceeded` past queueLimits. */
  async publish(options: {
    readonly handlerId: string;
    readonly queue: string;
    readonly message: Uint8Array;
  }): Promise<void> {
    const { handlerId, queue, message } = options;
    if (message.length > queueLimits.messageBytes) {
      throw new PlatformError('limit_exceeded', `a message has at most ${queueLimits.messageBytes} bytes`);
    }
    await this.#db.transaction().execute(async (trx) => {
      const total = await lockTotal(trx, handlerId, 'queue');
      if (total.items >= queueLimits.waiting) {
        throw new PlatformError('limit_exceeded', `a handler has at most ${queueLimits.waiting} waiting messages`);
      }
      const last = await trx
        .selectFrom('queue_messages')
        .select(({ fn }) => fn.max('position').as('position'))
        .where('handler_id', '=', handlerId)
        .where('queue', '=', queue)
        .executeTakeFirst();
      await trx
        .insertInto('queue_messages')
        .values({
          id: this.#newId(),
          handler_id: handlerId,
          queue,
          position: (last?.position ?? 0) + 1,
          message: Buffer.from(message),
          published_ms: this.#now(),
        })
        .execute();
      await setTotal(trx, handlerId, 'queue', { items: total.items + 1, bytes: total.bytes + message.length });
    });
  }

  /** Messages after `position`, in order; for export. At most `limit`. */
  async read(options: {
    readonly handlerId: string;
    readonly queue: string;
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly { readonly position: number; readonly message: Uint8Array; readonly publishedMs: number }[]> {
    const rows = await this.#db.reader
      .selectFrom('queue_messages')
      .select(['position', 'message', 'published_ms'])
      .where('handler_id', '=', options.handlerId)
      .where('queue', '=', options.queue)
      .where('position', '>', options.after)
      .orderBy('position')
      .limit(options.limit)
      .execute();
    return rows.map((row) => ({
      position: row.position,
      message: new Uint8Array(row.message),
      publishedMs: row.published_ms,
    }));
  }
}

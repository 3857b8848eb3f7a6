/**
 * Finds the messages of a queue that are delivered next. A message whose group has another one before it is set aside
 * (`due_ms` = asideMs) when it is found, and comes back when that one is settled. So a take reads each waiting message
 * of a group about once, however many there are, and the others not at all.
 *
 * Only transactions that have locked the queue's row set messages aside and bring them back: otherwise the last message
 * before one could be settled while that one is set aside, and nothing would bring it back.
 */
import type { Transaction } from 'kysely';
import type { Schema } from '../db/schema.ts';

/** `due_ms` of a message in the state `ready` that waits for another one of its group. */
export const asideMs = -1;

export const waitingLimits = {
  /** Messages that one query reads, after the first one, which reads as many as are wanted. */
  page: 500,
  /** Pages that one take reads, so that a long group does not hold up other takers for long. */
  pages: 8,
  /** Groups that one statement brings back. */
  groups: 100,
} as const;

export interface FoundMessages {
  readonly messages: readonly { readonly id: string; readonly bytes: number }[];
  /** Whether pages are left that may hold further messages. */
  readonly hasMore: boolean;
}

/**
 * Returns the queue's first messages that may be delivered now, at most `most`, in their order. The transaction has
 * locked the queue's row.
 */
export async function findMessages(trx: Transaction<Schema>, queueId: string, most: number): Promise<FoundMessages> {
  const found: { readonly id: string; readonly bytes: number }[] = [];
  let after = 0;
  for (let page = 0; page < waitingLimits.pages; page += 1) {
    // The first page is enough where no group waits.
    const limit = page === 0 ? most : waitingLimits.page;
    const rows = await dueMessages(trx, { queueId, after, limit }).execute();
    const aside = rows.filter(({ group_key, is_behind }) => group_key !== null && Boolean(is_behind));
    if (aside.length > 0)
      await trx
        .updateTable('messages')
        .set({ due_ms: asideMs })
        .where(
          'id',
          'in',
          aside.map(({ id }) => id),
        )
        .execute();
    const behind = new Set(aside);
    for (const row of rows) if (!behind.has(row)) found.push({ id: row.id, bytes: Number(row.bytes) });
    const isEnd = rows.length < limit;
    if (isEnd || found.length >= most)
      return { messages: found.slice(0, most), hasMore: !isEnd || found.length > most };
    after = Number(rows.at(-1)?.position ?? after);
  }
  return { messages: found, hasMore: true };
}

/**
 * Makes the query for messages that are due and not set aside, after a position. `is_behind`: whether another one of
 * its group comes before the message, or is in flight.
 */
export function dueMessages(
  trx: Transaction<Schema>,
  { queueId, after, limit }: { readonly queueId: string; readonly after: number; readonly limit: number },
) {
  return trx
    .selectFrom('messages as m')
    .select(['m.id', 'm.position', 'm.group_key', ({ fn }) => fn<number>('length', ['m.body']).as('bytes')])
    .select(({ or, exists, selectFrom }) => {
      const other = (state: 'ready' | 'inflight') =>
        selectFrom('messages as other')
          .select('other.id')
          .whereRef('other.queue_id', '=', 'm.queue_id')
          .whereRef('other.group_key', '=', 'm.group_key')
          .where('other.state', '=', state);
      return or([exists(other('ready').whereRef('other.position', '<', 'm.position')), exists(other('inflight'))]).as(
        'is_behind',
      );
    })
    .where('m.queue_id', '=', queueId)
    .where('m.state', '=', 'ready')
    .where('m.due_ms', '=', 0)
    .where('m.position', '>', after)
    .orderBy('m.position')
    .limit(limit);
}

/**
 * Brings the first waiting message of each group back, once messages before it have been settled or removed. The
 * transaction has locked the queue's row. `groups`: keys, null for messages without a group.
 */
export async function bringBack(
  trx: Transaction<Schema>,
  queueId: string,
  groups: readonly (string | null)[],
): Promise<void> {
  const keys = [...new Set(groups)].filter((group) => group !== null);
  for (let at = 0; at < keys.length; at += waitingLimits.groups) {
    const [head, ...heads] = keys
      .slice(at, at + waitingLimits.groups)
      .map((group) => firstOfGroup(trx, queueId, group));
    await trx
      .updateTable('messages')
      .set({ due_ms: 0 })
      .where(
        'id',
        'in',
        heads.reduce((all, one) => all.unionAll(one), head!), // at least one key
      )
      .where('due_ms', '=', asideMs)
      .execute();
  }
}

function firstOfGroup(trx: Transaction<Schema>, queueId: string, group: string) {
  return trx
    .selectFrom((from) =>
      from
        .selectFrom('messages')
        .select('id')
        .where('queue_id', '=', queueId)
        .where('group_key', '=', group)
        .where('state', '=', 'ready')
        .orderBy('position')
        .limit(1)
        .as('head'),
    )
    .select('id');
}

/**
 * Locks the queue's row until the transaction ends, so that takers and settlers of one queue run one after the other.
 * Returns null if the queue has been deleted.
 */
export async function lockQueue(
  trx: Transaction<Schema>,
  queueId: string,
): Promise<{ readonly isPaused: boolean } | null> {
  const row = await trx
    .selectFrom('queues')
    .select('is_paused')
    .where('id', '=', queueId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row === undefined ? null : { isPaused: row.is_paused === 1 };
}

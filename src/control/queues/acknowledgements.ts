/**
 * Stores acknowledgements of messages in groups: those that come while one group is being stored make the next one. A
 * statement costs more than what it does to one row, and at a thousand messages a second each one would need its own.
 */
import type { ExpressionBuilder, Kysely } from 'kysely';
import type { Schema } from '../db/schema.ts';
import { WriteQueue } from '../db/write-queue.ts';

export const acknowledgementLimits = {
  /** Messages of one group; those of one delivery are never parted. */
  messages: 500,
  /** Messages that wait to be stored; more than control can hold at the same time. */
  waiting: 1_000_000,
} as const;

/** Messages that a function has dealt with. */
export interface Acknowledgement {
  readonly takenId: string;
  /** Ids of the messages, at least one. */
  readonly ids: readonly string[];
  readonly invocation: string | null;
}

interface Waiting extends Acknowledgement {
  readonly settle: PromiseWithResolvers<number>;
}

export class Acknowledgements {
  readonly #waiting: WriteQueue<Waiting>;

  /** `now`: clock in Unix milliseconds. */
  constructor({ db, now }: { readonly db: Kysely<Schema>; readonly now: () => number }) {
    this.#waiting = new WriteQueue({
      waitingMax: acknowledgementLimits.waiting,
      batchMax: acknowledgementLimits.messages,
      weigh: ({ ids }) => ids.length,
      write: async (group) => {
        try {
          const stored = await store(db, group, now());
          for (const { ids, settle } of group) settle.resolve(ids.filter((id) => stored.has(id)).length);
        } catch (error) {
          for (const { settle } of group) settle.reject(error);
        }
      },
    });
  }

  /** Stores an acknowledgement. Resolves with the number of its messages that the delivery still had. */
  async add(acknowledgement: Acknowledgement): Promise<number> {
    const settle = Promise.withResolvers<number>();
    if (this.#waiting.push({ ...acknowledgement, settle }) === null) throw new Error('too many acknowledgements wait');
    return settle.promise;
  }
}

/**
 * Stores that messages are done if their deliveries still have them. Returns the ids of those that are stored. One
 * statement for all: a message that was lost to another delivery of the same group counts for that one too, since its
 * function has dealt with it.
 */
export async function store(
  db: Kysely<Schema>,
  group: readonly Acknowledgement[],
  nowMs: number,
): Promise<ReadonlySet<string>> {
  const rows = await db
    .updateTable('messages')
    .set((eb) => ({ state: 'done', due_ms: 0, ended_ms: nowMs, reason: null, invocation: invocationOf(eb, group) }))
    .where(
      'id',
      'in',
      group.flatMap(({ ids }) => ids),
    )
    .where('state', '=', 'inflight')
    .where('taken_id', 'in', [...new Set(group.map(({ takenId }) => takenId))])
    .returning('id')
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** Makes the expression for the invocation of each message. */
function invocationOf(eb: ExpressionBuilder<Schema, 'messages'>, group: readonly Acknowledgement[]) {
  const [first, ...others] = group;
  if (first === undefined) throw new Error('a group has an acknowledgement');
  const value = (invocation: string | null) => eb.cast<string | null>(eb.val(invocation), 'text');
  if (others.length === 0) return value(first.invocation);
  return others
    .reduce(
      (cases, { ids, invocation }) => cases.when('id', 'in', ids).then(value(invocation)),
      eb.case().when('id', 'in', first.ids).then(value(first.invocation)),
    )
    .end();
}

/** Measures the bytes that a handler stores in the database. Kinds that are files are measured by their stations. */
import { sql } from 'kysely';
import type { HandlerId } from '../../protocol/names.ts';
import type { HandlerKind } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';

/** Returns the bytes that a handler (by id) stores of one kind; null: another control keeps and measures them. */
export type Measure = (handlerId: HandlerId) => Promise<number | null>;

/** Bytes counted for a row besides its values: other columns, keys and indexes. */
const rowBytes = 150;

/** Returns the measures of what a handler keeps in the database, in bytes. */
export function databaseMeasures(db: Database): Readonly<Record<'kv' | 'logs' | 'usage', Measure>> {
  return {
    async kv(handlerId) {
      const { rows, bytes } = await db.reader
        .selectFrom('kv')
        .select(({ fn }) => [
          fn.countAll<number>().as('rows'),
          sql<number | null>`sum(octet_length(value) + octet_length(key) + octet_length(bucket))`.as('bytes'),
        ])
        .where('handler_id', '=', handlerId)
        .executeTakeFirstOrThrow();
      return Number(bytes ?? 0) + Number(rows) * rowBytes;
    },
    logs: (handlerId) => logBytes(db, handlerId),
    async usage(handlerId) {
      const records = await db.reader
        .selectFrom('invocations')
        .select(({ fn }) => [
          fn.countAll<number>().as('rows'),
          sql<number | null>`sum(octet_length(record))`.as('bytes'),
        ])
        .where('handler_id', '=', handlerId)
        .executeTakeFirstOrThrow();
      const minutes = await db.reader
        .selectFrom('usage')
        .select(({ fn }) => fn.countAll<number>().as('rows'))
        .where('handler_id', '=', handlerId)
        .executeTakeFirstOrThrow();
      const calls = await db.reader
        .selectFrom('calls')
        .select(({ fn }) => [
          fn.countAll<number>().as('rows'),
          sql<number | null>`sum(octet_length(body) + coalesce(octet_length(answer), 0) + octet_length(request))`.as(
            'bytes',
          ),
        ])
        .where('handler_id', '=', handlerId)
        .executeTakeFirstOrThrow();
      const bytes = Number(records.bytes ?? 0) + Number(calls.bytes ?? 0);
      return bytes + (Number(records.rows) + Number(minutes.rows) + Number(calls.rows)) * rowBytes;
    },
  };
}

/** Returns the bytes of all messages in a user's queues: exact, since publishing and removing update the number. */
export async function queueBytes(db: Database, userId: string): Promise<number> {
  const total = await db.reader
    .selectFrom('message_totals')
    .select(['items', 'bytes'])
    .where('owner_id', '=', userId)
    .executeTakeFirst();
  return total === undefined ? 0 : Number(total.bytes) + Number(total.items) * rowBytes;
}

async function logBytes(db: Database, handlerId: HandlerId): Promise<number> {
  const { blocks, bytes } = await db.reader
    .selectFrom('log_blocks')
    .select(({ fn }) => [fn.countAll<number>().as('blocks'), fn.sum<number | null>('bytes').as('bytes')])
    .where('handler_id', '=', handlerId)
    .executeTakeFirstOrThrow();
  return Number(bytes ?? 0) + Number(blocks) * rowBytes;
}

/** Bytes by which a kind grows before the handler is measured again. Between two measures, growth is added. */
export const measureSlack: Readonly<Record<HandlerKind, number>> = {
  repositories: 1, // Measured after each push.
  artifacts: 1,
  kv: 1024 * 1024,
  logs: 2 * 1024 * 1024,
  usage: 2 * 1024 * 1024,
};

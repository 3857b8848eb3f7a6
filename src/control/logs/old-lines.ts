/**
 * Moves log lines that an earlier version stored as rows into blocks, in steps: each is one transaction, so a stop at
 * any moment loses nothing and the next start goes on. Lines keep their cursors.
 *
 * On PostgreSQL a control of the earlier version may still write rows. Readers of this version do not see rows, so they
 * may have passed the cursors of those rows; and blocks must not overlap. So rows above the cursor at which this
 * version first opened the log (setting `log_rows_end`) get new cursors, as do those among blocks: readers see them as
 * new lines.
 */
import { type Selectable, sql, type Transaction } from 'kysely';
import { KIB } from '../../protocol/limits.ts';
import { packLines } from '../../protocol/log-block.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { LogStream, PendingLogLine } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { insertBlocks, rowOf } from './block-rows.ts';
import { type Cursors, CursorsTaken } from './cursors.ts';
import { plausible } from './pending-lines.ts';

export const moveLimits = {
  /** Lines of one step, which become one block. */
  lines: 2_000,
  /** Bytes of text of one step; at least one line is moved. */
  textBytes: 256 * KIB,
} as const;

const rowsEndKey = 'log_rows_end';

export interface MoveOptions {
  readonly cursors: Cursors;
  /** Is called before the first step. */
  readonly onMoving: () => void;
}

/** Moves all rows that are stored when it begins. Returns the number of lines. */
export async function moveOldLines(db: Database, { cursors, onMoving }: MoveOptions): Promise<number> {
  let moved = 0;
  const upTo = await cursors.last();
  const kept = await keptCursors(db, upTo);
  let last = upTo;
  for (;;) {
    const next = await db.relaxed
      .selectFrom('log_lines')
      .select('handler_id')
      .where('cursor', '<=', upTo)
      .orderBy('handler_id')
      .limit(1)
      .executeTakeFirst();
    if (next === undefined) return moved;
    if (moved === 0) onMoving();
    await cursors.reserve(last, moveLimits.lines);
    try {
      const step = { cursors, handlerId: next.handler_id, upTo, kept };
      moved += await db.relaxed.transaction().execute((trx) => moveStep(trx, step));
    } catch (error) {
      if (!(error instanceof CursorsTaken)) throw error;
      last = error.last;
    }
  }
}

interface StepOptions {
  readonly cursors: Cursors;
  readonly handlerId: HandlerId;
  /** Cursors of the last row that is moved now, and of the last row that keeps its cursor. */
  readonly upTo: number;
  readonly kept: number;
}

/** Returns the last cursor when this version first opened the log. `last`: the last cursor now. */
async function keptCursors(db: Database, last: number): Promise<number> {
  await db
    .insertInto('settings')
    .values({ key: rowsEndKey, value: String(last) })
    .onConflict((oc) => oc.column('key').doNothing())
    .execute();
  const { value } = await db
    .selectFrom('settings')
    .select('value')
    .where('key', '=', rowsEndKey)
    .executeTakeFirstOrThrow();
  return Number(value);
}

/** Moves the oldest rows of a handler. Returns how many; 0 when another control has moved them meanwhile. */
async function moveStep(trx: Transaction<Schema>, { cursors, handlerId, upTo, kept }: StepOptions): Promise<number> {
  const sizes = await trx
    .selectFrom('log_lines')
    .select(['cursor', sql<number>`octet_length(text)`.as('bytes')])
    .where('handler_id', '=', handlerId)
    .where('cursor', '<=', upTo)
    .orderBy('cursor')
    .limit(moveLimits.lines)
    .execute();
  let bytes = 0;
  const tooMany = sizes.findIndex((row, at) => {
    bytes += Number(row.bytes);
    return at > 0 && bytes > moveLimits.textBytes;
  });
  const end = sizes.at(tooMany < 0 ? -1 : tooMany - 1);
  if (end === undefined) return 0;
  // The rows that this statement removes are the ones that are moved: another control waits for it and finds none.
  const rows = await trx
    .deleteFrom('log_lines')
    .where('handler_id', '=', handlerId)
    .where('cursor', '<=', end.cursor)
    .returningAll()
    .execute();
  if (rows.length === 0) return 0;
  rows.sort((a, b) => a.cursor - b.cursor);
  const newest = await trx
    .selectFrom('log_blocks')
    .select(({ fn }) => fn.max<number | null>('last_cursor').as('cursor'))
    .where('handler_id', '=', handlerId)
    .executeTakeFirst();
  const isLate =
    (rows[0] as { cursor: number }).cursor <= (newest?.cursor ?? 0) ||
    (rows.at(-1) as { cursor: number }).cursor > kept;
  const given = isLate ? await newCursors(trx, cursors, rows.length) : rows.map(({ cursor }) => cursor);
  const packed = packLines(rows.map(lineOf), given);
  const ends = { first: given[0] as number, last: given.at(-1) as number };
  await insertBlocks.insert(trx, [rowOf({ handlerId, ...packed }, ends)]);
  return rows.length;
}

async function newCursors(trx: Transaction<Schema>, cursors: Cursors, count: number): Promise<number[]> {
  const taken = await cursors.take(trx, count);
  if ('last' in taken) throw new CursorsTaken(taken.last);
  return Array.from({ length: count }, (_, at) => taken.first + at);
}

function lineOf(row: Selectable<Schema['log_lines']>): PendingLogLine {
  const { handler_id, time_ms, stream, cursor: _, ...facts } = row;
  // The table holds no others.
  return plausible({ ...facts, handlerId: handlerIdOf(handler_id), timeMs: time_ms, stream: stream as LogStream });
}

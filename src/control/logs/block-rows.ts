/** Rows of the table of blocks: what a search needs to know of a block, and its bytes. */
import { type Insertable, type Kysely, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import {
  blockStreams,
  type LogBlock,
  levelBitsUpTo,
  lineWords,
  mayHaveWord,
  type PackedLines,
} from '../../protocol/log-block.ts';
import { fieldNames } from '../../protocol/log-fields.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { LogFilter } from '../../protocol/ports.ts';
import { BatchInsert } from '../db/batch-insert.ts';
import type { Schema } from '../db/schema.ts';
import { classesOf, streamsOf } from './log-filter.ts';

/** Columns of BlockSize. */
const sizeColumns = [
  'first_cursor',
  'last_cursor',
  'lines',
  'first_ms',
  'last_ms',
  'levels',
  'streams',
  'text_chars',
  'bytes',
] as const;

export const insertBlocks = new BatchInsert({
  table: 'log_blocks',
  columns: ['handler_id', ...sizeColumns, 'words', 'data'],
});

/** Facts of a stored block. */
export type BlockHead = Omit<Selectable<Schema['log_blocks']>, 'handler_id' | 'data'>;

/** Facts without the filter of words, which has up to 16 KiB. */
export type BlockSize = Omit<BlockHead, 'words'>;

/** A stored block, as searches and merges get it. */
export interface StoredBlock extends Pick<BlockHead, 'first_cursor' | 'last_cursor' | 'lines' | 'last_ms'> {
  readonly data: Uint8Array;
}

/** Part of a handler's log: lines with cursors above `after`, up to and with `upTo`. */
export interface BlockRange {
  readonly handlerId: HandlerId;
  readonly after: number;
  readonly upTo: number;
  readonly direction: 'oldest first' | 'newest first';
}

/** Returns the row of a block whose lines have the cursors from `first` to `last`. */
export function rowOf(
  block: PackedLines & { readonly handlerId: HandlerId },
  cursors: { readonly first: number; readonly last: number },
): Insertable<Schema['log_blocks']> & Selectable<Schema['log_blocks']> {
  return {
    handler_id: block.handlerId,
    first_cursor: cursors.first,
    last_cursor: cursors.last,
    lines: block.lines,
    first_ms: block.firstMs,
    last_ms: block.lastMs,
    levels: block.levels,
    streams: block.streams,
    text_chars: block.textChars,
    bytes: bytesOf(block),
    words: block.words,
    data: block.data,
  };
}

export function bytesOf({ words, data }: Pick<LogBlock, 'words' | 'data'>): number {
  return words.length + data.length;
}

/**
 * Returns the first `limit` blocks that can have lines of the range and the filter, in the direction of reading. Words
 * are not tested (`mayMatch`).
 */
export function headsOf(db: Kysely<Schema>, range: HeadRange): Promise<BlockHead[]> {
  return selectHeads(db, range).select(sizeColumns).select('words').execute();
}

/** Returns what `headsOf` returns, without the filters of words. */
export function sizesOf(db: Kysely<Schema>, range: HeadRange): Promise<BlockSize[]> {
  return selectHeads(db, range).select(sizeColumns).execute();
}

type HeadRange = BlockRange & { readonly filter: LogFilter; readonly limit: number };

function selectHeads(db: Kysely<Schema>, range: HeadRange): SelectQueryBuilder<Schema, 'log_blocks', object> {
  const { handlerId, after, upTo, direction, filter, limit } = range;
  const { level, sinceMs, untilMs } = filter;
  let query = db
    .selectFrom('log_blocks')
    .where('handler_id', '=', handlerId)
    // Blocks do not overlap, so only one that begins at `after` or before can reach above it.
    .where('first_cursor', '>=', (eb) =>
      eb.fn.coalesce(
        eb
          .selectFrom('log_blocks as before')
          .select(({ fn }) => fn.max<number>('before.first_cursor').as('first'))
          .where('before.handler_id', '=', handlerId)
          .where('before.first_cursor', '<=', after),
        sql<number>`0`,
      ),
    )
    .where('first_cursor', '<=', upTo)
    .where('last_cursor', '>', after);
  if (level !== undefined) query = query.where(hasBit('levels', levelBitsUpTo(level)));
  const streams = streamsOf(filter);
  if (streams.length < blockStreams.length)
    query = query.where(
      hasBit(
        'streams',
        streams.reduce((bits, stream) => bits | (1 << blockStreams.indexOf(stream)), 0),
      ),
    );
  if (sinceMs !== undefined) query = query.where('last_ms', '>=', sinceMs);
  if (untilMs !== undefined) query = query.where('first_ms', '<', untilMs);
  return query.orderBy('first_cursor', direction === 'newest first' ? 'desc' : 'asc').limit(limit);
}

/** Returns whether a block may have a line that the filter lets through, as far as its words tell. */
export function mayMatch({ words }: Pick<BlockHead, 'words'>, filter: LogFilter): boolean {
  const { invocation, preview, deployment, status, fields = [] } = filter;
  return (
    (invocation === undefined || mayHaveWord(words, lineWords.invocation(invocation))) &&
    (preview === undefined || mayHaveWord(words, lineWords.preview(preview))) &&
    (deployment === undefined || mayHaveWord(words, lineWords.deployment(deployment))) &&
    (status === undefined || classesOf(status).some((digit) => mayHaveWord(words, lineWords.statusClass(digit)))) &&
    (fields.length === 0 ||
      mayHaveWord(words, lineWords.anyField) ||
      fields.every((condition) => fieldNames(condition).some((name) => mayHaveWord(words, lineWords.field(name)))))
  );
}

/**
 * Returns the bytes of blocks, in the order of `heads`. Returns null when one of them is not stored as its head says:
 * it has been merged or removed meanwhile.
 */
export async function blocksOf(
  db: Kysely<Schema>,
  handlerId: HandlerId,
  heads: readonly BlockSize[],
): Promise<StoredBlock[] | null> {
  if (heads.length === 0) return [];
  const rows = await db
    .selectFrom('log_blocks')
    .select(['first_cursor', 'last_cursor', 'lines', 'data'])
    .where('handler_id', '=', handlerId)
    .where(
      'first_cursor',
      'in',
      heads.map(({ first_cursor }) => first_cursor),
    )
    .execute();
  const byCursor = new Map(rows.map((row) => [row.first_cursor, row]));
  const blocks: StoredBlock[] = [];
  for (const { first_cursor, last_cursor, lines, last_ms } of heads) {
    const row = byCursor.get(first_cursor);
    if (row === undefined || row.last_cursor !== last_cursor || row.lines !== lines) return null;
    blocks.push({ first_cursor, last_cursor, lines, last_ms, data: row.data });
  }
  return blocks;
}

function hasBit(column: 'levels' | 'streams', bits: number): ReturnType<typeof sql<boolean>> {
  return sql<boolean>`(${sql.ref(column)} & cast(${bits} as bigint)) <> 0`;
}

/** Log lines from the database, in windows of bounded size, so that no search holds the reader for long. */
import { type Kysely, sql } from 'kysely';
import { KIB, MIB } from '../../protocol/limits.ts';
import type { LogLine, LogStream } from '../../protocol/nouns.ts';
import type { Schema } from '../db/schema.ts';
import { asciiPart, foldCase, type LogFilter, matcher } from './log-filter.ts';

export const queryLimits = {
  /** Lines of one answer. */
  lines: 1_000,
  defaultLines: 200,
  /** Bytes of text in one answer; at least one line is given. */
  bytes: 2 * MIB,
  /** Rows that one statement looks at: at worst 32 MiB of text, usually 200 KiB. */
  windowRows: 2_000,
  /** Windows of one answer: all that retention keeps of a handler. */
  windows: 60,
  /** Rows that one statement returns. */
  pageRows: 250,
} as const;

/** Escaped JSON of the shortest line, to count short lines as what they cost. */
const lineOverheadBytes = KIB / 4;

export interface LogRange {
  readonly handlerId: string;
  /** Lines with a cursor above this. */
  readonly after: number;
  /** Lines with a cursor up to this, included. */
  readonly upTo: number;
  readonly direction: 'oldest first' | 'newest first';
  readonly filter: LogFilter;
  readonly limit: number;
  /** Bytes of text after which the answer ends; at least one line is given. */
  readonly bytes?: number;
}

export interface LogRangeResult {
  /** Ascending by cursor, whatever the direction. */
  readonly lines: readonly LogLine[];
  /** Everything of the range on the way to this cursor (included) has been looked at. */
  readonly seen: number;
  /** The range has been looked at to its end. */
  readonly complete: boolean;
}

/** The first lines of a range, seen from the side that `direction` names. */
export async function readRange(db: Kysely<Schema>, handlerName: string, range: LogRange): Promise<LogRangeResult> {
  const backward = range.direction === 'newest first';
  const matches = matcher(range.filter);
  const lines: LogLine[] = [];
  let bytes = 0;
  let { after, upTo } = range;
  const result = (complete: boolean): LogRangeResult => ({
    lines: backward ? lines.reverse() : lines,
    seen: backward ? upTo + 1 : after,
    complete,
  });
  for (let window = 0; window < queryLimits.windows; window += 1) {
    if (after >= upTo) return result(true);
    const edge = await windowEdge(db, { handlerId: range.handlerId, after, upTo, backward });
    const [low, high] = backward ? [edge === null ? after : edge - 1, upTo] : [after, edge ?? upTo];
    let [at, to] = [low, high];
    for (;;) {
      const rows = await page(db, { handlerId: range.handlerId, after: at, upTo: to, backward, filter: range.filter });
      for (const row of rows) {
        if (backward) to = row.cursor - 1;
        else at = row.cursor;
        if (!matches(row, () => foldCase(row.text))) continue;
        lines.push(toLine(row, handlerName));
        bytes += row.text.length + lineOverheadBytes;
        if (lines.length < range.limit && bytes < (range.bytes ?? queryLimits.bytes)) continue;
        if (backward) upTo = to;
        else after = at;
        return result(after >= upTo);
      }
      if (rows.length < queryLimits.pageRows) break;
    }
    if (backward) upTo = low;
    else after = high;
  }
  return result(after >= upTo);
}

/** Cursor of the window's last row on the far side; null when the whole rest fits into one window. */
async function windowEdge(
  db: Kysely<Schema>,
  range: { handlerId: string; after: number; upTo: number; backward: boolean },
): Promise<number | null> {
  const row = await db
    .selectFrom('log_lines')
    .select('cursor')
    .where('handler_id', '=', range.handlerId)
    .where('cursor', '>', range.after)
    .where('cursor', '<=', range.upTo)
    .orderBy('cursor', range.backward ? 'desc' : 'asc')
    .limit(1)
    .offset(queryLimits.windowRows - 1)
    .executeTakeFirst();
  return row?.cursor ?? null;
}

function page(
  db: Kysely<Schema>,
  range: { handlerId: string; after: number; upTo: number; backward: boolean; filter: LogFilter },
): Promise<Schema['log_lines'][]> {
  const { level, grep, invocation } = range.filter;
  const needle = asciiPart(foldCase(grep ?? ''));
  let query = db
    .selectFrom('log_lines')
    .selectAll()
    .where('handler_id', '=', range.handlerId)
    .where('cursor', '>', range.after)
    .where('cursor', '<=', range.upTo);
  if (level !== undefined) query = query.where('level', '<=', level);
  if (invocation !== undefined) query = query.where('invocation', '=', invocation);
  // Not LIKE: it has wildcards, and SQLite's stops at a NUL. The exact test is `matcher`'s.
  if (needle !== '') query = query.where(sql<boolean>`replace(lower(text), ${needle}, '') <> lower(text)`);
  return query
    .orderBy('cursor', range.backward ? 'desc' : 'asc')
    .limit(queryLimits.pageRows)
    .execute();
}

function toLine(row: Schema['log_lines'], handler: string): LogLine {
  return {
    cursor: row.cursor,
    handler,
    deployment: row.deployment,
    invocation: row.invocation,
    seq: row.seq,
    timeMs: row.time_ms,
    gas: row.gas,
    stream: toStream(row.stream),
    level: row.level,
    text: row.text,
  };
}

function toStream(text: string): LogStream {
  if (text === 'log' || text === 'stderr' || text === 'platform') return text;
  throw new Error(`a stored line has the unknown stream ${text}`);
}

/** Log lines from the database, in windows of bounded size, so that no search holds the reader for long. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { KIB, MIB } from '../../protocol/limits.ts';
import type { LogLine, LogStream } from '../../protocol/nouns.ts';
import type { LogFilter } from '../../protocol/ports.ts';
import type { Schema } from '../db/schema.ts';
import { expiredBetween } from './expired.ts';
import { asciiPart, foldCase, matcher } from './log-filter.ts';

export const queryLimits = {
  /** Lines of one answer. */
  lines: 1_000,
  defaultLines: 200,
  /** Bytes of text in one answer; at least one line is returned. */
  bytes: 2 * MIB,
  /**
   * Rows, followed by bytes of text, that one statement of a search examines: a few milliseconds of the reader's
   * connection.
   */
  windowRows: 2_000,
  windowBytes: 2 * MIB,
  /**
   * Longest pause, in milliseconds, between two parts of a search; a shorter part is followed by a pause of its own
   * length.
   */
  restMs: 20,
  /**
   * Bytes of text that a search examines for one answer, about 100 ms of work; then it stops, which the answer says.
   */
  searchBytes: 32 * MIB,
  /** Rows that a search examines for one answer: all that retention keeps of a handler. */
  searchRows: 120_000,
  /** Rows that one statement returns. */
  pageRows: 250,
} as const;

/** Bytes of JSON of the shortest line, counted for each line besides its text. */
const lineOverheadBytes = KIB / 4;

export interface LogRange {
  readonly handlerId: string;
  /** Only lines with a greater cursor. */
  readonly after: number;
  /** Only lines with this cursor or a smaller one. */
  readonly upTo: number;
  readonly direction: 'oldest first' | 'newest first';
  readonly filter: LogFilter;
  readonly limit: number;
  /** Bytes of text after which the answer ends; at least one line is returned. */
  readonly bytes?: number;
}

export interface LogRangeResult {
  /** Lines in ascending order of cursors, in either direction. */
  readonly lines: readonly LogLine[];
  /** Cursor up to which (included) the range has been examined, in the direction of reading. */
  readonly seen: number;
  /** Whether the whole range has been examined. */
  readonly complete: boolean;
  /**
   * Whether a search ended at `queryLimits.searchBytes` or `searchRows` before `lines` was full; the next question
   * starts at `seen`.
   */
  readonly stopped: boolean;
  /**
   * Number of lines that retention has removed between `after` and the first of `lines`; 0 for `newest first` and
   * `after` 0.
   */
  readonly expired: number;
}

/** Returns whether a filter has to look at lines that it then leaves out. */
export function isSearch({ grep, ...others }: LogFilter): boolean {
  const { level, invocation, stream, preview, sinceMs, untilMs } = others;
  return (
    (grep ?? '') !== '' || [level, invocation, stream, preview, sinceMs, untilMs].some((wanted) => wanted !== undefined)
  );
}

/** Returns the first lines of a range, seen from the side that `direction` names. */
export async function readRange(db: Kysely<Schema>, handlerName: string, range: LogRange): Promise<LogRangeResult> {
  const found = await scan(db, handlerName, range);
  if (range.direction === 'newest first' || range.after === 0) return { ...found, expired: 0 };
  // Read last: lines that are removed during this read are above the first line, or counted.
  const below = found.lines[0]?.cursor ?? found.seen + 1;
  const expired = await expiredBetween(db, { handlerId: range.handlerId, after: range.after, below });
  return { ...found, expired };
}

async function scan(
  db: Kysely<Schema>,
  handlerName: string,
  range: LogRange,
): Promise<Omit<LogRangeResult, 'expired'>> {
  const backward = range.direction === 'newest first';
  const { handlerId, filter } = range;
  const matches = matcher(filter);
  const lines: LogLine[] = [];
  let bytes = 0;
  let { after, upTo } = range;
  const result = (how: { complete: boolean; stopped?: boolean }): Omit<LogRangeResult, 'expired'> => ({
    lines: backward ? lines.reverse() : lines,
    seen: backward ? upTo + 1 : after,
    complete: how.complete,
    stopped: how.stopped ?? false,
  });
  let lookedAt = { rows: 0, bytes: 0 };
  while (after < upTo) {
    if (lookedAt.rows >= queryLimits.searchRows || lookedAt.bytes >= queryLimits.searchBytes)
      return result({ complete: false, stopped: true });
    // Without a filter each row is a line of the answer, whose own limits apply.
    const startMs = performance.now();
    const window = isSearch(filter) ? await windowOf(db, { handlerId, after, upTo, backward }) : null;
    if (window !== null) lookedAt = { rows: lookedAt.rows + window.rows, bytes: lookedAt.bytes + window.bytes };
    const edge = window?.edge ?? (backward ? after + 1 : upTo);
    let [at, to] = backward ? [edge - 1, upTo] : [after, edge];
    for (;;) {
      const rows = await page(db, { handlerId, after: at, upTo: to, backward, filter });
      for (const row of rows) {
        if (backward) to = row.cursor - 1;
        else at = row.cursor;
        const line = toLine(row, handlerName);
        if (!matches(line, () => foldCase(row.text))) continue;
        lines.push(line);
        bytes += row.text.length + lineOverheadBytes;
        if (lines.length < range.limit && bytes < (range.bytes ?? queryLimits.bytes)) continue;
        if (backward) upTo = to;
        else after = at;
        return result({ complete: after >= upTo });
      }
      if (rows.length < queryLimits.pageRows) break;
    }
    if (backward) upTo = edge - 1;
    else after = edge;
    if (window !== null) await rest(performance.now() - startMs);
  }
  return result({ complete: true });
}

/** Waits as long as a part of a search took, so that searches use at most half of a processor's time. */
function rest(tookMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(tookMs, queryLimits.restMs)));
}

/**
 * Returns the rows that the next statement of a search may look at: `edge` is the cursor of the last of them on the far
 * side, null where all that is left of the range fits. Bytes are found without reading texts (octet_length of a long
 * value is known from its header on both databases).
 */
async function windowOf(
  db: Kysely<Schema>,
  range: { handlerId: string; after: number; upTo: number; backward: boolean },
): Promise<{ readonly edge: number | null; readonly rows: number; readonly bytes: number }> {
  const order = range.backward ? 'desc' : 'asc';
  const found = await db
    .selectFrom((from) =>
      from
        .selectFrom((inner) =>
          inner
            .selectFrom('log_lines')
            .select(['cursor', sql<number>`octet_length(text)`.as('bytes')])
            .where('handler_id', '=', range.handlerId)
            .where('cursor', '>', range.after)
            .where('cursor', '<=', range.upTo)
            .orderBy('cursor', order)
            .limit(queryLimits.windowRows)
            .as('newest'),
        )
        .select(({ fn }) => [
          'cursor',
          'bytes',
          fn
            .sum<number>('bytes')
            .over((over) => over.orderBy('cursor', order))
            .as('total'),
        ])
        .as('running'),
    )
    .select(({ fn }) => [
      fn.countAll<number>().as('rows'),
      fn.max<number | null>('total').as('bytes'),
      fn.min<number | null>('cursor').as('low'),
      fn.max<number | null>('cursor').as('high'),
    ])
    // A line is far shorter than windowBytes, so there is at least one row.
    .where('total', '<=', queryLimits.windowBytes)
    .executeTakeFirstOrThrow();
  return { edge: range.backward ? found.low : found.high, rows: found.rows, bytes: found.bytes ?? 0 };
}

function page(
  db: Kysely<Schema>,
  range: { handlerId: string; after: number; upTo: number; backward: boolean; filter: LogFilter },
): Promise<Selectable<Schema['log_lines']>[]> {
  const { level, grep, invocation, stream, preview, sinceMs, untilMs } = range.filter;
  const needle = asciiPart(foldCase(grep ?? ''));
  let query = db
    .selectFrom('log_lines')
    .selectAll()
    .where('handler_id', '=', range.handlerId)
    .where('cursor', '>', range.after)
    .where('cursor', '<=', range.upTo);
  if (level !== undefined) query = query.where('level', '<=', level);
  if (invocation !== undefined) query = query.where('invocation', '=', invocation);
  if (stream !== undefined) query = query.where('stream', '=', stream);
  if (preview !== undefined) query = query.where('preview', '=', preview);
  if (sinceMs !== undefined) query = query.where('time_ms', '>=', sinceMs);
  if (untilMs !== undefined) query = query.where('time_ms', '<', untilMs);
  // Not LIKE: it has wildcards, and SQLite's stops at a NUL. The exact test is `matcher`'s.
  if (needle !== '') query = query.where(sql<boolean>`replace(lower(text), ${needle}, '') <> lower(text)`);
  return query
    .orderBy('cursor', range.backward ? 'desc' : 'asc')
    .limit(queryLimits.pageRows)
    .execute();
}

function toLine(row: Selectable<Schema['log_lines']>, handler: string): LogLine {
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
    ...(row.preview === '' ? {} : { preview: row.preview }),
  };
}

function toStream(text: string): LogStream {
  if (text === 'log' || text === 'stderr' || text === 'platform') return text;
  throw new Error(`a stored line has the unknown stream ${text}`);
}

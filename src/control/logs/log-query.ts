/** Reads log lines from blocks, a window of bounded size at a time, so that no search holds anybody up for long. */
import type { Kysely } from 'kysely';
import { KIB, MIB } from '../../protocol/limits.ts';
import { blockHeadBytes, blockStreams } from '../../protocol/log-block.ts';
import { columnBytesOf } from '../../protocol/log-block-reader.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { LogLine } from '../../protocol/nouns.ts';
import type { LogFilter } from '../../protocol/ports.ts';
import type { Schema } from '../db/schema.ts';
import { type BlockHead, type BlockRange, blocksOf, headsOf, mayMatch, type StoredBlock } from './block-rows.ts';
import { type BlockSearch, type BlockSearchResult, searchBlocks } from './block-search.ts';
import { expiredBetween } from './expired.ts';
import { isSearch, streamsOf } from './log-filter.ts';
import { compileRegex } from './regex.ts';

export const queryLimits = {
  /** Lines of one answer. */
  lines: 1_000,
  defaultLines: 200,
  /** Bytes of text in one answer; at least one line is returned. */
  bytes: 2 * MIB,
  /** Blocks whose facts one statement reads. */
  heads: 64,
  /** Lines, followed by UTF-16 units of text, that one part of a search unpacks: some milliseconds of the thread. */
  windowRows: 8_192,
  windowBytes: 2 * MIB,
  /** Lines, followed by bytes of columns, that are unpacked at once on the event loop, without the thread. */
  inlineRows: 4_096,
  inlineBytes: 512 * KIB,
  /**
   * Longest pause, in milliseconds, between two parts of a search; a shorter part is followed by a pause of its own
   * length.
   */
  restMs: 20,
  /** UTF-16 units of text that a search examines for one answer; then it stops, which the answer says. */
  searchBytes: 32 * MIB,
  /** Lines that a search examines for one answer. */
  searchRows: 500_000,
  /**
   * Steps that a regular expression may take for one answer, followed by those of one part of the search: characters of
   * text times instructions of the pattern's program.
   */
  regexSteps: 512 * MIB,
  windowSteps: 32 * MIB,
} as const;

/** Sources of a read. */
export interface BlockSource {
  readonly db: Kysely<Schema>;
  /** Searches blocks off the event loop. */
  readonly search: (search: BlockSearch) => Promise<BlockSearchResult>;
  /** Returns the bytes of a block that is still in memory; undefined: read them from the database. */
  readonly recent: (handlerId: HandlerId, head: BlockHead) => Uint8Array | undefined;
}

export interface LogRange extends BlockRange {
  readonly filter: LogFilter;
  /** Most lines of the answer. */
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

/** Returns the first lines of a range, seen from the side that `direction` names. */
export async function readRange(source: BlockSource, handlerName: string, range: LogRange): Promise<LogRangeResult> {
  const found = await scan(source, handlerName, range);
  if (range.direction === 'newest first' || range.after === 0) return { ...found, expired: 0 };
  // Read last: lines that are removed during this read are above the first line, or counted.
  const below = found.lines[0]?.cursor ?? found.seen + 1;
  const expired = await expiredBetween(source.db, { handlerId: range.handlerId, after: range.after, below });
  return { ...found, expired };
}

async function scan(source: BlockSource, handler: string, range: LogRange): Promise<Omit<LogRangeResult, 'expired'>> {
  const isBackward = range.direction === 'newest first';
  const { handlerId, direction, filter } = range;
  const searches = isSearch(filter);
  const hidesSome = streamsOf(filter).length < blockStreams.length;
  const steps = filter.regex === undefined ? 1 : compileRegex(filter.regex).steps;
  const charsMax = Math.min(queryLimits.searchBytes, queryLimits.regexSteps / steps);
  const lines: LogLine[] = [];
  let bytes = range.bytes ?? queryLimits.bytes;
  let { after, upTo } = range;
  const result = (how: { complete: boolean; stopped?: boolean }): Omit<LogRangeResult, 'expired'> => ({
    lines: isBackward ? lines.reverse() : lines,
    seen: isBackward ? upTo + 1 : after,
    complete: how.complete,
    stopped: how.stopped ?? false,
  });
  let lookedAt = { rows: 0, chars: 0 };
  while (after < upTo) {
    if (lookedAt.rows >= queryLimits.searchRows || lookedAt.chars >= charsMax)
      return result({ complete: false, stopped: true });
    const startMs = performance.now();
    const rest = { handlerId, after, upTo, direction };
    const heads = await headsOf(source.db, { ...rest, filter, limit: queryLimits.heads });
    // Without a search, as many lines as are missing; more where most turn out to be requests, which are left out.
    const wanted = searches ? queryLimits.windowRows : Math.max(range.limit - lines.length, lookedAt.rows);
    const window = windowOf(heads, {
      ...{ rest, filter, rows: Math.min(queryLimits.windowRows, wanted) },
      chars: Math.min(queryLimits.windowBytes, queryLimits.windowSteps / steps),
    });
    const blocks = await load(source, handlerId, window.heads);
    // Blocks have been merged or removed since their heads were read: their lines are elsewhere now.
    if (blocks === null) continue;
    const search = { ...rest, handler, blocks, filter, limit: range.limit - lines.length, bytes };
    const columnBytes = blocks.reduce(
      (sum, { data }) => sum + (data.length < blockHeadBytes ? 0 : columnBytesOf(data)),
      0,
    );
    const isShort =
      window.rows <= queryLimits.inlineRows && columnBytes <= queryLimits.inlineBytes && filter.regex === undefined;
    const found = isShort ? searchBlocks(search) : await source.search(search);
    lines.push(...found.lines);
    bytes -= found.bytes;
    if (found.isFull) {
      const last = found.lines.at(-1) as LogLine;
      if (isBackward) upTo = last.cursor - 1;
      else after = last.cursor;
      return result({ complete: after >= upTo });
    }
    if (isBackward) upTo = window.edge;
    else after = window.edge;
    // A read of all lines looks at no line in vain.
    if (!searches && !hidesSome) continue;
    lookedAt = { rows: lookedAt.rows + window.rows, chars: lookedAt.chars + window.chars };
    if (blocks.length > 0 && (searches || !isShort)) await pause(performance.now() - startMs);
  }
  return result({ complete: true });
}

/** Waits as long as a part of a search took, so that searches use at most half of a processor's time. */
function pause(tookMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(tookMs, queryLimits.restMs)));
}

interface Window {
  /** Blocks to unpack. */
  readonly heads: readonly BlockHead[];
  /** Cursor up to which (included; backward: below which) these are all blocks that can have lines of the filter. */
  readonly edge: number;
  /** Lines, followed by UTF-16 units of text, of the blocks. */
  readonly rows: number;
  readonly chars: number;
}

/**
 * Returns the first of `heads` that may match, at least one if any does, with about `rows` lines and `chars` of text.
 */
function windowOf(
  heads: readonly BlockHead[],
  {
    rest,
    filter,
    rows: most,
    chars: charsMost,
  }: { readonly rest: BlockRange; readonly filter: LogFilter; readonly rows: number; readonly chars: number },
): Window {
  const isBackward = rest.direction === 'newest first';
  const chosen: BlockHead[] = [];
  let rows = 0;
  let chars = 0;
  for (const head of heads) {
    if (!mayMatch(head, filter)) continue;
    if (chosen.length > 0 && (rows >= most || chars + head.text_chars > charsMost))
      return { heads: chosen, edge: isBackward ? head.last_cursor : head.first_cursor - 1, rows, chars };
    chosen.push(head);
    rows += head.lines;
    chars += head.text_chars;
  }
  const last = heads.at(-1);
  if (heads.length < queryLimits.heads || last === undefined)
    return { heads: chosen, edge: isBackward ? rest.after : rest.upTo, rows, chars };
  return { heads: chosen, edge: isBackward ? last.first_cursor - 1 : last.last_cursor, rows, chars };
}

/**
 * Returns the blocks of `heads`, from memory where they are all there; null when one is not stored as its head says.
 */
async function load(
  source: BlockSource,
  handlerId: HandlerId,
  heads: readonly BlockHead[],
): Promise<StoredBlock[] | null> {
  const recent: StoredBlock[] = [];
  for (const head of heads) {
    const data = source.recent(handlerId, head);
    if (data === undefined) return blocksOf(source.db, handlerId, heads);
    const { first_cursor, last_cursor, lines, last_ms } = head;
    recent.push({ first_cursor, last_cursor, lines, last_ms, data });
  }
  return recent;
}

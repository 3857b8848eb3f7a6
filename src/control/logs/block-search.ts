/**
 * Finds lines in blocks, and merges blocks. Pure: runs in the main thread where little is to be unpacked, else in the
 * thread of block-thread.ts.
 */
import { type BlockLine, type PackedLines, packLines } from '../../protocol/log-block.ts';
import {
  DamagedBlock,
  lineAt,
  packedLineAt,
  readFields,
  textAt,
  type UnpackedBlock,
  unpackBlock,
} from '../../protocol/log-block-reader.ts';
import { fieldMarks } from '../../protocol/log-fields.ts';
import { type LogLine, logLevels } from '../../protocol/nouns.ts';
import type { LogFilter } from '../../protocol/ports.ts';
import type { BlockRange, StoredBlock } from './block-rows.ts';
import { foldCase, hasFields, isInRange, isSearch, streamsOf } from './log-filter.ts';
import { compileRegex } from './regex.ts';

/** Bytes of JSON of the shortest line, counted for each line besides its text. */
export const lineOverheadBytes = 256;

export interface BlockSearch extends Omit<BlockRange, 'handlerId'> {
  /** Name of the handler, which the lines carry. */
  readonly handler: string;
  /** Blocks to search, in the direction of reading. */
  readonly blocks: readonly StoredBlock[];
  readonly filter: LogFilter;
  /** Most lines, followed by the bytes of text after which the search ends. */
  readonly limit: number;
  readonly bytes: number;
}

export interface BlockSearchResult {
  /** Lines found, in the direction of reading. */
  readonly lines: readonly LogLine[];
  readonly bytes: number;
  /** Whether `limit` or `bytes` was reached; the last of `lines` is then the last line examined. */
  readonly isFull: boolean;
}

/** Returns the lines of the range that the filter lets through. A damaged block gives one line that says so. */
export function searchBlocks(search: BlockSearch): BlockSearchResult {
  const { after, upTo, handler, filter, limit } = search;
  const isBackward = search.direction === 'newest first';
  const lines: LogLine[] = [];
  let bytes = 0;
  for (const stored of search.blocks) {
    const found = linesOf(stored, { handler, filter, after, upTo });
    if (isBackward) found.reverse();
    for (const line of found) {
      const made = line();
      lines.push(made);
      bytes += made.text.length + lineOverheadBytes;
      if (lines.length >= limit || bytes >= search.bytes) return { lines, bytes, isFull: true };
    }
  }
  return { lines, bytes, isFull: false };
}

/**
 * Unpacks a block of an export, or of live lines: all its lines in order. A damaged block gives one line that says so.
 */
export function allLines(stored: StoredBlock, handler: string): LogLine[] {
  const all = { filter: { requests: true }, after: 0, upTo: Number.MAX_SAFE_INTEGER };
  return linesOf(stored, { handler, ...all }).map((line) => line());
}

/**
 * Returns one block with the lines and cursors of the given ones, which are in the order of their cursors; or the first
 * cursor of one that is damaged.
 */
export function mergeBlocks(
  blocks: readonly StoredBlock[],
): { readonly merged: PackedLines } | { readonly damaged: number } {
  const lines: BlockLine[] = [];
  const cursors: number[] = [];
  for (const stored of blocks) {
    try {
      const block = unpackStored(stored);
      for (let index = 0; index < block.lines; index += 1) {
        lines.push(packedLineAt(block, index));
        cursors.push(stored.first_cursor + (block.offsets[index] as number));
      }
    } catch (error) {
      if (error instanceof DamagedBlock) return { damaged: stored.first_cursor };
      throw error;
    }
  }
  return { merged: packLines(lines, cursors) };
}

/** Unpacks a block, and compares its last cursor with that of its row. Throws DamagedBlock. */
function unpackStored({ data, lines, first_cursor, last_cursor }: StoredBlock): UnpackedBlock {
  const block = unpackBlock(data, lines);
  if (first_cursor + (block.offsets[lines - 1] as number) !== last_cursor) throw new DamagedBlock('its cursors');
  return block;
}

/** Returns functions that make the lines found in a block, in ascending order. */
function linesOf(
  stored: StoredBlock,
  { handler, filter, after, upTo }: Pick<BlockSearch, 'handler' | 'filter' | 'after' | 'upTo'>,
): (() => LogLine)[] {
  const first = stored.first_cursor;
  let block: UnpackedBlock;
  try {
    block = unpackStored(stored);
  } catch (error) {
    if (!(error instanceof DamagedBlock)) throw error;
    // The line that tells of the damage has the block's last cursor.
    const { last_cursor } = stored;
    return after < last_cursor && last_cursor <= upTo ? [() => damagedLine(stored, handler)] : [];
  }
  const found: (() => LogLine)[] = [];
  for (const index of matching(block, filter)) {
    const cursor = first + (block.offsets[index] as number);
    if (cursor > after && cursor <= upTo) found.push(() => lineAt(block, index, { first, handler }));
  }
  return found;
}

function damagedLine({ last_cursor, lines, last_ms }: StoredBlock, handler: string): LogLine {
  return {
    cursor: last_cursor,
    handler,
    deployment: 0,
    invocation: '',
    seq: 0,
    timeMs: last_ms,
    gas: 0,
    stream: 'platform',
    level: logLevels.error,
    text: `${lines} log line${lines === 1 ? '' : 's'} here cannot be read (log_block_damaged): what is stored of them is damaged`,
  };
}

/** Returns the lines that the filter lets through, as `matcher` does, but column by column. */
function* matching(block: UnpackedBlock, filter: LogFilter): Generator<number> {
  const { level, invocation, deployment, status, preview, sinceMs, untilMs, grep = '', fields = [] } = filter;
  const isFree = !isSearch({ ...filter, grep: undefined });
  const marks = fields.map(fieldMarks);
  const streams = streamsOf(filter);
  const isHidden = block.streams.map((stream) => !streams.includes(stream));
  const regex = filter.regex === undefined ? null : compileRegex(filter.regex);
  for (const index of grep === '' ? numbersTo(block.lines) : withText(block, foldCase(grep))) {
    if (isHidden[index] === true) continue;
    const isMatch =
      isFree ||
      ((level === undefined || (block.levels[index] as number) <= level) &&
        (invocation === undefined || block.invocations[index] === invocation) &&
        (deployment === undefined || block.deployments[index] === deployment) &&
        (status === undefined || isInRange(block.statuses?.[index] ?? 0, status)) &&
        (preview === undefined || block.previews[index] === preview) &&
        (sinceMs === undefined || (block.timesMs[index] as number) >= sinceMs) &&
        (untilMs === undefined || (block.timesMs[index] as number) < untilMs) &&
        (fields.length === 0 || fieldsMatch(block.fields?.[index] ?? '', fields, marks)) &&
        (regex === null || regex.test(textAt(block, index))));
    if (isMatch) yield index;
  }
}

/** Returns whether fields in JSON fit all conditions. Parses them only where one of the marks of each occurs. */
function fieldsMatch(text: string, wanted: readonly string[], marks: readonly (readonly string[])[]): boolean {
  if (text === '' || !marks.every((ofOne) => ofOne.some((mark) => text.includes(mark)))) return false;
  return hasFields(readFields(text), wanted);
}

function* numbersTo(count: number): Generator<number> {
  for (let index = 0; index < count; index += 1) yield index;
}

/** Returns the lines whose text contains `needle`, which is folded. Looks through the texts of the block in one go. */
function* withText(block: UnpackedBlock, needle: string): Generator<number> {
  const folded = block.isAscii ? block.text.toLowerCase() : foldCase(block.text);
  let index = 0;
  let from = 0;
  for (;;) {
    const at = folded.indexOf(needle, from);
    if (at < 0) return;
    while ((block.textEnds[index] as number) <= at) index += 1;
    const end = block.textEnds[index] as number;
    if (at + needle.length > end) {
      // It reaches into the next line.
      from = at + 1;
      continue;
    }
    yield index;
    if (index === block.lines - 1) return;
    from = end;
    index += 1;
  }
}

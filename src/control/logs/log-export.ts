/** Log lines of a handler as a download: all that are kept, in the order of their cursors. */

import type { HandlerId } from '../../protocol/names.ts';
import type { LogLine } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { csvLine, type ExportFormat, exportLimits } from '../exports/lines.ts';
import { type BlockSize, blocksOf, sizesOf } from './block-rows.ts';
import { searchBlocks } from './block-search.ts';

/** Fields of a line in a download, in the order of the CSV's columns. */
export const exportedLogFields = [
  'cursor',
  'deployment',
  'invocation',
  'seq',
  'timeMs',
  'gas',
  'stream',
  'level',
  'text',
  'status',
  'fields',
] as const;

const allLines = { requests: true };

/** Blocks of one page. */
const pageBlocks = 16;

/**
 * Yields the lines of a download, in pieces of a page: the log lines above the cursor `after` that are stored when it
 * begins. A line that retention removes meanwhile may be missing where the download takes longer than a view.
 */
export async function* exportLogLines(
  db: Database,
  { userId, handlerId }: { readonly userId: string; readonly handlerId: HandlerId },
  { after: first, format }: { readonly after: number; readonly format: ExportFormat },
): AsyncGenerator<string> {
  let after = first;
  let upTo: number | null = null;
  yield* db.views.pages(userId, async (view) => {
    if (upTo === null) {
      const newest = await view
        .selectFrom('log_blocks')
        .select(({ fn }) => fn.max<number | null>('last_cursor').as('cursor'))
        .where('handler_id', '=', handlerId)
        .executeTakeFirst();
      upTo = newest?.cursor ?? 0;
      if (format === 'csv' && after === 0) return csvLine(exportedLogFields);
    }
    const range = { handlerId, after, upTo, direction: 'oldest first' } as const;
    const heads = pageOf(await sizesOf(view, { ...range, filter: allLines, limit: pageBlocks }));
    const last = heads.at(-1);
    if (last === undefined) return null;
    // The view sees one moment, in which the blocks are as their heads say.
    const blocks = (await blocksOf(view, handlerId, heads)) ?? [];
    after = last.last_cursor;
    const all = { limit: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };
    return searchBlocks({ ...range, ...all, handler: '', filter: allLines, blocks })
      .lines.map((line) => (format === 'ndjson' ? ndjsonOf(line) : csvOf(line)))
      .join('');
  });
}

/**
 * Returns a line as JSON, its fields in the order of the CSV's columns; status and fields are left out where there are
 * none.
 */
function ndjsonOf({
  handler: _,
  cursor,
  deployment,
  invocation,
  seq,
  timeMs,
  gas,
  stream,
  level,
  text,
  ...more
}: LogLine): string {
  return `${JSON.stringify({ cursor, deployment, invocation, seq, timeMs, gas, stream, level, text, ...more })}\n`;
}

/** Returns a line as CSV; fields are one column, as JSON. */
function csvOf({ fields, ...line }: LogLine): string {
  const json = fields === undefined ? null : JSON.stringify(fields);
  return csvLine(exportedLogFields.map((field) => (field === 'fields' ? json : (line[field] ?? null))));
}

/** Returns the first of `heads` with about a page of lines: at least one. */
function pageOf(heads: readonly BlockSize[]): readonly BlockSize[] {
  let rows = 0;
  let chars = 0;
  const count = heads.findIndex((head, at) => {
    rows += head.lines;
    chars += head.text_chars;
    return at > 0 && (rows > exportLimits.pageRows || chars > exportLimits.pageBytes);
  });
  return count < 0 ? heads : heads.slice(0, count);
}

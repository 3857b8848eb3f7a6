/** Log lines of a handler as a download: all that are kept, in the order of their cursors. */
import type { Database } from '../db/database.ts';
import { csvLine, type ExportFormat, exportLimits } from '../exports/lines.ts';

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
] as const;

/**
 * Yields the lines of a download, in pieces of a page: the log lines above the cursor `after` that are stored when it
 * begins. A line that retention removes meanwhile may be missing where the download takes longer than a view.
 */
export async function* exportLogLines(
  db: Database,
  { userId, handlerId }: { readonly userId: string; readonly handlerId: string },
  { after: first, format }: { readonly after: number; readonly format: ExportFormat },
): AsyncGenerator<string> {
  let after = first;
  let upTo: number | null = null;
  yield* db.views.pages(userId, async (view) => {
    if (upTo === null) {
      const newest = await view
        .selectFrom('log_lines')
        .select(({ fn }) => fn.max<number | null>('cursor').as('cursor'))
        .where('handler_id', '=', handlerId)
        .executeTakeFirst();
      upTo = newest?.cursor ?? 0;
      if (format === 'csv' && after === 0) return csvLine(exportedLogFields);
    }
    const rows = await view
      .selectFrom('log_lines')
      .select(['cursor', 'deployment', 'invocation', 'seq', 'time_ms as timeMs', 'gas', 'stream', 'level', 'text'])
      .where('handler_id', '=', handlerId)
      .where('cursor', '>', after)
      .where('cursor', '<=', upTo)
      .orderBy('cursor')
      // A line has at most logLimits.lineBytes: a page of the longest is a few MiB.
      .limit(exportLimits.pageRows / 4)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) return null;
    after = last.cursor;
    return rows
      .map((row) =>
        format === 'ndjson' ? `${JSON.stringify(row)}\n` : csvLine(exportedLogFields.map((field) => row[field])),
      )
      .join('');
  });
}

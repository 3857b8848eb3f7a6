/** Downloads records of Invocations: all that are kept, in the order of their starts. */
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { InvocationRecord } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import { csvLine, type ExportFormat, exportLimits } from '../exports/lines.ts';

/** Fields of a record in CSV, in order. NDJSON has `syscalls` and `io` as objects, CSV has them as JSON text. */
export const exportedRecordFields = [
  'id',
  'deployment',
  'startedMs',
  'durationMs',
  'method',
  'path',
  'status',
  'outcome',
  'gas',
  'memoryPages',
  'bytesIn',
  'bytesOut',
  'logLines',
] as const;
const exportedObjects = ['syscalls', 'io'] as const;

/**
 * Yields the lines of a download, one page per piece: records of Invocations that had ended when it began and started
 * after the Invocation `after`. Throws `not_found` when `after` is not kept (any more).
 */
export async function* exportRecords(
  db: Database,
  { userId, handlerId }: { readonly userId: string; readonly handlerId: HandlerId },
  { after, format }: { readonly after: string | null; readonly format: ExportFormat },
): AsyncGenerator<string> {
  let place = { startedMs: -1, id: '' };
  let upTo: typeof place | null = null;
  yield* db.views.pages(userId, async (view) => {
    const own = view.selectFrom('invocations').where('handler_id', '=', handlerId);
    if (upTo === null) {
      const newest = await own
        .select(['started_ms', 'id'])
        .orderBy('started_ms', 'desc')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      upTo = newest === undefined ? place : { startedMs: Number(newest.started_ms), id: newest.id };
      if (after !== null) {
        const first = await own.select('started_ms').where('id', '=', after).executeTakeFirst();
        if (first === undefined) throw new PlatformError('not_found', 'no such invocation is kept (any more)');
        place = { startedMs: Number(first.started_ms), id: after };
      } else if (format === 'csv') return csvLine([...exportedRecordFields, ...exportedObjects]);
    }
    const { startedMs, id } = place;
    const last = upTo;
    const rows = await own
      .select(['started_ms', 'id', 'record'])
      .where((eb) =>
        eb.or([eb('started_ms', '>', startedMs), eb.and([eb('started_ms', '=', startedMs), eb('id', '>', id)])]),
      )
      .where((eb) =>
        eb.or([
          eb('started_ms', '<', last.startedMs),
          eb.and([eb('started_ms', '=', last.startedMs), eb('id', '<=', last.id)]),
        ]),
      )
      .orderBy('started_ms')
      .orderBy('id')
      // A record has at most usageLimits.recordChars, so a page of the longest is a few MiB.
      .limit(exportLimits.pageRows / 4)
      .execute();
    const end = rows.at(-1);
    if (end === undefined) return null;
    place = { startedMs: Number(end.started_ms), id: end.id };
    return rows.map(({ record }) => lineOf(record, format)).join('');
  });
}

function lineOf(json: string, format: ExportFormat): string {
  // JSON escapes line ends, so the record has none.
  if (format === 'ndjson') return `${json}\n`;
  const record = JSON.parse(json) as Omit<InvocationRecord, 'handler'>; // UsageStore has written this JSON.
  return csvLine([
    ...exportedRecordFields.map((field) => record[field]),
    ...exportedObjects.map((field) => JSON.stringify(record[field])),
  ]);
}

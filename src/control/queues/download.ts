/**
 * Writes downloads of messages, one JSON object per line or CSV (docs/queues.md), of any length, with memory for one
 * page.
 */
import { isUtf8 } from 'node:buffer';
import { type Kysely, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import type { MessageState } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { isNoText } from '../db/sql-error.ts';
import { csvLine, type ExportFormat, exportLimits } from '../exports/lines.ts';

/** Fields of a message in a download, in the order of the CSV's columns. */
export const exportedFields = [
  'id',
  'position',
  'state',
  'contentType',
  'group',
  'attempts',
  'publishedMs',
  'dueMs',
  'endedMs',
  'reason',
  'invocation',
  'text',
  'base64',
] as const;

/** Returns a body in JSON: `text` if it is UTF-8, else `base64`; the other field is null. */
export function bodyFields(body: Uint8Array): { readonly text: string | null; readonly base64: string | null } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return isUtf8(bytes)
    ? { text: bytes.toString('utf8'), base64: null }
    : { text: null, base64: bytes.toString('base64') };
}

/**
 * Yields the lines of a download, one page per piece: the messages after `after` that the queue has when it begins, as
 * of one view of the database (views.ts). `state`: only messages in this state.
 */
export async function* exportLines(
  db: Database,
  { ownerId, queueId }: { readonly ownerId: string; readonly queueId: string },
  options: { readonly after: number; readonly state: MessageState | undefined; readonly format: ExportFormat },
): AsyncGenerator<string | Buffer> {
  const { format, state } = options;
  let { after } = options;
  let upTo: number | null = null;
  // Whether the database writes the lines; ends with the first page that has a body which is no UTF-8.
  let isWrittenBySql = format === 'ndjson';
  yield* db.views.pages(ownerId, async (view) => {
    if (upTo === null) {
      upTo = await lastPosition(view, queueId);
      if (format === 'csv' && after === 0) return csvLine(exportedFields);
    }
    if (after >= upTo) return null;
    const messages = view
      .selectFrom('messages')
      .where('queue_id', '=', queueId)
      .where('position', '>', after)
      .$if(state !== undefined, (query) => query.where('state', '=', state!)); // asked on this line
    const last = await pageEnd(view, messages.where('position', '<=', upTo));
    after = last ?? upTo;
    if (last === null) return '';
    const page = messages.where('position', '<=', last).orderBy('position');
    const written = isWrittenBySql ? await (db.isShared ? postgresLines : sqliteLines)(view, page) : null;
    if (written !== null) return written;
    isWrittenBySql = false;
    const rows = await page.select(['body', lineHead(db.isShared ? postgresJson : sqliteJson).as('head')]).execute();
    return rows.map((row) => lineOf(row, format)).join('');
  });
}

/** A choice of messages, without columns. */
type Messages = SelectQueryBuilder<Schema, 'messages', object>;

/**
 * Returns the position of the last message of a page: as many of `messages` as exportLimits allows, at least one. Null:
 * there are no messages.
 */
async function pageEnd(view: Kysely<Schema>, messages: Messages): Promise<number | null> {
  const lengths = messages
    .select(['position', ({ fn }) => fn<number>('length', ['body']).as('bytes')])
    .orderBy('position')
    .limit(exportLimits.pageRows);
  // Most pages are short messages; a sum takes half the time of running sums.
  const all = await view
    .selectFrom(lengths.as('lengths'))
    .select(({ fn }) => [fn.max<number | null>('position').as('last'), fn.sum<number | null>('bytes').as('bytes')])
    .executeTakeFirst();
  if (all?.last == null) return null;
  if (Number(all.bytes) <= exportLimits.pageBytes) return Number(all.last);
  const running = view.selectFrom(lengths.as('lengths')).select(({ fn }) => [
    'position',
    'bytes',
    fn
      .sum<number>('bytes')
      .over((over) => over.orderBy('position'))
      .as('total'),
  ]);
  const fitting = await view
    .selectFrom(running.as('running'))
    .select(({ fn }) => fn.max<number>('position').as('last'))
    // Always includes the first row, which has no earlier bytes.
    .where((eb) => eb.or([eb('total', '<=', exportLimits.pageBytes), eb('total', '=', eb.ref('bytes'))]))
    .executeTakeFirstOrThrow();
  return Number(fitting.last);
}

/** Returns SQL for a text as JSON; for null it gives null or the JSON null. */
type JsonOf = (text: RawBuilder<string>) => RawBuilder<string>;

const sqliteJson: JsonOf = (text) => sql`json_quote(${text})`;
const postgresJson: JsonOf = (text) => sql`to_json(${text})::text`;

/** Returns SQL for a message's line up to its body. */
function lineHead(json: JsonOf): RawBuilder<string> {
  const orNull = (column: string): RawBuilder<string> => sql`coalesce(${json(sql.ref(column))}, 'null')`;
  return sql`'{"id":' || ${json(sql.ref('id'))} || ',"position":' || position || ',"state":' || ${json(sql.ref('state'))}
    || ',"contentType":' || ${orNull('content_type')} || ',"group":' || ${orNull('group_key')}
    || ',"attempts":' || attempts || ',"publishedMs":' || published_ms
    || ',"dueMs":' || case when state = 'ready' and due_ms > 0 then cast(due_ms as text) else 'null' end
    || ',"endedMs":' || coalesce(cast(ended_ms as text), 'null')
    || ',"reason":' || ${orNull('reason')} || ',"invocation":' || ${orNull('invocation')} || ','`;
}

/** Returns SQL for a message's line without its end; `text`: SQL for the body as text. */
function wholeLine(json: JsonOf, text: RawBuilder<string>): RawBuilder<string> {
  return sql`${lineHead(json)} || '"text":' || ${json(text)} || ',"base64":null}'`;
}

/**
 * Returns the NDJSON of `page`, made by SQLite: one value, so that the driver makes no JavaScript values of rows. Null
 * when a body is no UTF-8, which would be no JSON. `page`: messages in the order of their positions; group_concat
 * follows the order of a subquery.
 */
async function sqliteLines(view: Kysely<Schema>, page: Messages): Promise<Buffer | null> {
  const { lines } = await view
    .selectFrom(page.select(wholeLine(sqliteJson, sql`cast(body as text)`).as('line')).as('page'))
    .select(sql<Buffer>`cast(group_concat(line, char(10)) || char(10) as blob)`.as('lines'))
    .executeTakeFirstOrThrow();
  return isUtf8(lines) ? lines : null;
}

/**
 * Returns the NDJSON of `page`, made by PostgreSQL: one value per message. Null when a body is no UTF-8 or has a NUL,
 * which its type `text` cannot hold.
 */
async function postgresLines(view: Kysely<Schema>, page: Messages): Promise<string | null> {
  // The driver takes U+FDD0 for its escape of NUL (dialects/nul-text.ts), so those of a body are escaped, as in
  // columns.
  const text = sql<string>`replace(convert_from(body, 'UTF8'), chr(64976), chr(64976) || '1')`;
  // A statement that fails would end the view.
  await sql`savepoint lines`.execute(view);
  try {
    const rows = await page.select(wholeLine(postgresJson, text).as('line')).execute();
    await sql`release savepoint lines`.execute(view);
    return withNul(rows.map(({ line }) => `${line}\n`).join(''));
  } catch (error) {
    if (!isNoText(error)) throw error;
    await sql`rollback to savepoint lines`.execute(view);
    return null;
  }
}

/**
 * Returns JSON made by PostgreSQL with its NULs escaped: the driver gives those of columns back as they were stored.
 */
function withNul(json: string): string {
  return json.includes('\0') ? json.replaceAll('\0', '\\u0000') : json;
}

/** Fields of a message in a line. */
type ExportedMessage = Readonly<Record<(typeof exportedFields)[number], string | number | null>>;

function lineOf({ head, body }: { readonly head: string; readonly body: Uint8Array }, format: ExportFormat): string {
  const line = `${withNul(head)}${JSON.stringify(bodyFields(body)).slice(1)}\n`;
  if (format === 'ndjson') return line;
  const message = JSON.parse(line) as ExportedMessage; // lineHead and bodyFields have written this JSON.
  return csvLine(exportedFields.map((field) => message[field]));
}

async function lastPosition(view: Kysely<Schema>, queueId: string): Promise<number> {
  const newest = await view
    .selectFrom('messages')
    .select(({ fn }) => fn.max('position').as('position'))
    .where('queue_id', '=', queueId)
    .executeTakeFirst();
  return Number(newest?.position ?? 0);
}

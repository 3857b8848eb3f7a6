/**
 * Messages as text, one JSON object per line (docs/queues.md): reads uploads and writes downloads of any length, with
 * memory for one batch or one page.
 */
import { isUtf8 } from 'node:buffer';
import { type Kysely, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import { type MessageState, messageStates } from '../../protocol/nouns.ts';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';
import { csvLine, type ExportFormat, exportLimits } from '../exports/lines.ts';
import { checkMessage, type EndedMessage, type NewMessage } from './new-message.ts';

export const transferLimits = {
  /** Bytes of a line: a message in base64, and its other fields. */
  lineBytes: Math.ceil((queueLimits.messageBytes * 4) / 3) + 4096,
  /** Bytes of the lines of one batch; a batch ends at this number or at queueLimits.batch lines. */
  batchBytes: 8 * MIB,
  /** Invalid lines of a batch that the error names. */
  namedErrors: 20,
  /** Greatest number of attempts in a line: what the column holds on each database. */
  attempts: 2 ** 31 - 1,
} as const;

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
): AsyncGenerator<string> {
  const { format, state } = options;
  let { after } = options;
  let upTo: number | null = null;
  yield* db.views.pages(ownerId, async (view) => {
    if (upTo === null) {
      upTo = await lastPosition(view, queueId);
      if (format === 'csv' && after === 0) return csvLine(exportedFields);
    }
    if (after >= upTo) return null;
    const page = await exportPage(view, queueId, { after, upTo, state });
    after = page.last;
    return page.messages.map((message) => lineOf(message, format)).join('');
  });
}

/** Returns the messages of the next page, and the position up to which the queue has then been read. */
async function exportPage(
  view: Kysely<Schema>,
  queueId: string,
  range: { readonly after: number; readonly upTo: number; readonly state: MessageState | undefined },
): Promise<{ readonly last: number; readonly messages: readonly ExportedMessage[] }> {
  const { upTo, state } = range;
  const messages = view
    .selectFrom('messages')
    .where('queue_id', '=', queueId)
    .where('position', '>', range.after)
    .where('position', '<=', upTo)
    .$if(state !== undefined, (query) => query.where('state', '=', state!));
  const lengths = messages
    .select(['position', ({ fn }) => fn<number>('length', ['body']).as('bytes')])
    .orderBy('position')
    .limit(exportLimits.pageRows);
  const running = view.selectFrom(lengths.as('lengths')).select(({ fn }) => [
    'position',
    'bytes',
    fn
      .sum<number>('bytes')
      .over((over) => over.orderBy('position'))
      .as('total'),
  ]);
  const found = await view
    .selectFrom(running.as('running'))
    .select(({ fn }) => fn.max<number | null>('position').as('last'))
    // Always includes the first row, which has no earlier bytes.
    .where((eb) => eb.or([eb('total', '<=', exportLimits.pageBytes), eb('total', '=', eb.ref('bytes'))]))
    .executeTakeFirst();
  if (found?.last == null) return { last: upTo, messages: [] };
  const last = Number(found.last);
  const rows = await messages
    .select(['body', exportedFacts.as('facts')])
    .where('position', '<=', last)
    .orderBy('position')
    .execute();
  return { last, messages: rows.map(exportedMessage) };
}

/** Fields of a message in a line. */
type ExportedMessage = Readonly<Record<(typeof exportedFields)[number], string | number | null>>;

/**
 * All columns of a row but its body, as one text with one line per column: a driver takes longer to pass ten columns
 * than the database to join them. `=` precedes a text that may be null. The reason, which may contain line ends, comes
 * last.
 */
const exportedFacts = sql<string>`id || ${'\n'} || cast(position as text) || ${'\n'} || state || ${'\n'} ||
  cast(attempts as text) || ${'\n'} || cast(published_ms as text) || ${'\n'} || cast(due_ms as text) || ${'\n'} ||
  coalesce(cast(ended_ms as text), '') || ${'\n'} || coalesce('=' || content_type, '') || ${'\n'} ||
  coalesce('=' || group_key, '') || ${'\n'} || coalesce('=' || invocation, '') || ${'\n'} || coalesce('=' || reason, '')`;

function exportedMessage({ facts, body }: { readonly facts: string; readonly body: Uint8Array }): ExportedMessage {
  const [id, position, state, attempts, published, due, ended, contentType, group, invocation, ...reason] = facts.split(
    '\n',
  ) as [string, string, string, string, string, string, string, string, string, string, ...string[]];
  return {
    id,
    position: Number(position),
    state,
    contentType: optional(contentType),
    group: optional(group),
    attempts: Number(attempts),
    publishedMs: Number(published),
    dueMs: state === 'ready' && Number(due) > 0 ? Number(due) : null,
    endedMs: ended === '' ? null : Number(ended),
    reason: optional(reason.length === 1 ? reason[0]! : reason.join('\n')),
    invocation: optional(invocation),
    ...bodyFields(body),
  };
}

function optional(text: string): string | null {
  return text === '' ? null : text.slice(1);
}

async function lastPosition(view: Kysely<Schema>, queueId: string): Promise<number> {
  const newest = await view
    .selectFrom('messages')
    .select(({ fn }) => fn.max('position').as('position'))
    .where('queue_id', '=', queueId)
    .executeTakeFirst();
  return Number(newest?.position ?? 0);
}

function lineOf(message: ExportedMessage, format: ExportFormat): string {
  if (format === 'ndjson') return `${JSON.stringify(message)}\n`;
  return csvLine(exportedFields.map((field) => message[field]));
}

export interface Uploaded {
  readonly published: number;
  readonly duplicates: number;
}

/**
 * Reads an upload line by line and passes each batch to `publish`, in order. Stops at the first batch with an invalid
 * line, of which nothing is published. Throws `bad_request` that names the lines, and errors of `publish`; each says
 * which lines were published before.
 */
export async function upload(
  chunks: AsyncIterable<Uint8Array>,
  options: {
    readonly nowMs: number;
    readonly publish: (messages: readonly NewMessage[], bytes: number) => Promise<{ readonly duplicates: number }>;
  },
): Promise<Uploaded> {
  let published = 0;
  let duplicates = 0;
  let line = 0;
  let firstLine = 1;
  let bytes = 0;
  let batch: NewMessage[] = [];
  const errors: string[] = [];
  const before = (): string =>
    published + duplicates === 0
      ? 'nothing was published'
      : `the lines before line ${firstLine} were published, nothing after them`;
  const flush = async (): Promise<void> => {
    if (errors.length > 0)
      throw new PlatformError('bad_request', `${errors[0]}; ${before()}`, {
        details: errors.slice(0, transferLimits.namedErrors),
      });
    if (batch.length === 0) return;
    const result = await options.publish(batch, bytes).catch((error: unknown) => {
      if (!(error instanceof PlatformError)) throw error;
      const { code, message, hints, details, retryAfterSeconds } = error;
      throw new PlatformError(code, `${message}; ${before()}`, {
        ...{ hints, details, cause: error },
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      });
    });
    published += batch.length - result.duplicates;
    duplicates += result.duplicates;
    batch = [];
    bytes = 0;
    firstLine = line + 1;
  };
  for await (const bytesOfLine of linesOf(chunks)) {
    line += 1;
    if (bytesOfLine === null) errors.push(`line ${line} is longer than ${transferLimits.lineBytes} bytes`);
    else {
      try {
        const text = textOf(bytesOfLine);
        if (text.trim() !== '') {
          const message = messageOfLine(text, options.nowMs);
          batch.push(message);
          bytes += message.body.length;
        }
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        errors.push(`line ${line}: ${error.message}`);
      }
    }
    const isFull = line - firstLine + 1 >= queueLimits.batch || bytes >= transferLimits.batchBytes;
    if (isFull || bytesOfLine === null) await flush();
  }
  await flush();
  return { published, duplicates };
}

/** Yields each line without its end; null for a line that is too long, after which it ends. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer | null> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, from)) {
      yield rest.subarray(from, end);
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > transferLimits.lineBytes) {
      yield null;
      return;
    }
  }
  if (rest.length > 0) yield rest;
}

/** Fields of a line: those that a publisher may set, and those of a download, so that it can be uploaded as it is. */
const known = new Set<string>([...exportedFields, 'key', 'delayMs']);

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(line: Buffer): string {
  try {
    return utf8.decode(line);
  } catch {
    throw new PlatformError('bad_request', 'is no UTF-8');
  }
}

function messageOfLine(text: string, nowMs: number): NewMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PlatformError('bad_request', 'is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PlatformError('bad_request', 'is no JSON object');
  const fields = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new PlatformError('bad_request', `no such field: ${JSON.stringify(unknown.slice(0, 80))}`);
  const delayMs = numberField(fields, 'delayMs', queueLimits.delayMs);
  const dueMs = numberField(fields, 'dueMs', nowMs + queueLimits.delayMs);
  const ended = endedOf(fields, nowMs);
  const message = {
    ...(ended === null ? {} : { ended }),
    body: bodyOf(fields),
    contentType: textField(fields, 'contentType'),
    key: textField(fields, 'key'),
    group: textField(fields, 'group'),
    dueMs: delayMs === null ? (dueMs ?? 0) : nowMs + delayMs,
  };
  checkMessage(message);
  return message;
}

/** Returns the outcome in an exported line; null where the message is to be delivered. */
function endedOf(fields: Readonly<Record<string, unknown>>, nowMs: number): EndedMessage | null {
  const state = textField(fields, 'state');
  if (state === null || state === 'ready' || state === 'inflight') return null;
  if (state !== 'dead' && state !== 'done')
    throw new PlatformError('bad_request', `state must be one of ${messageStates.join(', ')}`);
  return {
    state,
    attempts: numberField(fields, 'attempts', transferLimits.attempts) ?? 0,
    endedMs: Math.min(numberField(fields, 'endedMs', Number.MAX_SAFE_INTEGER) ?? nowMs, nowMs),
    reason: textField(fields, 'reason')?.slice(0, queueLimits.reasonChars) ?? null,
    invocation: textField(fields, 'invocation')?.slice(0, queueLimits.keyChars) ?? null,
  };
}

function bodyOf({ text, base64 }: Readonly<Record<string, unknown>>): Uint8Array {
  const isText = typeof text === 'string';
  if (isText === (typeof base64 === 'string')) throw new PlatformError('bad_request', 'needs either text or base64');
  if (isText) return Buffer.from(text);
  const bytes = Buffer.from(String(base64), 'base64');
  // Buffer skips characters that are not base64.
  if (bytes.toString('base64').replace(/=+$/, '') !== String(base64).replace(/=+$/, ''))
    throw new PlatformError('bad_request', 'base64 is damaged');
  return bytes;
}

function textField(fields: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === 'string') return value;
  throw new PlatformError('bad_request', `${name} must be text`);
}

function numberField(fields: Readonly<Record<string, unknown>>, name: string, max: number): number | null {
  const value = fields[name] ?? null;
  if (value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max))
    return value;
  throw new PlatformError('bad_request', `${name} must be a whole number from 0 to ${max}`);
}

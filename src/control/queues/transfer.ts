/**
 * Messages as text: one JSON object a line (docs/queues.md), read from an upload of any length and written to a download
 * of any length. Memory is bounded by one batch or one page.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import type { MessageState } from '../../protocol/nouns.ts';
import type { Message, MessageStore } from './message-store.ts';
import { checkMessage, type NewMessage } from './new-message.ts';

export const transferLimits = {
  /** Bytes of a line: a message in base64, and what is said of it. */
  lineBytes: Math.ceil((queueLimits.messageBytes * 4) / 3) + 4096,
  /** Bytes of the lines of one batch; a batch ends there or at queueLimits.batch lines. */
  batchBytes: 8 * MIB,
  /** Broken lines of a batch that are named. */
  namedErrors: 20,
  /** Messages and bytes that are read from the database at once. */
  page: 500,
  pageBytes: 2 * MIB,
} as const;

/** What a download has of a message, in the order of the CSV's columns. */
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

export type ExportFormat = 'ndjson' | 'csv';

/** A body as JSON can hold it: text where it is UTF-8, else base64; the other one is null. */
export function bodyFields(body: Uint8Array): { readonly text: string | null; readonly base64: string | null } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), base64: null };
  } catch {
    return { text: null, base64: bytes.toString('base64') };
  }
}

/**
 * Yields the lines of a download, in pieces of a page: the messages after `after` that the queue has when it begins.
 * `state`: those that are in this state when their page is read.
 */
export async function* exportLines(
  messages: MessageStore,
  queueId: string,
  options: { readonly after: number; readonly state: MessageState | undefined; readonly format: ExportFormat },
): AsyncGenerator<string> {
  const { format, state } = options;
  const upTo = await messages.lastPosition(queueId);
  if (format === 'csv' && options.after === 0) yield `${exportedFields.join(',')}\r\n`;
  for (let after = options.after; after < upTo; ) {
    const page = await messages.read(queueId, {
      after,
      state,
      limit: transferLimits.page,
      bytesMax: transferLimits.pageBytes,
    });
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.position;
    const lines = page.filter(({ position }) => position <= upTo).map((message) => lineOf(message, format));
    if (lines.length > 0) yield lines.join('');
  }
}

function lineOf({ body, ...message }: Message, format: ExportFormat): string {
  const fields = { ...message, ...bodyFields(body) };
  if (format === 'ndjson') return `${JSON.stringify(fields)}\n`;
  return `${exportedFields.map((field) => csvField(fields[field])).join(',')}\r\n`;
}

/** RFC 4180: quoted where it must be. */
function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export interface Uploaded {
  readonly published: number;
  readonly duplicates: number;
}

/**
 * Reads an upload line by line and hands each batch to `publish`, in order. Stops at the first batch with a broken line:
 * nothing of it is published. Throws `bad_request`, naming the lines and what was published before.
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
  const flush = async (): Promise<void> => {
    if (errors.length > 0) {
      const before =
        published === 0
          ? 'nothing was published'
          : `the lines before line ${firstLine} were published, nothing after them`;
      throw new PlatformError('bad_request', `${errors[0]}; ${before}`, {
        details: errors.slice(0, transferLimits.namedErrors),
      });
    }
    if (batch.length === 0) return;
    const result = await options.publish(batch, bytes);
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

/** Yields each line without its end; null for one that is too long, after which nothing comes. */
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

/** What a publisher may say; the rest of exportedFields is read over, so that a download can be uploaded. */
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
  const message = {
    body: bodyOf(fields),
    contentType: textField(fields, 'contentType'),
    key: textField(fields, 'key'),
    group: textField(fields, 'group'),
    dueMs: delayMs === null ? (dueMs ?? 0) : nowMs + delayMs,
  };
  checkMessage(message);
  return message;
}

function bodyOf({ text, base64 }: Readonly<Record<string, unknown>>): Uint8Array {
  const isText = typeof text === 'string';
  if (isText === (typeof base64 === 'string')) throw new PlatformError('bad_request', 'needs either text or base64');
  if (isText) return Buffer.from(text);
  const bytes = Buffer.from(String(base64), 'base64');
  // Buffer reads over what is no base64.
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

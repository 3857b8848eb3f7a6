/**
 * Reads uploads of messages, one JSON object per line (docs/queues.md), of any length, with memory for one batch.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import { messageStates } from '../../protocol/nouns.ts';
import { DuplicateKey, parseUniqueJson } from '../../protocol/unique-keys.ts';
import { exportedFields } from './download.ts';
import { checkMessage, type EndedMessage, type NewMessage } from './new-message.ts';

export const transferLimits = {
  /** Bytes of a line: a message as text, each byte of which JSON may escape as \\u00XX, and its other fields. */
  lineBytes: queueLimits.messageBytes * 6 + 8192,
  /** Bytes of the lines of one batch; a batch ends at this number or at queueLimits.batch lines. */
  batchBytes: 8 * MIB,
  /** Invalid lines of a batch that the error names. */
  namedErrors: 20,
  /** Greatest number of attempts in a line: what the column holds on each database. */
  attempts: 2 ** 31 - 1,
} as const;

/** Numbers of messages that were published, and of those whose key had been used before. */
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

/**
 * Yields each line without its end; null for a line that is too long, after which it ends. The bytes of a line are
 * valid until the next one is asked for.
 */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | null> {
  // The first `length` bytes of `begun` are of a line whose end has not come. `begun` grows by doubling.
  let begun = Buffer.alloc(0);
  let length = 0;
  const add = (bytes: Uint8Array): void => {
    if (length + bytes.length > begun.length) {
      const larger = Buffer.alloc(Math.max(2 * begun.length, length + bytes.length));
      begun.copy(larger, 0, 0, length);
      begun = larger;
    }
    begun.set(bytes, length);
    length += bytes.length;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      const bytes = chunk.subarray(from, end);
      if (length === 0) yield bytes;
      else {
        add(bytes);
        yield begun.subarray(0, length);
        length = 0;
      }
      from = end + 1;
    }
    add(chunk.subarray(from));
    if (length > transferLimits.lineBytes) {
      yield null;
      return;
    }
  }
  if (length > 0) yield begun.subarray(0, length);
}

/** Fields of a line: those that a publisher may set, and those of a download, so that it can be uploaded as it is. */
const known = new Set<string>([...exportedFields, 'key', 'delayMs']);

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(line: Uint8Array): string {
  try {
    return utf8.decode(line);
  } catch {
    throw new PlatformError('bad_request', 'is no UTF-8');
  }
}

function messageOfLine(text: string, nowMs: number): NewMessage {
  let value: unknown;
  try {
    value = parseUniqueJson(text);
  } catch (error) {
    if (error instanceof DuplicateKey) throw new PlatformError('bad_request', error.message);
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
  if (isText) {
    // Half of a surrogate pair, which JSON can escape but UTF-8 cannot hold.
    if (!text.isWellFormed()) throw new PlatformError('bad_request', 'text has a lone surrogate; use base64');
    return Buffer.from(text);
  }
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

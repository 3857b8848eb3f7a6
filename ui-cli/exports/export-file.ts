/**
 * Writes an export to a file, whole or not at all: lines go to FILE.part, which becomes FILE at the end, compressed
 * where its name ends in .gz or .zst. An export that was interrupted goes on behind the last whole record of FILE.part.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { MessageState } from '../../src/protocol/nouns.ts';
import type { TakeBytes } from '../client/api.ts';
import type { Client } from '../client/client.ts';
import { csvFields, RecordScanner } from '../text/records.ts';

export type LineFormat = 'ndjson' | 'csv';

/**
 * Returns how the lines of an export to the file `out` are written: as `asked`, else as the end of the name says (.csv,
 * also with .gz or .zst after it), else NDJSON. `out` null: not to a file. Throws `bad_request` when the name says
 * something else than what was asked.
 */
export function lineFormatOf(out: string | null, asked?: LineFormat): LineFormat {
  const ending = /\.(csv|ndjson|jsonl)(\.gz|\.zst)?$/i.exec(out ?? '')?.[1]?.toLowerCase();
  const named = ending === undefined ? undefined : ending === 'csv' ? 'csv' : 'ndjson';
  if (asked !== undefined && named !== undefined && asked !== named)
    throw new PlatformError('bad_request', `the name ${out} says ${named}, and --format ${asked}`, {
      hints: ['leave --format out, or give the file another name'],
    });
  return asked ?? named ?? 'ndjson';
}

export interface Exported {
  /** What a record is called: `message`. */
  readonly noun: string;
  /** The field of a record that says where the next one begins. */
  readonly key: 'position' | 'cursor' | 'id';
  /** Records that are expected, for the bar; null: nobody knows. */
  readonly total: () => Promise<number | null>;
  /** Hands the lines to `take`, those after `after` (null: all). */
  readonly download: (after: string | null, take: TakeBytes) => Promise<void>;
}

/** Bytes that are read at once of a file that is gone on with. */
const scannedBytes = 1024 * 1024;

/** Returns the parts of an export of a queue's messages. `state`: only messages in this state. */
export function exportedQueue(
  client: Client,
  name: string,
  options: { readonly state?: MessageState; readonly format: LineFormat; readonly signal?: AbortSignal },
): Exported {
  const { state, format, signal } = options;
  const query = { ...(state === undefined ? {} : { state }), format };
  return {
    noun: 'message',
    key: 'position',
    total: async () => {
      const { messages } = await client.queues.show(name, { signal });
      return state === undefined ? Object.values(messages).reduce((sum, count) => sum + count, 0) : messages[state];
    },
    download: (after, take) => client.queues.export(name, { ...query, after: Number(after ?? 0) }, take, { signal }),
  };
}

/** Returns the parts of an export of a handler's log lines or invocations. */
export function exportedRecords(
  client: Client,
  handler: string,
  what: 'logs' | 'invocations',
  format: LineFormat,
): Exported {
  return {
    noun: what === 'logs' ? 'line' : 'invocation',
    key: what === 'logs' ? 'cursor' : 'id',
    total: async () => null,
    download: (after, take) => client.exportRecords(handler, what, { after, format }, take),
  };
}

/** Tells how far an export is. `records`: whole ones in the file; `bytes`: length of the file. */
export type ExportProgress = (records: number, bytes: number) => void;

export interface FileExport {
  readonly format: LineFormat;
  /** Whether to go on behind what an interrupted export has left in FILE.part. */
  readonly resume: boolean;
  readonly out: string;
  readonly progress?: ExportProgress;
}

/** Returns the path of the file that has the lines of an export to `out` until it is whole. */
export function partOf(out: string): string {
  return `${out}.part`;
}

/**
 * Writes an export to the file `out`, and returns what the file has then. Throws `bad_request` where `out` or, without
 * `resume`, its part exists already, or cannot be written. After any failure to download, the part has what has come.
 */
export async function exportToFile(
  exported: Exported,
  { format, resume, out, progress }: FileExport,
): Promise<{ readonly records: number; readonly bytes: number }> {
  const part = partOf(out);
  await refuseExisting(out, `${out} exists already`);
  if (!resume)
    await refuseExisting(part, `${part} exists already: an export was interrupted`, [
      `--resume goes on with it; remove ${part} to begin anew`,
    ]);
  const file = await openPart(part);
  let scanner: RecordScanner;
  try {
    const found = await lastRecord(file, part, { format, key: exported.key });
    scanner = found.scanner;
    let at = scanner.end;
    await file.truncate(at);
    await exported.download(found.after, async (bytes) => {
      for await (const chunk of bytes) {
        await file.write(chunk, 0, chunk.length, at);
        at += chunk.length;
        scanner.push(chunk);
        progress?.(scanner.records, at);
      }
    });
    await file.sync();
  } finally {
    await file.close();
  }
  await finish(part, out);
  return { records: format === 'csv' ? Math.max(0, scanner.records - 1) : scanner.records, bytes: scanner.end };
}

async function refuseExisting(path: string, message: string, hints: readonly string[] = []): Promise<void> {
  const found = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw unwritable(path, error);
  });
  if (found === null) return;
  await found.close();
  throw new PlatformError('bad_request', message, { hints });
}

/** Opens the file for reading and writing, and makes it where there is none. */
async function openPart(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a').then(async (made) => {
      await made.close();
      return open(path, 'r+');
    });
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): PlatformError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new PlatformError('bad_request', `${path} cannot be written (${code})`, { cause: error });
}

/** Returns where an export goes on: the key of its last whole record, and a scanner that stands behind that one. */
async function lastRecord(
  file: FileHandle,
  path: string,
  { format, key }: { readonly format: LineFormat; readonly key: Exported['key'] },
): Promise<{ readonly after: string | null; readonly scanner: RecordScanner }> {
  const read = new RecordScanner(format);
  const buffer = Buffer.alloc(scannedBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    read.push(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  // The header alone comes again with the first record.
  if (read.records === 0 || (format === 'csv' && read.records === 1))
    return { after: null, scanner: new RecordScanner(format) };
  const last = await textAt(file, read.lastBegin, read.end);
  const first = await firstLine(file);
  const after = format === 'csv' ? keyOfCsv(first, last, key) : keyOfJson(last, key);
  if (after === null) throw notOfThisExport(path, format, first);
  return { after, scanner: read.atEnd() };
}

/** Earlier versions wrote NDJSON also into files whose names say CSV. */
function notOfThisExport(path: string, format: LineFormat, first: string): PlatformError {
  const isJson = first.startsWith('{');
  const other = path.replace(/\.csv(?=(?:\.gz|\.zst)?\.part$)/i, '.ndjson');
  if (format !== 'csv' || !isJson || other === path)
    return new PlatformError('bad_request', `${path} does not end like this export`, {
      hints: [`remove ${path} to begin anew, or give the format that it has with --format`],
    });
  return new PlatformError('bad_request', `${path} has NDJSON, which an earlier version wrote under this name`, {
    hints: [
      `remove ${path} to begin anew as CSV`,
      `or go on as NDJSON: mv ${path} ${other}, then the same command with --resume and ${other.replace(/\.part$/, '')}`,
    ],
  });
}

function keyOfJson(line: string, key: string): string | null {
  try {
    const value = (JSON.parse(line) as Readonly<Record<string, unknown>>)[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
  } catch {
    return null;
  }
}

function keyOfCsv(header: string, record: string, key: string): string | null {
  const names = csvFields(header);
  const fields = csvFields(record);
  return fields.length === names.length ? (fields[names.indexOf(key)] ?? null) : null;
}

/** Returns the first line of a file, as far as that is 4 KiB long. */
async function firstLine(file: FileHandle): Promise<string> {
  return (await textAt(file, 0, 4096)).split('\n', 1)[0] ?? '';
}

async function textAt(file: FileHandle, from: number, to: number): Promise<string> {
  const buffer = Buffer.alloc(to - from);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  return buffer.toString('utf8', 0, bytesRead);
}

/** Makes `out` of the whole lines in `part`, and removes that. */
async function finish(part: string, out: string): Promise<void> {
  const compress = out.endsWith('.gz') ? createGzip() : out.endsWith('.zst') ? createZstdCompress() : null;
  if (compress === null) return rename(part, out);
  const unfinished = `${out}.unfinished`;
  await pipeline(createReadStream(part), compress, createWriteStream(unfinished, { flush: true }));
  await rename(unfinished, out);
  await rm(part);
}

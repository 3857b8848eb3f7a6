/**
 * Writes an export to a file, whole or not at all: lines go to FILE.part, which becomes FILE at the end, compressed where
 * its name ends in .gz or .zst. An export that was interrupted goes on behind the last whole record of FILE.part.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Client } from '../client/client.ts';
import type { Context } from '../context.ts';
import { formatBytes, plural } from '../text/format.ts';
import { progressLine } from '../text/progress.ts';
import { csvFields, RecordScanner } from '../text/records.ts';

export type LineFormat = 'ndjson' | 'csv';

/** How a user asks for an export. */
export interface ExportOptions {
  readonly format: LineFormat;
  readonly resume: boolean;
}

export interface Exported {
  /** What a record is called: `message`. */
  readonly noun: string;
  /** The field of a record that says where the next one begins. */
  readonly key: 'position' | 'cursor' | 'id';
  /** Records that are expected, for the bar; null: nobody knows. */
  readonly total: () => Promise<number | null>;
  /** Hands the lines to `take`, those after `after` (null: all). */
  readonly download: (after: string | null, take: (bytes: AsyncIterable<Uint8Array>) => Promise<void>) => Promise<void>;
}

/** Milliseconds between two looks of the bar. */
const barMs = 100;
/** Bytes that are read at once of a file that is gone on with. */
const scannedBytes = 1024 * 1024;

/** Adds --format and --resume to a command. `of`: the option that they belong to; null: the command exports always. */
export function addExportOptions(command: Command, of: string | null = null): Command {
  const format = new Option('--format <format>', `${of === null ? '' : `of --${of}: `}how lines are written`);
  return command
    .addOption(format.choices(['ndjson', 'csv']).default('ndjson'))
    .option('--resume', `${of === null ? '' : `of --${of}: `}go on with one that was interrupted`, false);
}

/** What the export of a handler's log lines or invocations is made of. */
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

/** Writes an export to `out`, or to standard output where that is `-` or null. */
export async function exportTo(
  context: Context,
  exported: Exported,
  { format, resume, out }: ExportOptions & { readonly out: string | null },
): Promise<void> {
  if (out !== null && out !== '-') return exportToFile(context, exported, { format, resume, out });
  if (resume) throw new PlatformError('bad_request', '--resume goes on with a file: say which');
  await exported.download(null, async (bytes) => {
    for await (const chunk of bytes) await context.out.bytes(chunk);
  });
}

async function exportToFile(
  context: Context,
  exported: Exported,
  { format, resume, out }: ExportOptions & { readonly out: string },
): Promise<void> {
  const part = `${out}.part`;
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
    const bar = context.environment.interactive ? new Bar(exported.noun, await exported.total()) : null;
    try {
      let at = scanner.end;
      await file.truncate(at);
      await exported.download(found.after, async (bytes) => {
        for await (const chunk of bytes) {
          await file.write(chunk, 0, chunk.length, at);
          at += chunk.length;
          scanner.push(chunk);
          bar?.show(scanner.records, at);
        }
      });
    } finally {
      bar?.clear();
    }
    await file.sync();
  } catch (error) {
    context.out.note(`hint: what has come is in ${part}; the same command with --resume goes on with it`);
    throw error;
  } finally {
    await file.close();
  }
  await finish(part, out);
  const records = format === 'csv' ? Math.max(0, scanner.records - 1) : scanner.records;
  context.result({ file: out, records, bytes: scanner.end }, [
    `wrote ${plural(records, exported.noun)} (${formatBytes(scanner.end)}) to ${out}`,
  ]);
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
  const after = format === 'csv' ? keyOfCsv(await firstLine(file), last, key) : keyOfJson(last, key);
  if (after === null)
    throw new PlatformError('bad_request', `${path} does not end like this export`, {
      hints: [`remove ${path} to begin anew, or give the format that it has with --format`],
    });
  return { after, scanner: read.atEnd() };
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

/** The progress of a download, on standard error. */
class Bar {
  readonly #noun: string;
  readonly #total: number | null;
  readonly #begin = performance.now();
  #shownMs = 0;
  #before: number | null = null;

  constructor(noun: string, total: number | null) {
    this.#noun = noun;
    this.#total = total;
  }

  show(records: number, bytes: number): void {
    this.#before ??= records;
    const ms = performance.now();
    if (ms - this.#shownMs < barMs) return;
    this.#shownMs = ms;
    const perSecond = ((records - this.#before) * 1000) / Math.max(1, ms - this.#begin);
    const line = progressLine(this.#noun, { records, total: this.#total, bytes, perSecond });
    process.stderr.write(`\r\u001b[K${line.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`);
  }

  clear(): void {
    if (this.#shownMs > 0) process.stderr.write('\r\u001b[K');
  }
}

/** Exports of commands: their options, their bar, and where their lines go. */
import process from 'node:process';
import { type Command, Option } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { type Exported, exportToFile, type LineFormat, lineFormatOf, partOf } from '../exports/export-file.ts';
import { formatBytes, plural } from '../text/format.ts';
import { progressLine } from '../text/progress.ts';

/** How a user asks for an export. */
export interface ExportOptions {
  /** Absent: as the name of the file says. */
  readonly format?: LineFormat;
  readonly resume: boolean;
}

/** Milliseconds between two looks of the bar. */
const barMs = 100;

/** Adds --format and --resume to a command. `of`: the option that they belong to; null: the command exports always. */
export function addExportOptions(command: Command, of: string | null = null): Command {
  const format = new Option(
    '--format <format>',
    `${of === null ? '' : `of --${of}: `}how lines are written; else as the end of the file's name says, else ndjson`,
  );
  return command
    .addOption(format.choices(['ndjson', 'csv']))
    .option('--resume', `${of === null ? '' : `of --${of}: `}go on with one that was interrupted`, false);
}

/**
 * Writes an export to `out`, or to standard output where that is `-` or null. Throws `bad_request` for `resume` without
 * a file, and for a name of a file that says another format. `exported`: makes the export in a format.
 */
export async function exportTo(
  context: Context,
  exported: (format: LineFormat) => Exported,
  { format: asked, resume, out }: ExportOptions & { readonly out: string | null },
): Promise<void> {
  const format = lineFormatOf(out, asked);
  if (out !== null && out !== '-') return exportToNamed(context, exported(format), { format, resume, out });
  if (resume) throw new PlatformError('bad_request', '--resume goes on with a file: say which');
  await exported(format).download(null, async (bytes) => {
    for await (const chunk of bytes) await context.out.bytes(chunk);
  });
}

async function exportToNamed(
  context: Context,
  exported: Exported,
  { format, resume, out }: { readonly format: LineFormat; readonly resume: boolean; readonly out: string },
): Promise<void> {
  let hasBegun = false;
  const begun: Exported = {
    ...exported,
    download: (after, take) => {
      hasBegun = true;
      return exported.download(after, take);
    },
  };
  const bar = context.environment.interactive ? new Bar(exported.noun, await exported.total()) : null;
  try {
    const progress = (records: number, bytes: number) => bar?.show(records, bytes);
    const { records, bytes } = await exportToFile(begun, { format, resume, out, progress });
    bar?.clear();
    context.result({ file: out, records, bytes }, [
      `wrote ${plural(records, exported.noun)} (${formatBytes(bytes)}) to ${out}`,
    ]);
  } catch (error) {
    bar?.clear();
    if (hasBegun)
      context.out.note(`hint: what has come is in ${partOf(out)}; the same command with --resume goes on with it`);
    throw error;
  }
}

/** The progress of a download, on standard error. */
class Bar {
  readonly #noun: string;
  /** Records that will come; null: not known. */
  readonly #total: number | null;
  readonly #begin = performance.now();
  #shownMs = 0;
  /** Records that were there at the first call of show(), from an earlier download; null: it was not called yet. */
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

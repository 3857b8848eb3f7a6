/** Formats a row of the log as text. */
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';
import { formatClock } from '../../text/format.ts';
import { fieldsText, formatCall, levelText, shortId } from '../../text/log-line.ts';
import { visible } from '../../text/visible.ts';
import { cut, skip, wrap } from '../../text/width.ts';
import type { LogRow } from './log-window.ts';

/** Width from which there is room for milliseconds, version and invocation. */
const wideColumns = 110;

/**
 * Returns a row, with control characters made visible, cut to `width` cells. `offset`: cells that the text is scrolled
 * sideways.
 */
export function logRowText(
  row: LogRow,
  { width, offset }: { readonly width: number; readonly offset: number },
): string {
  // Cells of the text that can show: no head is wider than the line.
  const { head, text } = partsOf(row, width, offset + width);
  return cut(head, width) + cut(offset === 0 ? text : skip(text, offset), Math.max(0, width - head.length));
}

/** Returns a row as the lines of `width` cells that its text needs, at most `most`. */
export function logRowLines(row: LogRow, { width, most }: { readonly width: number; readonly most: number }): string[] {
  const { head, text } = partsOf(row, width, most * width);
  const lines = wrap(text, Math.max(1, width - head.length));
  return lines.slice(0, most).map((line, i) => (i === 0 ? head : ' '.repeat(head.length)) + line);
}

/**
 * Returns a row's head, which stays where it is, and its text, which is scrolled or wrapped. Of the text of a line at
 * least `shown` cells are formatted: it may have 16 KiB. A cell takes at most 20 code units in usual text; longer
 * clusters of combining marks are cut.
 */
function partsOf(
  { entry, selected }: LogRow,
  width: number,
  shown: number,
): { readonly head: string; readonly text: string } {
  const mark = selected ? '›' : ' ';
  if (entry.kind === 'mark') return { head: `${mark}-- `, text: `${visible(entry.text)} --` };
  if (entry.kind === 'call') {
    const all = callText(entry.record, width);
    const head = (width >= wideColumns ? /^\S+ CALL {2}\S+ +\S+ +/ : /^\S+ CALL {2}/).exec(all)?.[0] ?? '';
    return { head: mark + head, text: all.slice(head.length) };
  }
  const { line } = entry;
  return {
    head: mark + (width >= wideColumns ? wideHead(line) : narrowHead(line)),
    text: visible(line.text.slice(0, shown * 20)) + fieldsText(line),
  };
}

function callText(record: InvocationRecord, width: number): string {
  const text = formatCall(record, { iso: false });
  return width >= wideColumns
    ? text.replace(
        /^(\S+ CALL {2})(\S+) (\S+) /,
        (_, head: string, version: string, id: string) => head + origin(version, id),
      )
    : text.replace(/^(\S{8})\S* CALL {2}\S+ \S+ /, '$1 CALL  ');
}

function narrowHead(line: LogLine): string {
  return `${formatClock(line.timeMs).slice(0, 8)} ${levelText(line)} ${source(line)}`;
}

function wideHead(line: LogLine): string {
  const version = line.deployment === 0 ? '-' : `v${line.deployment}`;
  return `${formatClock(line.timeMs)} ${levelText(line)} ${origin(version, shortId(line.invocation))}${source(line)}`;
}

/** Columns of the version and the invocation, the same for lines and calls. */
const origin = (version: string, id: string) => `${version.padEnd(4)} ${id.padEnd(8)} `;

const source = (line: LogLine) => (line.stream === 'log' ? '' : `[${line.stream}] `);

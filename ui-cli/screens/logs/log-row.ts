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
  { entry, selected }: LogRow,
  { width, offset }: { readonly width: number; readonly offset: number },
): string {
  const mark = selected ? '›' : ' ';
  if (entry.kind === 'mark') return cut(`${mark}-- ${visible(entry.text)} --`, width);
  if (entry.kind === 'call') return cut(mark + callText(entry.record, width), width);
  const { line } = entry;
  const head = mark + (width >= wideColumns ? wideHead(line) : narrowHead(line));
  const room = width - head.length;
  // A line may have 16 KiB, so only the part that can show is formatted. A cell takes at most 20 code units in usual
  // text; longer clusters of combining marks are cut.
  const text = visible(line.text.slice(0, (offset + room) * 20)) + fieldsText(line);
  return head + cut(offset === 0 ? text : skip(text, offset), room);
}

/** Returns a row as the lines of `width` cells that its text needs, at most `most`. */
export function logRowLines(
  { entry, selected }: LogRow,
  { width, most }: { readonly width: number; readonly most: number },
): string[] {
  if (entry.kind !== 'line') return [logRowText({ entry, selected }, { width, offset: 0 })];
  const head = (selected ? '›' : ' ') + (width >= wideColumns ? wideHead(entry.line) : narrowHead(entry.line));
  // As in logRowText: only the part that can show is formatted.
  const text = visible(entry.line.text.slice(0, most * width * 20)) + fieldsText(entry.line);
  const lines = wrap(text, Math.max(1, width - head.length));
  return lines.slice(0, most).map((line, i) => (i === 0 ? head : ' '.repeat(head.length)) + line);
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

/** Position in the log: following its end, or paused at a selected line. Plain functions. */
import type { LogBuffer, LogEntry } from './log-buffer.ts';

export type LogWindow =
  | { readonly kind: 'following' }
  | {
      readonly kind: 'paused';
      /** Ordinals of the selected line and of the first row. */
      readonly selected: number;
      readonly top: number;
      /** Value of `nextOrdinal` at the pause; lines that came since are counted from it. */
      readonly since: number;
    };

type Range = Pick<LogBuffer, 'firstOrdinal' | 'nextOrdinal'>;

/** Pauses at the last line if it was following, then moves the selection by `by` lines. */
export function scrollLog(view: LogWindow, range: Range, by: number, rows: number): LogWindow {
  const paused = pause(view, range, rows);
  return selectLine(paused, range, paused.selected + by, rows);
}

/** Pauses, and selects the line of the ordinal `ordinal`, or the nearest that exists. `rows`: height of the window. */
export function selectLine(view: LogWindow, range: Range, ordinal: number, rows: number): LogWindow {
  const paused = pause(view, range, rows);
  return clampLog({ ...paused, selected: ordinal }, range, rows);
}

/** Returns the view paused at the last line; a paused view as it is. `rows`: height of the window. */
export function pause(view: LogWindow, range: Range, rows: number): Extract<LogWindow, { kind: 'paused' }> {
  if (view.kind === 'paused') return view;
  return {
    kind: 'paused',
    selected: Math.max(range.firstOrdinal, range.nextOrdinal - 1),
    top: Math.max(range.firstOrdinal, range.nextOrdinal - rows),
    since: range.nextOrdinal,
  };
}

/**
 * Returns the view with its selection on an existing line, after lines fell out of the buffer or the terminal changed
 * its size.
 */
export function clampLog(view: LogWindow, { firstOrdinal, nextOrdinal }: Range, rows: number): LogWindow {
  if (view.kind === 'following') return view;
  const selected = Math.max(firstOrdinal, Math.min(view.selected, nextOrdinal - 1));
  const lowestTop = Math.max(firstOrdinal, nextOrdinal - rows);
  const top = Math.min(Math.max(view.top, selected - rows + 1, firstOrdinal), selected, lowestTop);
  return { ...view, selected, top: Math.max(firstOrdinal, top) };
}

export interface LogRow {
  readonly entry: LogEntry;
  readonly selected: boolean;
}

/** Returns the visible entries, at most `rows`. */
export function logRows(buffer: LogBuffer, view: LogWindow, rows: number): LogRow[] {
  const at = clampLog(view, buffer, rows);
  const top = at.kind === 'paused' ? at.top : Math.max(buffer.firstOrdinal, buffer.nextOrdinal - rows);
  const shown: LogRow[] = [];
  for (let ordinal = top; ordinal < buffer.nextOrdinal && shown.length < rows; ordinal += 1) {
    const entry = buffer.at(ordinal);
    if (entry !== undefined) shown.push({ entry, selected: at.kind === 'paused' && ordinal === at.selected });
  }
  return shown;
}

/** Returns the number of matching lines that came since the pause. */
export function newSince(view: LogWindow, { nextOrdinal }: Range): number {
  return view.kind === 'paused' ? Math.max(0, nextOrdinal - view.since) : 0;
}

/** A line of the terminal. */
export interface ScreenLine {
  readonly row: LogRow;
  readonly text: string;
}

/**
 * Returns the visible lines of wrapped rows, at most `rows`: the last ones when following, else those from the top row
 * on, or further down if the selected row would not fit. `linesOf` returns a row's lines.
 */
export function wrappedLines(
  buffer: LogBuffer,
  view: LogWindow,
  { rows, linesOf }: { readonly rows: number; readonly linesOf: (row: LogRow) => readonly string[] },
): ScreenLine[] {
  const shown = logRows(buffer, view, rows).map((row) => linesOf(row).map((text) => ({ row, text })));
  const selected = shown.findIndex(([line]) => line?.row.selected);
  if (selected === -1) return shown.flat().slice(-rows);
  const upTo = (from: number) => shown.slice(from, selected + 1).flat().length;
  let from = 0;
  while (from < selected && upTo(from) > rows) from += 1;
  return shown.slice(from).flat().slice(0, rows);
}

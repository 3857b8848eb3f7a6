/** Fits a table into a width: dispensable columns are dropped first, then wide ones shrink. */
import { type Align, cells, fit } from './width.ts';

export interface FitColumn {
  readonly title: string;
  readonly align?: Align;
  /** Order of dropping when space is short: the largest number first; columns without one always stay. */
  readonly dropAt?: number;
  /** Cells to which the column may shrink. */
  readonly shrinkTo?: number;
}

export interface FitTable {
  /** Indices of the remaining columns. */
  readonly shown: readonly number[];
  /** Padded titles of the remaining columns. */
  readonly head: readonly string[];
  /** Padded cells, row by row. */
  readonly rows: readonly (readonly string[])[];
}

const gap = 2;

/**
 * Returns the table in at most `width` cells, if dropping and shrinking get there: columns that neither drop nor shrink
 * may need more.
 */
export function fitTable(columns: readonly FitColumn[], rows: readonly (readonly string[])[], width: number): FitTable {
  const widths = columns.map((column, i) => Math.max(cells(column.title), ...rows.map((row) => cells(row[i] ?? ''))));
  let shown = columns.map((_, i) => i);
  const needed = () => shown.reduce((sum, i) => sum + (widths[i] ?? 0), 0) + gap * Math.max(0, shown.length - 1);
  while (needed() > width) {
    const candidates = shown.filter((i) => columns[i]?.dropAt !== undefined);
    if (candidates.length === 0) break;
    const gone = candidates.reduce((a, b) => ((columns[b]?.dropAt ?? 0) >= (columns[a]?.dropAt ?? 0) ? b : a));
    shown = shown.filter((i) => i !== gone);
  }
  for (const i of shown) {
    const over = needed() - width;
    const least = columns[i]?.shrinkTo;
    if (over > 0 && least !== undefined) widths[i] = Math.max(least, (widths[i] ?? 0) - over);
  }
  const pad = (row: readonly string[]) =>
    shown.map((i, at) => {
      const last = at === shown.length - 1 && columns[i]?.align !== 'right';
      const text = fit(row[i] ?? '', widths[i] ?? 0, columns[i]?.align);
      return last ? text.trimEnd() : text + ' '.repeat(at === shown.length - 1 ? 0 : gap);
    });
  return { shown, head: pad(columns.map((column) => column.title)), rows: rows.map(pad) };
}

import { type Align, cells, fit } from './width.ts';

export interface Column {
  readonly title: string;
  readonly align?: Align;
}

/** Returns rows as lines: columns as wide as their widest cell, two spaces apart, without trailing spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((column, i) => Math.max(cells(column.title), ...rows.map((row) => cells(row[i] ?? ''))));
  const line = (row: readonly string[]) =>
    columns
      .map((column, i) => fit(row[i] ?? '', widths[i] ?? 0, column.align))
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...rows.map(line)];
}

/** Returns lines `key   value` with aligned values. */
export function facts(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([key]) => cells(key)));
  return pairs.map(([key, value]) => `${fit(key, width)}  ${value}`.trimEnd());
}

/** Tables of figures, as benches print them. */

export type Row = readonly (string | number)[];

/** Prints `rows` under `title` and `head`: the first column to the left, the others to the right. */
export function table(title: string, head: Row, rows: readonly Row[]): void {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  console.log(`\n${title}`);
  console.log(line(all[0] ?? []));
  console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  for (const row of all.slice(1)) console.log(line(row));
}

/** Lines of a download: NDJSON, a JSON object a line, or CSV as RFC 4180 has it. */
import { Readable } from 'node:stream';

export const exportFormats = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export const exportLimits = {
  /** Rows that are read from the database at once. */
  pageRows: 2_000,
  /** Bytes of their longest column that are read at once; one row is always read. */
  pageBytes: 1024 * 1024,
} as const;

/** Media types of the formats. */
export const exportTypes: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
};

/** Returns one field of a line in CSV: quoted where it must be, null as nothing. */
export function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Returns one line in CSV, with its end. */
export function csvLine(values: readonly (string | number | null)[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}

/**
 * Returns a stream of what `lines` yields. The first piece is made before it resolves, so that what fails at the begin
 * is an answer with an error and not an answer that breaks off. `lines` ends with the stream, however that ends.
 */
export async function lineStream(lines: AsyncGenerator<string>): Promise<Readable> {
  let first: IteratorResult<string> | null = await lines.next();
  return new Readable({
    objectMode: true,
    highWaterMark: 1,
    read() {
      const next = first === null ? lines.next() : Promise.resolve(first);
      first = null;
      next.then(
        ({ done, value }) => this.push(done === true ? null : Buffer.from(value)),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    },
    destroy(error, callback) {
      lines.return(undefined).then(
        () => callback(error),
        (failed: unknown) => callback(error ?? (failed instanceof Error ? failed : null)),
      );
    },
  });
}

/** Makes the lines of a download: NDJSON (one JSON object per line) or CSV (RFC 4180). */
import { Readable } from 'node:stream';

export const exportFormats = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export const exportLimits = {
  /** Rows that are read from the database at once. */
  pageRows: 2_000,
  /** Bytes of a row's longest column that are read at once; at least one row is read. */
  pageBytes: 1024 * 1024,
} as const;

/** Media types of the formats. */
export const exportTypes: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
};

/** Returns one CSV field, quoted if necessary; null gives an empty field. */
export function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Returns one CSV line with its line end. */
export function csvLine(values: readonly (string | number | null)[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}

/**
 * Returns a stream of the pieces that `lines` yields. The first piece is made before it resolves, so that an early
 * failure gives an error answer and not a truncated one. `lines` ends with the stream, however the stream ends.
 */
export async function lineStream(lines: AsyncGenerator<string | Buffer>): Promise<Readable> {
  let first: IteratorResult<string | Buffer> | null = await lines.next();
  return new Readable({
    objectMode: true,
    highWaterMark: 1,
    read() {
      const next = first === null ? lines.next() : Promise.resolve(first);
      first = null;
      next.then(
        ({ done, value }) => this.push(done === true ? null : typeof value === 'string' ? Buffer.from(value) : value),
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

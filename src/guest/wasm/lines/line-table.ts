/**
 * The source lines of a rewritten module, in a custom section of that module: a runner that has compiled the module can
 * tell a line.
 *
 *     trisiel.lines: u32 rows, u32[rows] offsets in the module's file, u32[rows] file << 20 | line, JSON [files]
 */
import type { ByteWriter } from '../format/writer.ts';
import type { LineMarks } from './line-marks.ts';

export const lineSection = 'trisiel.lines';

/**
 * Writes the custom section with the source lines of `marks` to `writer`. `codeStart`: offset in bytes of the payload
 * of the rewritten code section in the file.
 */
export function writeLineTable(writer: ByteWriter, marks: LineMarks, codeStart: number): void {
  const { offsets, places, files } = marks;
  const rows = new Uint8Array(4 + offsets.length * 8);
  const view = new DataView(rows.buffer);
  view.setUint32(0, offsets.length, true);
  for (const [row, offset] of offsets.entries()) {
    view.setUint32(4 + row * 4, offset + codeStart, true);
    view.setUint32(4 + (offsets.length + row) * 4, places[row] as number, true);
  }
  writer.section(0, () => {
    writer.name(lineSection);
    writer.raw(rows);
    writer.raw(Buffer.from(JSON.stringify(files)));
  });
}

export class LineTable {
  readonly #view: DataView;
  readonly #rows: number;
  readonly #files: readonly unknown[];

  private constructor(view: DataView, rows: number, files: readonly unknown[]) {
    this.#view = view;
    this.#rows = rows;
    this.#files = files;
  }

  /** Returns the table of a compiled module; null if it has none. Never throws. */
  static of(module: WebAssembly.Module): LineTable | null {
    const [section] = WebAssembly.Module.customSections(module, lineSection);
    if (section === undefined || section.byteLength < 4) return null;
    const view = new DataView(section);
    const rows = view.getUint32(0, true);
    const filesAt = 4 + rows * 8;
    if (filesAt > section.byteLength) return null;
    try {
      const files: unknown = JSON.parse(Buffer.from(section, filesAt).toString('utf8'));
      return Array.isArray(files) ? new LineTable(view, rows, files) : null;
    } catch {
      return null;
    }
  }

  /** Returns `FILE:LINE` of the instruction at `offset` bytes of the module's file; null if nobody knows. */
  lineAt(offset: number): string | null {
    let low = 0;
    let high = this.#rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#view.getUint32(4 + middle * 4, true) <= offset) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    const place = this.#view.getUint32(4 + (this.#rows + low - 1) * 4, true);
    const file = this.#files[place >>> 20];
    return place === 0 || typeof file !== 'string' ? null : `${file}:${place & 0xf_ffff}`;
  }
}

/** Source lines of a fused module: those of its core modules, found again where their code was copied to. */
import { LineMarks } from '../wasm/lines/line-marks.ts';
import { placeOf, type SourceLines, sourceLineLimits } from '../wasm/lines/rows.ts';
import { readSourceLines } from '../wasm/lines/source-lines.ts';

export class FusedLines {
  /** Lines of each core module: a component may have many instances of one. */
  readonly #modules = new Map<Uint8Array, SourceLines | null>();
  readonly #files = new Map<string, number>();
  readonly #addresses: number[] = [];
  readonly #places: number[] = [];

  /**
   * Returns marks for one copy of a module, whose code section has its payload at `codeStart`; null: it brings no
   * lines.
   */
  marksOf(module: Uint8Array, codeStart: number): LineMarks | null {
    if (this.#addresses.length >= sourceLineLimits.rows) return null;
    let lines = this.#modules.get(module);
    if (lines === undefined) {
      lines = readSourceLines(module, null);
      this.#modules.set(module, lines);
    }
    return lines === null ? null : new LineMarks(lines, codeStart);
  }

  /** Takes the marks of a copy, which ends at `end` of the payload of the fused code section. */
  endUnit(marks: LineMarks, end: number): void {
    marks.endCode(end);
    const files = marks.files.map((name) => this.#file(name));
    for (const [at, offset] of marks.offsets.entries()) {
      const place = marks.places[at] as number;
      const file = place === 0 ? null : (files[place >>> 20] ?? null);
      const isLast = this.#addresses.length >= sourceLineLimits.rows - 1;
      this.#addresses.push(offset);
      // The last row says that the lines of all later code are unknown.
      this.#places.push(file === null || isLast ? 0 : placeOf(file, place & sourceLineLimits.line));
      if (isLast) return;
    }
  }

  /** Returns the lines of the fused module, null if no core module has any. */
  finish(): SourceLines | null {
    if (this.#files.size === 0) return null;
    return {
      files: [...this.#files.keys()],
      addresses: Uint32Array.from(this.#addresses),
      places: Uint32Array.from(this.#places),
    };
  }

  /** Returns the number of a file in the fused module; null if there are too many. */
  #file(name: string): number | null {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    if (this.#files.size >= sourceLineLimits.files) return null;
    this.#files.set(name, this.#files.size);
    return this.#files.size - 1;
  }
}

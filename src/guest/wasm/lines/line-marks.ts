/** Follows the meter through the code: which source line each place of the rewritten code comes from. */
import type { SourceLines } from './rows.ts';

/**
 * Takes note of how the emitter moves code. Offsets in the pushed module are bytes from its start; those in the body,
 * bytes from its start.
 */
export interface MoveSink {
  /** Notes that bytes `from` to `to` of the pushed module are copied to `at` in the body. */
  copied(from: number, to: number, at: number): void;
  /**
   * Notes that the code at `at` in the body belongs to the code up to `offset` of the pushed module, that byte
   * included.
   */
  reached(offset: number, at: number): void;
}

export class LineMarks implements MoveSink {
  readonly #lines: SourceLines;
  /** Offset of the payload of the code section in the pushed module, in bytes. */
  readonly #codeStart: number;
  /** Offsets in the payload of the rewritten code section, ascending, with what stands there. */
  readonly offsets: number[] = [];
  readonly places: number[] = [];
  #next = 0;
  /** First mark of the current body. */
  #first = 0;
  /** Place of the last mark. */
  #last = 0;

  /** `codeStart`: offset of the payload of the code section in the pushed module. */
  constructor(lines: SourceLines, codeStart: number) {
    this.#lines = lines;
    this.#codeStart = codeStart;
  }

  get files(): readonly string[] {
    return this.#lines.files;
  }

  /** Begins the body that stands at `start` of the pushed module. Lines of the one before do not reach into it. */
  beginBody(start: number): void {
    this.#first = this.offsets.length;
    while (this.#offset(this.#next) < start) this.#next += 1;
    this.#mark(0, 0);
  }

  copied(from: number, to: number, at: number): void {
    for (; this.#offset(this.#next) < to; this.#next += 1)
      this.#mark(at + Math.max(0, this.#offset(this.#next) - from), this.#lines.places[this.#next] as number);
  }

  reached(offset: number, at: number): void {
    this.copied(offset, offset + 1, at);
  }

  /** Ends the body, which stands at `start` of the payload of the rewritten section. */
  endBody(start: number): void {
    for (let mark = this.#first; mark < this.offsets.length; mark += 1)
      this.offsets[mark] = (this.offsets[mark] as number) + start;
    this.#first = this.offsets.length;
  }

  /** Ends the module's own code at `end` of the payload of the rewritten section: the meter's functions follow. */
  endCode(end: number): void {
    this.#mark(end, 0);
  }

  /** Returns the offset of a row in the pushed module; infinity behind the last. */
  #offset(row: number): number {
    const address = this.#lines.addresses[row];
    return address === undefined ? Number.POSITIVE_INFINITY : address + this.#codeStart;
  }

  #mark(at: number, place: number): void {
    const { offsets, places } = this;
    if (offsets.length > this.#first && offsets.at(-1) === at) {
      places[places.length - 1] = place;
      this.#last = place;
      return;
    }
    if (place === this.#last) return;
    this.#last = place;
    offsets.push(at);
    places.push(place);
  }
}

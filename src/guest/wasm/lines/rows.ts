/** Source lines of a module as rows: from which address on the code comes from which line. */

export const sourceLineLimits = {
  /** Rows of one module: their table takes 2 MiB. Functions after the last row are shown by their names. */
  rows: 262_144,
  /** Source files of one module; a row has 12 bits for its file. */
  files: 4_096,
  /** Greatest line number; a row has 20 bits for it. */
  line: 1_048_575,
  /** Characters of a file's name; of a longer one the end is kept. */
  fileChars: 160,
  /** Bytes of a source map. JSON of this size may take 60 times as much memory. */
  mapBytes: 4 * 1024 * 1024,
} as const;

export interface SourceLines {
  readonly files: readonly string[];
  /** Offsets in the payload of the code section, ascending. */
  readonly addresses: Uint32Array;
  /** For each address what stands there up to the next: `file << 20 | line`; 0: unknown. */
  readonly places: Uint32Array;
}

/** Returns file and line as one number; lines begin with 1, so no place is 0. */
export function placeOf(file: number, line: number): number {
  return ((file << 20) | line) >>> 0;
}

/** Collects rows in any order. */
export class SourceRows {
  readonly #codeBytes: number;
  readonly #files = new Map<string, number>();
  /** Sort keys: address, whether the row begins something, order of arrival. */
  readonly #keys: number[] = [];
  readonly #places: number[] = [];

  /** `codeBytes`: size of the payload of the code section. */
  constructor(codeBytes: number) {
    this.#codeBytes = codeBytes;
  }

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  get isFull(): boolean {
    return this.#places.length >= sourceLineLimits.rows;
  }

  /** Returns whether a row at `address` can be added. Linkers write 0 or -1 for functions that they have left out. */
  accepts(address: number): boolean {
    return address >= 1 && address <= this.#codeBytes && !this.isFull;
  }

  /** Returns the number of a source file; null if there are too many. */
  file(name: string): number | null {
    const shown = shownName(name);
    const known = this.#files.get(shown);
    if (known !== undefined) return known;
    if (this.#files.size >= sourceLineLimits.files || shown === '') return null;
    this.#files.set(shown, this.#files.size);
    return this.#files.size - 1;
  }

  /** Adds that code from `address` on comes from a line; file null or line 0: nobody knows from where. */
  add(address: number, file: number | null, line: number): void {
    if (!this.accepts(address)) return;
    const isKnown = file !== null && line >= 1 && line <= sourceLineLimits.line;
    // What ends at an address comes before what begins there.
    this.#keys.push(address * 2 ** 20 + (isKnown ? 2 ** 19 : 0) + this.#places.length);
    this.#places.push(isKnown ? placeOf(file, line) : 0);
  }

  /** Returns the rows in the order of their addresses. */
  finish(): SourceLines {
    const keys = Float64Array.from(this.#keys).sort();
    const addresses = new Uint32Array(keys.length);
    const places = new Uint32Array(keys.length);
    for (const [at, key] of keys.entries()) {
      addresses[at] = Math.floor(key / 2 ** 20);
      places[at] = this.#places[key % 2 ** 19] as number;
    }
    return { files: [...this.#files.keys()], addresses, places };
  }
}

/** Returns a file's name as one readable line. */
function shownName(name: string): string {
  const plain = name.slice(-4_096).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
  return plain.length <= sourceLineLimits.fileChars ? plain : `…${plain.slice(1 - sourceLineLimits.fileChars)}`;
}

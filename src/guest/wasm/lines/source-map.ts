/**
 * Reads source maps of version 3 (ECMA-426). The generated line of a module is its first, the column an offset in its
 * file.
 */
import { type SourceRows, sourceLineLimits } from './rows.ts';

const dataUrl = /^data:application\/json(?:;charset=[\w-]+)?(;base64)?,/i;

/** Returns the source map in a `data:` URL; null for another URL, or a map that is too large. */
export function inlineSourceMap(url: string | null): Uint8Array | null {
  const head = url === null ? null : dataUrl.exec(url);
  if (url === null || head === null || url.length > sourceLineLimits.mapBytes * 2) return null;
  const data = url.slice(head[0].length);
  return head[1] === undefined ? Buffer.from(decodeURIComponent(data)) : Buffer.from(data, 'base64');
}

/**
 * Adds the rows of a source map, or of the parts of one (`sections`, ECMA-426 "Index source map"). `codeStart`: offset
 * of the payload of the code section in the module's file. Throws for what is no source map.
 */
export function sourceMapLines(map: Uint8Array, codeStart: number, rows: SourceRows): void {
  if (map.length > sourceLineLimits.mapBytes) return;
  const whole = JSON.parse(Buffer.from(map).toString('utf8')) as Record<string, unknown>; // fields are looked at below
  if (!Array.isArray(whole.sections)) {
    addRows(whole, { start: -codeStart, end: Number.POSITIVE_INFINITY }, rows);
    return;
  }
  const parts = whole.sections.flatMap(partOf);
  for (const [at, { column, map }] of parts.entries()) {
    const start = column - codeStart;
    // Lines of the part before do not reach into this one.
    rows.add(start, null, 0);
    addRows(map, { start, end: (parts[at + 1]?.column ?? Number.POSITIVE_INFINITY) - codeStart }, rows);
  }
}

interface MapPart {
  /** Where it begins in the first generated line. */
  readonly column: number;
  readonly map: Readonly<Record<string, unknown>>;
}

/** Returns a part of the first generated line, the only one that a module has; none for anything else. */
function partOf(section: unknown): readonly MapPart[] {
  const { offset, map } = (section ?? {}) as { readonly offset?: Record<string, unknown>; readonly map?: unknown };
  const column = offset?.column;
  if (offset?.line !== 0 || !Number.isSafeInteger(column) || typeof map !== 'object' || map === null) return [];
  return [{ column: column as number, map: map as MapPart['map'] }]; // checked above
}

/**
 * Adds the rows of a map without parts. `start`, `end`: offsets in the payload of the code section at which the map's
 * first column stands, and from which on its rows do not count.
 */
function addRows(
  map: Readonly<Record<string, unknown>>,
  { start, end }: { readonly start: number; readonly end: number },
  rows: SourceRows,
): void {
  const { sources, sourceRoot, mappings } = map;
  if (!Array.isArray(sources) || typeof mappings !== 'string') return;
  const root = typeof sourceRoot === 'string' && sourceRoot !== '' ? `${sourceRoot.replace(/\/$/, '')}/` : '';
  const files = new Map<number, number | null>();
  const fileOf = (source: number): number | null => {
    let file = files.get(source);
    if (file === undefined) {
      const name: unknown = sources[source];
      file = typeof name === 'string' ? rows.file(`${root}${name}`) : null;
      files.set(source, file);
    }
    return file;
  };
  const reader = new MappingReader(mappings);
  let column = 0;
  let source = 0;
  let line = 0;
  while (!reader.isAtEnd && !rows.isFull) {
    if (reader.isAtSeparator) {
      reader.skip();
      continue;
    }
    column = (column + reader.value()) | 0;
    const address = start + column;
    if (reader.isAtSeparator) {
      if (address < end) rows.add(address, null, 0);
      continue;
    }
    source = (source + reader.value()) | 0;
    line = (line + reader.value()) | 0;
    if (address < end) rows.add(address, fileOf(source), line + 1);
    while (!reader.isAtSeparator) reader.value();
  }
}

const digits = new Map(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].map((char, value) => [char, value]),
);

/** Reads the mappings of the first line: segments of numbers in base 64. */
class MappingReader {
  readonly #text: string;
  #pos = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#pos >= this.#text.length || this.#text[this.#pos] === ';';
  }

  get isAtSeparator(): boolean {
    return this.isAtEnd || this.#text[this.#pos] === ',';
  }

  skip(): void {
    this.#pos += 1;
  }

  /** Returns a number (base 64 VLQ); bits beyond 32 are lost. Throws for another character. */
  value(): number {
    let value = 0;
    for (let shift = 0; ; shift += 5) {
      const digit = digits.get(this.#text[this.#pos] ?? '');
      if (digit === undefined) throw new SyntaxError('the mappings are not in base 64');
      this.#pos += 1;
      if (shift < 32) value |= (digit & 31) << shift;
      if (digit < 32) return (value & 1) === 0 ? value >>> 1 : -(value >>> 1);
    }
  }
}

/**
 * Finds the lines of keys in a TOML document, for messages, since the parser reports no positions. It reads headers and
 * keys line by line: a value over several lines that looks like a key can at worst give a wrong line number, never a
 * wrong value.
 */
const keyPart = /^(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')/;

/**
 * Parts that a key or the name of a table may have, of which the manifest uses three. Each part costs a path that is
 * kept: keys as long as a manifest may be would take gigabytes, and minutes of control's only thread.
 */
const partsMax = 8;

/** Maps a dotted path to its line, from 1. Parents have the line of their first appearance. */
export class TomlLines {
  readonly #lines = new Map<string, number>();

  constructor(text: string) {
    let table: readonly string[] = [];
    /** Number of tables seen so far in each list, by the list's path. */
    const counts = new Map<string, number>();
    let inString: string | null = null;
    text.split('\n').forEach((line, index) => {
      const opensOrCloses = /"""|'''/.exec(line)?.[0];
      if (inString !== null) {
        if (line.includes(inString)) inString = null;
        return;
      }
      const [, brackets = '', header] = /^\s*(\[{1,2})\s*(.*)$/.exec(line) ?? [];
      if (header !== undefined) {
        const path = readKey(header, /^\s*\]/);
        if (path === null) return;
        table = path;
        if (brackets === '[[') {
          // The parser names the tables of a list by their numbers.
          const key = JSON.stringify(path);
          const place = counts.get(key) ?? 0;
          counts.set(key, place + 1);
          table = [...path, String(place)];
        }
        this.#note(table, index + 1);
        return;
      }
      const path = readKey(line.trimStart(), /^\s*=/);
      if (path !== null) this.#note([...table, ...path], index + 1);
      if (opensOrCloses !== undefined && line.split(opensOrCloses).length % 2 === 0) inString = opensOrCloses;
    });
  }

  /** Number of paths whose lines are known. */
  get size(): number {
    return this.#lines.size;
  }

  /** Returns the line of `path`, or of the nearest enclosing table (the key of an inline table is on its line). */
  of(path: readonly PropertyKey[]): number {
    for (let length = path.length; length > 0; length -= 1) {
      const line = this.#lines.get(JSON.stringify(path.slice(0, length).map(String)));
      if (line !== undefined) return line;
    }
    return 1;
  }

  #note(path: readonly string[], line: number): void {
    for (let length = 1; length <= path.length; length += 1) {
      const key = JSON.stringify(path.slice(0, length));
      if (!this.#lines.has(key)) this.#lines.set(key, line);
    }
  }
}

/**
 * Parses a key such as `a.b."c d"` up to what `end` matches; null if the text is no key, or has more than partsMax
 * parts.
 */
function readKey(text: string, end: RegExp): readonly string[] | null {
  const path: string[] = [];
  for (;;) {
    text = text.trimStart();
    const part = keyPart.exec(text)?.[0];
    if (part === undefined || path.length === partsMax) return null;
    path.push(unquote(part));
    text = text.slice(part.length);
    if (end.test(text)) return path;
    const dot = /^\s*\./.exec(text)?.[0];
    if (dot === undefined) return null;
    text = text.slice(dot.length);
  }
}

function unquote(part: string): string {
  if (part.startsWith("'")) return part.slice(1, -1);
  if (!part.startsWith('"')) return part;
  try {
    return String(JSON.parse(part));
  } catch {
    return part.slice(1, -1);
  }
}

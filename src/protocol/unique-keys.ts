/** JSON in which every object names each of its fields once. */

/**
 * Returns the value of `text`, as JSON.parse does. Throws SyntaxError for text that is no JSON, and DuplicateKey where
 * an object has two fields of one name: RFC 8259, 4, leaves open which of them counts, so two readers may read the text
 * differently (RFC 7493, 2.3, forbids it). Names are compared as they are meant: `"a"` and `"\u0061"` are one.
 */
export function parseUniqueJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  checkKeys(text);
  return value;
}

export class DuplicateKey extends Error {
  override readonly name = 'DuplicateKey';
  readonly key: string;

  constructor(key: string) {
    super(`the field ${JSON.stringify(key.slice(0, 80))} is there twice`);
    this.key = key;
  }
}

/** A string, or a bracket; the rest of valid JSON (numbers, literals, commas) says nothing about names of fields. */
const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;

/** `text`: valid JSON. */
function checkKeys(text: string): void {
  /** Names in the objects around; null stands for an array. */
  const around: (Set<string> | null)[] = [];
  for (const { 0: found, 1: colon } of text.matchAll(token)) {
    if (found === '{') around.push(new Set());
    else if (found === '[') around.push(null);
    else if (found === '}' || found === ']') around.pop();
    else if (colon !== undefined) {
      const key: string = JSON.parse(found.slice(0, found.length - colon.length));
      const keys = around.at(-1);
      if (keys?.has(key)) throw new DuplicateKey(key);
      keys?.add(key);
    }
  }
}

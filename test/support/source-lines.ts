/** Modules with source maps whose lines are known. */
import { leb, text } from './module-builder.ts';

export const customSection = {
  /** Returns a text behind its length, as the contents of the section `sourceMappingURL` are. */
  name: (value: string): Uint8Array => Uint8Array.from(text(value)),
};

/** Returns the module with one more custom section at its end. */
export function withSection(bytes: Uint8Array, name: string, contents: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = text(name);
  return Uint8Array.from(
    Buffer.concat([bytes, Uint8Array.from([0, ...leb(own.length + contents.length), ...own]), contents]),
  );
}

/**
 * Returns a source map in which byte N of a module comes from line N of `source`, and with several sources from the next
 * source for each byte.
 */
export function sourceMapOf(moduleBytes: number, source: unknown = 'a.ts'): Uint8Array {
  const sources = Array.isArray(source) && source.length > 1 ? source : [source];
  let file = 0;
  const segments = Array.from({ length: moduleBytes - 1 }, (_, at) => {
    const next = sources.length === 1 ? 0 : at % sources.length;
    const segment = ['C', digits(next - file), at === 0 ? 'A' : 'C', 'A'].join('');
    file = next;
    return segment;
  });
  return Buffer.from(JSON.stringify({ version: 3, sources, names: [], mappings: segments.join(',') }));
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Returns a number as base 64 VLQ. */
function digits(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let written = '';
  do {
    const digit = rest & 31;
    rest >>>= 5;
    written += alphabet[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return written;
}

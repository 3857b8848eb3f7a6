/**
 * Finds the custom sections of a module that bring source lines, without what reads them: most modules have none, and
 * the readers of DWARF and source maps are loaded only for those that do.
 */
import { ByteReader } from '../format/reader.ts';

/** Returns whether a module may bring source lines. `map`: source map beside the module; null: none. Never throws. */
export function mayHaveLines(bytes: Uint8Array, map: Uint8Array | null): boolean {
  if (map !== null) return true;
  const { customs } = readDebugSections(bytes);
  return customs.has('.debug_line') || customs.has('sourceMappingURL');
}

/**
 * Returns the URL of a module's source map, from its custom section `sourceMappingURL`; null without one. Never throws.
 */
export function readSourceMapUrl(bytes: Uint8Array): string | null {
  return sourceMapUrl(readDebugSections(bytes).customs);
}

/** Returns whether the URL of a source map is a path relative to its module. */
export function isRelativeUrl(url: string): boolean {
  return !/^(?:[a-z][a-z0-9+.-]*:|\/)/i.test(url);
}

export interface DebugSections {
  /** Payload of the code section; null: there is none. */
  readonly code: Uint8Array | null;
  /** Contents of the first custom section of each name. */
  readonly customs: ReadonlyMap<string, Uint8Array>;
}

/** Most custom sections that are looked at. */
const customsMax = 1_000;

/**
 * Reads which sections say something of source lines. What lies behind a malformed place is not found. Never throws.
 */
export function readDebugSections(bytes: Uint8Array): DebugSections {
  const customs = new Map<string, Uint8Array>();
  let code: Uint8Array | null = null;
  const reader = new ByteReader(bytes, 'the module');
  try {
    reader.skip(8, 'header');
    while (reader.pos < bytes.length && customs.size < customsMax) {
      const id = reader.u8('section id');
      const size = reader.u32('section size');
      const start = reader.pos;
      reader.skip(size, 'section');
      if (id === 10) code ??= bytes.subarray(start, reader.pos);
      if (id !== 0) continue;
      const end = reader.pos;
      reader.pos = start;
      reader.end = end;
      const name = reader.name('custom section name');
      if (!customs.has(name)) customs.set(name, bytes.subarray(reader.pos, end));
      reader.pos = end;
      reader.end = bytes.length;
    }
  } catch {
    // What lies before the malformed place was found.
  }
  return { code, customs };
}

/** Returns the URL in the custom section `sourceMappingURL`; null without one. Never throws. */
export function sourceMapUrl(customs: ReadonlyMap<string, Uint8Array>): string | null {
  const contents = customs.get('sourceMappingURL');
  if (contents === undefined) return null;
  try {
    return new ByteReader(contents, 'the module').name('URL');
  } catch {
    return null;
  }
}

/**
 * Finds which source line each instruction of a pushed module comes from: in DWARF, else in a source map. Nothing of this
 * is needed to run the module, so bytes that make no sense have no lines and are no error.
 */
import { ByteReader } from '../format/reader.ts';
import { dwarfLines } from './dwarf.ts';
import { type SourceLines, SourceRows } from './rows.ts';
import { inlineSourceMap, sourceMapLines } from './source-map.ts';

/**
 * Returns the source lines of a module, null if it brings none. `map`: source map beside the module, of at most
 * sourceLineLimits.mapBytes; null: none. Never throws; time is linear in the sizes of both.
 */
export function readSourceLines(bytes: Uint8Array, map: Uint8Array | null): SourceLines | null {
  const found = findSections(bytes);
  const { code, customs } = found;
  if (code === null) return null;
  const debugLine = customs.get('.debug_line');
  const rows = new SourceRows(code.length);
  if (debugLine !== undefined)
    dwarfLines({ line: debugLine, str: customs.get('.debug_str'), lineStr: customs.get('.debug_line_str') }, rows);
  if (!rows.isEmpty) return rows.finish();
  try {
    const text = map ?? inlineSourceMap(sourceMapUrl(customs));
    if (text !== null) sourceMapLines(text, code.byteOffset - bytes.byteOffset, rows);
  } catch {
    return null;
  }
  return rows.isEmpty ? null : rows.finish();
}

/** Returns the URL of a module's source map, from its custom section `sourceMappingURL`; null without one. Never throws. */
export function readSourceMapUrl(bytes: Uint8Array): string | null {
  return sourceMapUrl(findSections(bytes).customs);
}

/** Returns whether the URL of a source map is a path relative to its module. */
export function isRelativeUrl(url: string): boolean {
  return !/^(?:[a-z][a-z0-9+.-]*:|\/)/i.test(url);
}

interface FoundSections {
  /** Payload of the code section; null: there is none. */
  readonly code: Uint8Array | null;
  /** Contents of the first custom section of each name. */
  readonly customs: ReadonlyMap<string, Uint8Array>;
}

/** Most custom sections that are looked at. */
const customsMax = 1_000;

function findSections(bytes: Uint8Array): FoundSections {
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

function sourceMapUrl(customs: ReadonlyMap<string, Uint8Array>): string | null {
  const contents = customs.get('sourceMappingURL');
  if (contents === undefined) return null;
  try {
    return new ByteReader(contents, 'the module').name('URL');
  } catch {
    return null;
  }
}

/**
 * Finds which source line each instruction of a pushed module comes from: in DWARF, else in a source map. Nothing of
 * this is needed to run the module, so bytes that make no sense have no lines and are no error.
 */
import { readDebugSections, sourceMapUrl } from './debug-sections.ts';
import { dwarfLines } from './dwarf.ts';
import { type SourceLines, SourceRows } from './rows.ts';
import { inlineSourceMap, sourceMapLines } from './source-map.ts';

/**
 * Returns the source lines of a module, null if it brings none. `map`: source map beside the module, of at most
 * sourceLineLimits.mapBytes; null: none. Never throws; time is linear in the sizes of module and map.
 */
export function readSourceLines(bytes: Uint8Array, map: Uint8Array | null): SourceLines | null {
  const { code, customs } = readDebugSections(bytes);
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

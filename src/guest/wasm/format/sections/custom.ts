/**
 * Copies custom sections (5.5.3) and keeps their positions. In the name section, function indices are shifted. Sections
 * that contain code offsets, or function indices in unknown places, would be wrong after rewriting and are dropped
 * (metadata.code.*, linking, reloc.*, dylink, .debug_*, source maps), and so are names that the platform gives.
 */

import { PlatformError } from '../../../../protocol/errors.ts';
import type { Module, Section } from '../model.ts';
import { ByteReader } from '../reader.ts';
import { shiftedFunction } from '../shift.ts';
import { ByteWriter } from '../writer.ts';

const dropped =
  /^(metadata\.code\.|linking$|reloc\.|dylink|compilationHints$|\.debug_|external_debug_info$|sourceMappingURL$|trisiel\.)/;

/** Copies one custom section with function indices shifted, or drops the section. */
export function writeCustom(writer: ByteWriter, module: Module, section: Section): void {
  const reader = readerOf(module, section);
  const name = reader.name('custom section name');
  if (dropped.test(name)) return;
  const contents = name === 'name' ? shiftNames(module, section, reader.pos) : null;
  writer.section(0, () => {
    if (contents === null) return writer.raw(module.bytes, section.start, section.end);
    writer.name(name);
    writer.raw(contents.view());
  });
}

function readerOf(module: Module, section: Section): ByteReader {
  const reader = new ByteReader(module.bytes, module.subject);
  reader.pos = section.start;
  reader.end = section.end;
  return reader;
}

/** Subsections of the name section that are keyed by function index (appendix A.4.1, extended name section). */
export const functionNames = 1;
const indirectNames = [2, 3];

/**
 * Returns the rewritten contents; null: copy the section unchanged. Engines ignore a malformed name section, so it is
 * copied as it is.
 */
function shiftNames(module: Module, section: Section, start: number): ByteWriter | null {
  const reader = readerOf(module, section);
  reader.pos = start;
  const writer = new ByteWriter(section.end - start + 64);
  try {
    while (reader.pos < section.end) {
      const id = reader.u8('name subsection id');
      const size = reader.u32('name subsection size');
      const from = reader.pos;
      reader.skip(size, 'name subsection');
      const end = reader.pos;
      if (id === functionNames || indirectNames.includes(id)) {
        reader.pos = from;
        reader.end = end;
        writer.section(id, () => {
          const count = reader.count('names', 2);
          writer.u32(count);
          for (let entry = 0; entry < count; entry++) {
            const index = reader.u32('function index');
            writer.u32(index < module.functionTypes.length ? shiftedFunction(module, index) : index);
            const rest = reader.pos;
            if (id === functionNames) reader.skip(reader.u32('name length'), 'name');
            else skipNameMap(reader);
            writer.raw(module.bytes, rest, reader.pos);
          }
          if (reader.pos !== end) reader.fail('bytes left over');
        });
        reader.end = section.end;
      } else writer.section(id, () => writer.raw(module.bytes, from, end));
    }
    return writer;
  } catch (error) {
    if (error instanceof PlatformError) return null;
    throw error;
  }
}

function skipNameMap(reader: ByteReader): void {
  const count = reader.count('names', 2);
  for (let entry = 0; entry < count; entry++) {
    reader.u32('index');
    reader.skip(reader.u32('name length'), 'name');
  }
}

/**
 * Returns names of `wanted` functions for messages, from the name section, else from exports. Empty if neither has
 * names.
 */
export function functionNamesOf(module: Module, wanted: ReadonlySet<number>): Map<number, string> {
  const names = new Map<number, string>();
  for (const entry of module.exports)
    if (entry.kind === 'function' && wanted.has(entry.index)) names.set(entry.index, entry.name);
  for (const section of module.sections) {
    if (section.id !== 0) continue;
    const reader = readerOf(module, section);
    try {
      if (reader.name('custom section name') !== 'name') continue;
      while (reader.pos < section.end) {
        const id = reader.u8('name subsection id');
        const size = reader.u32('name subsection size');
        const end = reader.pos + size;
        if (id === functionNames)
          for (let entry = reader.count('names', 2); entry > 0; entry--) {
            const index = reader.u32('function index');
            const name = reader.name('function name');
            if (wanted.has(index)) names.set(index, name);
          }
        if (end > section.end) break;
        reader.pos = end;
      }
    } catch (error) {
      // A malformed name section has no names (appendix A.4: it must not fail the module).
      if (!(error instanceof PlatformError)) throw error;
    }
  }
  return names;
}

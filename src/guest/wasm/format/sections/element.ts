/**
 * Reads and writes the element section (5.5.12): active, passive and declarative segments of indices or expressions.
 */
import type { Module, Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { copyShifted } from '../shift.ts';
import { countCapped, readConstantExpression, readFunctionIndex, readRefType } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { behindCount } from './type.ts';

/** Reads the element segments. Throws `module_invalid`. */
export function readElements(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'elementSegments', reader.count('element segments', 2));
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    const flags = reader.u32('element segment flags');
    if (flags > 7) reader.fail(`invalid element segment flags ${flags}`, offset);
    if (flags !== 0) module.features.add((flags & 1) === 0 ? 'reference-types' : 'bulk-memory');
    if ((flags & 1) === 0) {
      const table = (flags & 2) === 0 ? 0 : reader.u32('table index');
      if (table >= module.tables.length)
        reader.fail(`table index ${table} out of range (${module.tables.length} tables)`, offset);
      readConstantExpression(reader, module);
    }
    const expressions = (flags & 4) !== 0;
    if ((flags & 3) !== 0) {
      if (expressions) readRefType(reader, module);
      else if (reader.u8('element kind') !== 0) reader.fail('invalid element kind', reader.pos - 1);
    }
    const entries = reader.count('elements', expressions ? 2 : 1);
    module.elements = countCapped(module, 'elements', module.elements + entries);
    for (let entry = 0; entry < entries; entry++) {
      if (expressions) readConstantExpression(reader, module);
      else readFunctionIndex(reader, module);
    }
  }
  module.elementSegments = count;
}

/**
 * Writes the section with one declarative segment of `declared` after the module's own segments, so that `ref.func` may
 * name those functions. They are indices of the rewritten module; an empty list adds no segment.
 */
export function writeElements(
  writer: ByteWriter,
  module: Module,
  own: Section | undefined,
  declared: readonly number[],
): void {
  if (own === undefined && declared.length === 0) return;
  writer.section(9, () => {
    writer.u32(module.elementSegments + (declared.length > 0 ? 1 : 0));
    if (own !== undefined) copyShifted(writer, module, behindCount(module.bytes, own.start), own.end);
    if (declared.length === 0) return;
    writer.u8(3);
    writer.u8(0);
    writer.u32(declared.length);
    for (const index of declared) writer.u32(index);
  });
}

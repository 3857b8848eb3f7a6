/** Reads and writes the global section (5.5.9). */
import type { Module, Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { copyShifted } from '../shift.ts';
import { countCapped, readConstantExpression, refuse } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { readGlobalType } from './import.ts';
import { behindCount } from './type.ts';

/** Reads the globals that the module defines. Throws `module_invalid`. */
export function readGlobals(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'globals', reader.count('globals', 4));
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    const type = readGlobalType(reader, module);
    if (type.type === 'exnref' && type.mutable)
      refuse(module, { feature: 'exceptions in tables or globals', what: 'mutable global of type exnref', offset });
    // An initialiser may only use globals with a lower index.
    const start = reader.pos;
    readConstantExpression(reader, module);
    module.globals.push({ imported: false, ...type, initialiser: { start, end: reader.pos - 1 } });
  }
}

/** Writes the section with mutable i32 and i64 globals, all 0, after the module's own. */
export function writeGlobals(
  writer: ByteWriter,
  module: Module,
  own: Section | undefined,
  added: { readonly i32: number; readonly i64: number },
): void {
  writer.section(6, () => {
    writer.u32(module.globals.filter((global) => !global.imported).length + added.i32 + added.i64);
    if (own !== undefined) copyShifted(writer, module, behindCount(module.bytes, own.start), own.end);
    for (let index = 0; index < added.i32; index++) writer.raw(Uint8Array.of(0x7f, 1, 0x41, 0, 0x0b));
    for (let index = 0; index < added.i64; index++) writer.raw(Uint8Array.of(0x7e, 1, 0x42, 0, 0x0b));
  });
}

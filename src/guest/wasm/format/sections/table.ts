/** Reads and writes the table section (5.5.7). */
import type { Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { readLimits, readRefType, refuse, valTypeBytes } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { writeLimits } from './import.ts';

/** Reads the tables that the module defines. Throws `module_invalid`. */
export function readTables(reader: ByteReader, module: Module): void {
  const count = reader.count('tables', 3);
  for (let index = 0; index < count; index++) {
    if (reader.bytes[reader.pos] === 0x40)
      refuse(module, { feature: 'function references', what: 'table with an initialiser', offset: reader.pos });
    const element = readRefType(reader, module);
    module.tables.push({ element, imported: false, ...readLimits(reader, module, 'table') });
  }
}

/** Writes the section with every maximum lowered to `entriesMax`. */
export function writeTables(writer: ByteWriter, module: Module, entriesMax: number): void {
  const own = module.tables.filter((table) => !table.imported);
  writer.section(4, () => {
    writer.u32(own.length);
    for (const table of own) {
      writer.u8(valTypeBytes[table.element]);
      const maximum = Math.min(table.maximum ?? 0xffff_ffff, Math.max(entriesMax, table.initial));
      writeLimits(writer, {
        initial: table.initial,
        maximum: entriesMax === Number.POSITIVE_INFINITY ? table.maximum : maximum,
      });
    }
  });
}

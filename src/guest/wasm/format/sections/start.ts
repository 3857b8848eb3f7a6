/** Reads the start section (5.5.11). Rewriting drops the section: the start function becomes a hidden export. */
import type { Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';

export function readStart(reader: ByteReader, module: Module): void {
  const offset = reader.pos;
  const index = reader.u32('start function index');
  if (index >= module.functionTypes.length)
    reader.fail(`start function ${index} out of range (${module.functionTypes.length} functions)`, offset);
  module.start = index;
}

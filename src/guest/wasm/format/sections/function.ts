/** Reads and writes the function section (5.5.6): the type of every function that the module defines. */
import type { Module, Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { readTypeIndex } from './import.ts';
import { copyEntries } from './type.ts';

export function readFunctions(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'functions', reader.count('functions'));
  for (let index = 0; index < count; index++) module.functionTypes.push(readTypeIndex(reader, module));
}

/** Writes the section with functions of the types `added` after the module's own. */
export function writeFunctions(
  writer: ByteWriter,
  module: Module,
  own: Section | undefined,
  added: readonly number[],
): void {
  writer.section(3, () => {
    writer.u32(module.functionTypes.length - module.functionImports.length + added.length);
    copyEntries(writer, module, own);
    for (const type of added) writer.u32(type);
  });
}

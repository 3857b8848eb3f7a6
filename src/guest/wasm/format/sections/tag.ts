/**
 * Reads the tag section (5.5.17): the types of the exceptions that the module throws and catches. Rewriting copies it.
 */
import type { Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped } from '../types.ts';
import { readTypeIndex } from './import.ts';

export function readTags(reader: ByteReader, module: Module): void {
  module.features.add('exceptions');
  const count = countCapped(module, 'tags', reader.count('tags', 2));
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    if (reader.u8('tag attribute') !== 0) reader.fail('invalid tag attribute', offset);
    const type = readTypeIndex(reader, module);
    if (module.types[type]!.results.length > 0) reader.fail(`tag ${index} has a type with results`, offset);
    module.tags.push(type);
  }
}

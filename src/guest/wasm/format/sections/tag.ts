/**
 * Reads the tag section (5.5.17): the types of the exceptions that the module throws and catches. Rewriting copies it.
 */
import type { Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped } from '../types.ts';
import { readTag } from './import.ts';

export function readTags(reader: ByteReader, module: Module): void {
  module.features.add('exceptions');
  const count = countCapped(module, 'tags', reader.count('tags', 2));
  for (let left = count; left > 0; left--) readTag(reader, module);
}

/** Reads the memory section (5.5.8). Rewriting drops the section: the memory becomes an import. */
import type { Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { readLimits, refuse } from '../types.ts';

export function readMemories(reader: ByteReader, module: Module): void {
  const count = reader.count('memories', 2);
  for (let index = 0; index < count; index++)
    module.memories.push({ imported: false, ...readLimits(reader, module, 'memory') });
  refuseSeveral(reader, module);
}

/** Refuses more than one memory, imported memories included, unless the module is part of a component. */
export function refuseSeveral(reader: ByteReader, module: Module): void {
  if (module.memories.length > 1 && !module.isPart)
    refuse(module, { feature: 'multiple memories', what: `${module.memories.length} memories`, offset: reader.pos });
}

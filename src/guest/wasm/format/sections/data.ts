/** Reads the data section (5.5.14) and the data count section (5.5.15). */

import { PAGE_BYTES } from '../../../../protocol/limits.ts';
import type { MisplacedData, Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped, readConstantExpression, refuse } from '../types.ts';

/** Reads the number of data segments, which code may name before the data section comes. */
export function readDataCount(reader: ByteReader, module: Module): void {
  module.features.add('bulk-memory');
  module.dataCount = reader.u32('data count');
}

/** Reads the section, and notes active segments that lie outside of the memory. Throws `module_invalid`. */
export function readData(reader: ByteReader, module: Module): void {
  const start = reader.pos;
  const count = countCapped(module, 'dataSegments', reader.count('data segments', 2));
  if (module.dataCount !== null && module.dataCount !== count)
    reader.fail(`${count} data segments, but the data count section says ${module.dataCount}`, start);
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    const flags = reader.u32('data segment flags');
    if (flags > 2) reader.fail(`invalid data segment flags ${flags}`, offset);
    if (flags !== 0) module.features.add('bulk-memory');
    const memory = flags === 2 ? reader.u32('memory index') : 0;
    if (memory !== 0 && !module.isPart)
      refuse(module, { feature: 'multiple memories', what: `data for memory ${memory}`, offset });
    let address: number | null = null;
    if (flags !== 1) {
      if (module.memories.length <= memory) reader.fail('active data segment without a memory', offset);
      address = readConstantExpression(reader, module);
    }
    const bytes = reader.u32('data segment size');
    reader.skip(bytes, 'data segment');
    if (address !== null) noteMisplaced(module, memory, { segment: index, address: address >>> 0, bytes });
  }
  module.dataSegments = count;
}

/**
 * Notes a segment outside of the memory, at which instantiation would trap (4.5.5 Instantiation): segments are copied
 * before the start function can grow the memory. Skips modules with an imported memory, which may be larger than
 * declared.
 */
function noteMisplaced(module: Module, index: number, data: MisplacedData): void {
  const memory = module.memories[index]!;
  if (!memory.imported && data.address + data.bytes > memory.initial * PAGE_BYTES) module.misplacedData.push(data);
}

/** Export section (5.5.10). */
import { type Export, exportKinds, type Module, type Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { copyShifted } from '../shift.ts';
import { countCapped, readFunctionIndex, refuse } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { behindCount } from './type.ts';

/** Names with this prefix are ours; a module that exports one is refused. */
export const hiddenPrefix = 'trisiel.';

export function readExports(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'exports', reader.count('exports', 3));
  const names = new Set<string>();
  for (let position = 0; position < count; position++) {
    const start = reader.pos;
    const name = reader.name('export name');
    if (names.has(name)) reader.fail(`duplicate export name ${JSON.stringify(name.slice(0, 60))}`, start);
    if (name.startsWith(hiddenPrefix))
      reader.fail(`export name ${JSON.stringify(name.slice(0, 60))} is reserved for the platform`, start);
    names.add(name);
    const offset = reader.pos;
    const kindByte = reader.u8('export kind');
    if (kindByte === 4)
      refuse(module, {
        feature: 'exception tags that are shared',
        what: `export of tag ${JSON.stringify(name.slice(0, 60))}`,
        offset,
      });
    const kind = exportKinds[kindByte];
    if (kind === undefined) throw reader.fail(`invalid export kind 0x${kindByte.toString(16)}`, offset);
    if (kind === 'function') {
      module.exports.push({ name, kind, index: readFunctionIndex(reader, module) });
      continue;
    }
    const index = reader.u32(`${kind} index`);
    const list = { table: module.tables, memory: module.memories, global: module.globals }[kind];
    if (index >= list.length) reader.fail(`exported ${kind} ${index} does not exist`, offset);
    if (kind === 'global' && module.globals[index]?.mutable === true) module.features.add('mutable-globals');
    module.exports.push({ name, kind, index });
  }
}

/** The section with `added` exports behind the module's own; their indices are those of the rewritten module. */
export function writeExports(
  writer: ByteWriter,
  module: Module,
  own: Section | undefined,
  added: readonly Export[],
): void {
  writer.section(7, () => {
    writer.u32(module.exports.length + added.length);
    if (own !== undefined) copyShifted(writer, module, behindCount(module.bytes, own.start), own.end);
    for (const { name, kind, index } of added) {
      writer.name(name);
      writer.u8(exportKinds.indexOf(kind));
      writer.u32(index);
    }
  });
}

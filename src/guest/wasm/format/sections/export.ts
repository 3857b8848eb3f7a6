/** Reads and writes the export section (5.5.10). */
import { type Export, exportKinds, type Module } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { shiftedFunction } from '../shift.ts';
import { countCapped, readFunctionIndex, refuse } from '../types.ts';
import type { ByteWriter } from '../writer.ts';

/** Prefix of the names of hidden exports. A module that exports such a name is refused. */
export const hiddenPrefix = 'trisiel.';

/** Reads the exports. Throws `module_invalid`, also for a name that begins with hiddenPrefix. */
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
    if (kindByte === 4 && !module.isPart)
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
    const list = { table: module.tables, memory: module.memories, global: module.globals, tag: module.tags }[kind];
    if (index >= list.length) reader.fail(`exported ${kind} ${index} does not exist`, offset);
    if (kind === 'global' && module.globals[index]?.mutable === true) module.features.add('mutable-globals');
    module.exports.push({ name, kind, index });
  }
}

/**
 * Writes the section with the module's own exports that `kept` names (null: all of them) and, after them, `added`.
 * Indices in `added` are those of the rewritten module.
 */
export function writeExports(
  writer: ByteWriter,
  module: Module,
  { kept, added }: { readonly kept: readonly string[] | null; readonly added: readonly Export[] },
): void {
  const own = module.exports
    .filter(({ name }) => kept?.includes(name) !== false)
    .map((one) => (one.kind === 'function' ? { ...one, index: shiftedFunction(module, one.index) } : one));
  writer.section(7, () => {
    writer.u32(own.length + added.length);
    for (const { name, kind, index } of [...own, ...added]) {
      writer.name(name);
      writer.u8(exportKinds.indexOf(kind));
      writer.u32(index);
    }
  });
}

/**
 * Reads and writes the import section (5.5.5). Rewriting adds the gas function after the guest's imports, and the
 * memory.
 */
import { exportKinds, type Limits32, type Module, type Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped, readLimits, readRefType, readValType, refuse } from '../types.ts';
import type { ByteWriter } from '../writer.ts';
import { copyEntries } from './type.ts';

/** Import module of the host's items for a rewritten module: `gas` and `memory`. A guest that names it is refused. */
export const hostModule = 'trisiel';

/** Reads the imports. Throws `module_invalid`, also for imports of hostModule. */
export function readImports(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'imports', reader.count('imports', 4));
  for (let index = 0; index < count; index++) {
    const start = reader.pos;
    const moduleName = reader.name('import module name');
    if (moduleName === hostModule) reader.fail(`import module "${hostModule}" is reserved for the platform`, start);
    const name = reader.name('import name');
    const offset = reader.pos;
    const kind = reader.u8('import kind');
    if (kind === 0) {
      const type = readTypeIndex(reader, module);
      module.functionImports.push({ module: moduleName, name, type });
      module.functionTypes.push(type);
      continue;
    }
    if (kind === 4 && module.isPart) {
      module.features.add('exceptions');
      readTag(reader, module);
      module.otherImports.push({ module: moduleName, name, kind: 'tag' });
      continue;
    }
    if (kind === 4)
      refuse(module, {
        feature: 'exception tags that are shared',
        what: `import of tag ${JSON.stringify(name.slice(0, 60))}`,
        offset,
      });
    if (kind === 0x20)
      refuse(module, { feature: 'custom descriptors', what: 'import of an exactly typed function', offset });
    if (kind === 0x7e || kind === 0x7f) refuse(module, { feature: 'compact imports', what: 'grouped imports', offset });
    if (kind > 4) reader.fail(`invalid import kind 0x${kind.toString(16)}`, offset);
    if (kind === 1) {
      const element = readRefType(reader, module);
      module.tables.push({ element, imported: true, ...readLimits(reader, module, 'table') });
    } else if (kind === 2) module.memories.push({ imported: true, ...readLimits(reader, module, 'memory') });
    else module.globals.push({ imported: true, ...readGlobalType(reader, module), initialiser: null });
    const kindName = exportKinds[kind];
    if (kindName !== undefined && kindName !== 'function')
      module.otherImports.push({ module: moduleName, name, kind: kindName });
  }
}

/** Reads the index of a type of the module. Throws `module_invalid` for one that it does not have. */
export function readTypeIndex(reader: ByteReader, module: Module): number {
  const offset = reader.pos;
  const type = reader.u32('type index');
  if (type >= module.types.length)
    reader.fail(`type index ${type} out of range (${module.types.length} types)`, offset);
  return type;
}

/** Reads a tag, which is defined or imported. */
export function readTag(reader: ByteReader, module: Module): void {
  const offset = reader.pos;
  if (reader.u8('tag attribute') !== 0) reader.fail('invalid tag attribute', offset);
  const type = readTypeIndex(reader, module);
  if (module.types[type]!.results.length > 0) reader.fail(`tag ${module.tags.length} has a type with results`, offset);
  module.tags.push(type);
}

/** Reads the type of a global (5.3.10) and whether code may change it. Throws `module_invalid`. */
export function readGlobalType(reader: ByteReader, module: Module) {
  const type = readValType(reader, module);
  const offset = reader.pos;
  const mutability = reader.u8('mutability');
  if ((mutability & 2) !== 0 && mutability < 4)
    refuse(module, { feature: 'shared-everything threads', what: 'shared global', offset });
  if (mutability > 1) reader.fail(`invalid mutability 0x${mutability.toString(16)}`, offset);
  return { type, mutable: mutability === 1 };
}

/**
 * Imports of hostModule. `type` is the index of the gas function's type; the memory is null for a module that has none
 * to import.
 */
export interface AddedImports {
  readonly gas: { readonly name: string; readonly type: number };
  readonly memory: (Limits32 & { readonly name: string }) | null;
}

/** Writes the section with `added` after the module's own imports, which are in `own`; undefined: it has none. */
export function writeImports(writer: ByteWriter, module: Module, own: Section | undefined, added: AddedImports): void {
  writer.section(2, () => {
    const count = module.functionImports.length + module.otherImports.length;
    writer.u32(count + (added.memory === null ? 1 : 2));
    copyEntries(writer, module, own);
    writer.name(hostModule);
    writer.name(added.gas.name);
    writer.u8(0);
    writer.u32(added.gas.type);
    if (added.memory !== null) {
      writer.name(hostModule);
      writer.name(added.memory.name);
      writer.u8(2);
      writeLimits(writer, added.memory);
    }
  });
}

/** Writes limits of a table or memory (5.3.9). */
export function writeLimits(writer: ByteWriter, limits: Limits32): void {
  writer.u8(limits.maximum === null ? 0 : 1);
  writer.u32(limits.initial);
  if (limits.maximum !== null) writer.u32(limits.maximum);
}

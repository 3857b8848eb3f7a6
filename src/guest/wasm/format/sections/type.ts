/** Reads and writes the type section (5.5.4). Only function types are accepted. */
import type { FuncType, ValType } from '../../../../protocol/module.ts';
import { refusedTypeForms } from '../features.ts';
import type { Module, Section } from '../model.ts';
import type { ByteReader } from '../reader.ts';
import { countCapped, readValType, refuse, valTypeBytes } from '../types.ts';
import type { ByteWriter } from '../writer.ts';

/** Reads the function types. Throws `module_invalid`, and RefusedHere for a type of another kind. */
export function readTypes(reader: ByteReader, module: Module): void {
  const count = countCapped(module, 'types', reader.count('types', 3));
  for (let index = 0; index < count; index++) {
    const offset = reader.pos;
    const form = reader.u8('type');
    if (form !== 0x60) {
      const refused = refusedTypeForms[form];
      if (refused !== undefined) refuse(module, { ...refused, offset });
      reader.fail(`invalid type form 0x${form.toString(16)}`, offset);
    }
    const params = readValTypes(reader, module, 'parameters');
    const results = readValTypes(reader, module, 'results');
    if (results.length > 1) module.features.add('multi-value');
    module.types.push({ params, results });
  }
}

function readValTypes(reader: ByteReader, module: Module, what: string): ValType[] {
  const count = reader.count(what);
  const types: ValType[] = [];
  for (let index = 0; index < count; index++) types.push(readValType(reader, module));
  return types;
}

/** Writes the section with `added` types after the module's own. */
export function writeTypes(writer: ByteWriter, module: Module, own: Section | undefined, added: readonly FuncType[]) {
  writer.section(1, () => {
    writer.u32(module.types.length + added.length);
    copyEntries(writer, module, own);
    for (const type of added) {
      writer.u8(0x60);
      for (const list of [type.params, type.results]) {
        writer.u32(list.length);
        for (const entry of list) writer.u8(valTypeBytes[entry]);
      }
    }
  });
}

/** Copies the entries of a section that begins with a count, but not the count. */
export function copyEntries(writer: ByteWriter, module: Module, section: Section | undefined): void {
  if (section === undefined) return;
  writer.raw(module.bytes, behindCount(module.bytes, section.start), section.end);
}

/** Returns the offset of the first entry. The count has been read before, so its LEB128 is valid. */
export function behindCount(bytes: Uint8Array, start: number): number {
  while (bytes[start]! >= 0x80) start++;
  return start + 1;
}

/** Writes a module with some sections replaced, and reads the entries of the sections that a snapshot replaces. */
import { findSection, type Module, type Section, sectionOrder } from '../format/model.ts';
import { ByteReader } from '../format/reader.ts';
import { readGlobalType } from '../format/sections/import.ts';
import { behindCount } from '../format/sections/type.ts';
import { readConstantExpression, readRefType } from '../format/types.ts';
import { ByteWriter } from '../format/writer.ts';

/** Writes one section, or nothing. `own` is the module's section of the same id. */
export type SectionWriter = (writer: ByteWriter, own: Section | undefined) => void;

/**
 * Returns the bytes of `module` with new sections for the ids in `replaced`. Other sections, custom ones included, keep
 * their bytes and positions.
 */
export function replaceSections(module: Module, replaced: Readonly<Record<number, SectionWriter>>): Uint8Array {
  const writer = new ByteWriter(module.bytes.length + 65_536);
  writer.raw(module.bytes, 0, 8);
  const customs = module.sections.filter(({ id }) => id === 0);
  const copy = (section: Section) =>
    writer.section(section.id, () => writer.raw(module.bytes, section.start, section.end));
  for (const custom of customs) if (custom.rank < 0) copy(custom);
  for (const [rank, id] of sectionOrder.entries()) {
    const own = findSection(module, id);
    const write = replaced[id];
    if (write !== undefined) write(writer, own);
    else if (own !== undefined) copy(own);
    for (const custom of customs) if (custom.rank === rank) copy(custom);
  }
  return writer.view();
}

/** Returns a writer for section `id`, a list, that keeps the module's own entries and writes `added` after them. */
export function appended(module: Module, id: number, added: readonly ((writer: ByteWriter) => void)[]): SectionWriter {
  return (writer, own) => {
    if (own === undefined && added.length === 0) return;
    writer.section(id, () => {
      const count = own === undefined ? 0 : sectionReader(module, own).u32('count');
      writer.u32(count + added.length);
      if (own !== undefined) writer.raw(module.bytes, behindCount(module.bytes, own.start), own.end);
      for (const write of added) write(writer);
    });
  };
}

/** Returns a reader of the section's payload. */
export function sectionReader(module: Module, section: Section): ByteReader {
  const reader = new ByteReader(module.bytes, module.subject);
  reader.pos = section.start;
  reader.end = section.end;
  return reader;
}

/**
 * Place of a global that the module defines, in byte offsets: from its type up to and with the `end` of its
 * initialiser.
 */
export interface GlobalEntry {
  readonly start: number;
  /** Byte offset of the initialiser. */
  readonly initialiser: number;
  readonly end: number;
}

/** Returns the entries of the global section, in order. */
export function globalEntries(module: Module): readonly GlobalEntry[] {
  return entries(module, 6, (reader) => {
    const start = reader.pos;
    readGlobalType(reader, module);
    const initialiser = reader.pos;
    readConstantExpression(reader, module);
    return { start, initialiser, end: reader.pos };
  });
}

/** Place of a data segment, in byte offsets from its flags up to its last byte. */
export interface DataEntry {
  readonly isPassive: boolean;
  readonly start: number;
  readonly end: number;
  /** Number of bytes of the segment. */
  readonly size: number;
}

/** Returns the entries of the data section, in order. */
export function dataEntries(module: Module): readonly DataEntry[] {
  return entries(module, 11, (reader) => {
    const start = reader.pos;
    const flags = reader.u32('flags');
    if (flags === 2) reader.u32('memory index');
    if (flags !== 1) readConstantExpression(reader, module);
    const size = reader.u32('size');
    reader.skip(size, 'data segment');
    return { isPassive: flags === 1, start, end: reader.pos, size };
  });
}

/** Place of an element segment, in byte offsets from its flags up to its last entry. */
export interface ElementEntry {
  readonly kind: 'active' | 'passive' | 'declarative';
  /** Whether the entries are constant expressions; if not, they are function indices. */
  readonly hasExpressions: boolean;
  readonly type: 'funcref' | 'externref';
  readonly start: number;
  /** Byte offset of the list of entries, which begins with its count. */
  readonly list: number;
  readonly end: number;
  /** Number of entries. */
  readonly size: number;
}

/** Returns the entries of the element section, in order. */
export function elementEntries(module: Module): readonly ElementEntry[] {
  return entries(module, 9, (reader) => {
    const start = reader.pos;
    const flags = reader.u32('flags');
    const kind = (flags & 1) === 0 ? 'active' : (flags & 2) === 0 ? 'passive' : 'declarative';
    const hasExpressions = (flags & 4) !== 0;
    if (kind === 'active') {
      if ((flags & 2) !== 0) reader.u32('table index');
      readConstantExpression(reader, module);
    }
    let type: ElementEntry['type'] = 'funcref';
    if ((flags & 3) !== 0) {
      if (hasExpressions) type = readRefType(reader, module);
      else reader.u8('element kind');
    }
    const list = reader.pos;
    const size = reader.u32('entries');
    for (let entry = 0; entry < size; entry += 1) {
      if (hasExpressions) readConstantExpression(reader, module);
      else reader.u32('function index');
    }
    return { kind, hasExpressions, type, start, list, end: reader.pos, size };
  });
}

function entries<T>(module: Module, id: number, read: (reader: ByteReader) => T): readonly T[] {
  const section = findSection(module, id);
  if (section === undefined) return [];
  const reader = sectionReader(module, section);
  return Array.from({ length: reader.u32('count') }, () => read(reader));
}

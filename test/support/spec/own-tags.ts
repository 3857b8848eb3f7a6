/**
 * Turns imported exception tags into the module's own, and removes exports of tags: modules that share tags are
 * refused, but the specification's tests of exceptions are to be run all the same.
 */
import { bytes, largeSection, vector } from '../module-builder.ts';

/** Returns the module without imports and exports of tags; indices stay, because imported tags come first. */
export function withOwnTags(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const sections = sectionsOf(module);
  const tags: number[][] = [];
  const find = (id: number) => sections.find((section) => section.id === id);
  const imports = find(2);
  if (imports !== undefined) {
    const kept: number[][] = [];
    for (const entry of entriesOf(imports.contents, importEnd)) {
      if (entry.kind === 4) tags.push(entry.bytes.slice(entry.descriptor + 1));
      else kept.push(entry.bytes);
    }
    imports.contents = vector(kept);
  }
  const exports = find(7);
  if (exports !== undefined)
    exports.contents = vector(
      entriesOf(exports.contents, exportEnd)
        .filter(({ kind }) => kind !== 4)
        .map((entry) => entry.bytes),
    );
  const own = find(13);
  if (tags.length > 0) {
    const rest = own === undefined ? [] : entriesOf(own.contents, tagEnd).map((tag) => tag.bytes);
    if (own !== undefined) own.contents = vector([...tags, ...rest]);
    else {
      // The tag section comes after memories and before globals.
      const later = sections.findIndex(({ id }) => id === 6 || (id > 6 && id !== 13));
      sections.splice(later < 0 ? sections.length : later, 0, { id: 13, contents: vector(tags) });
    }
  }
  return bytes(...sections.map(({ id, contents }) => largeSection(id, contents)));
}

class Cursor {
  at = 0;
  readonly bytes: readonly number[];
  constructor(source: readonly number[]) {
    this.bytes = source;
  }
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new Error('a section ends early');
    return value;
  }
  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
  /** Skips `count` numbers. */
  number(count: number): void {
    for (let index = 0; index < count; index++) this.u32();
  }
  name(): void {
    const length = this.u32();
    this.at += length;
  }
}

function sectionsOf(module: Uint8Array): { readonly id: number; contents: number[] }[] {
  const reader = new Cursor([...module]);
  reader.at = 8;
  const sections: { id: number; contents: number[] }[] = [];
  while (reader.at < module.length) {
    const id = reader.byte();
    const size = reader.u32();
    sections.push({ id, contents: [...module.subarray(reader.at, reader.at + size)] });
    reader.at += size;
  }
  return sections;
}

interface Entry {
  readonly bytes: number[];
  /** Offset in `bytes` of the description of the import or export, and the description's first byte. */
  readonly descriptor: number;
  readonly kind: number;
}

function entriesOf(contents: readonly number[], skip: (reader: Cursor) => number): Entry[] {
  const reader = new Cursor(contents);
  return Array.from({ length: reader.u32() }, () => {
    const start = reader.at;
    const descriptor = skip(reader);
    return {
      bytes: contents.slice(start, reader.at),
      descriptor: descriptor - start,
      kind: contents[descriptor] ?? 0,
    };
  });
}

/** Reads one import and returns where its description begins. */
function importEnd(reader: Cursor): number {
  reader.name();
  reader.name();
  const descriptor = reader.at;
  const kind = reader.byte();
  const limits = () => reader.number((reader.byte() & 1) === 0 ? 1 : 2);
  if (kind === 0) reader.number(1);
  else if (kind === 1) {
    reader.byte();
    limits();
  } else if (kind === 2) limits();
  else reader.number(2);
  return descriptor;
}

/** Reads one export and returns where its description begins. */
function exportEnd(reader: Cursor): number {
  reader.name();
  const descriptor = reader.at;
  reader.number(2);
  return descriptor;
}

/** Reads one tag, which consists of a description only. */
function tagEnd(reader: Cursor): number {
  const descriptor = reader.at;
  reader.number(2);
  return descriptor;
}

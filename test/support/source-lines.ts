/** Modules with source maps and DWARF whose lines are known. */
import { leb, text } from './module-builder.ts';

export const customSection = {
  /** Returns a text behind its length, as the contents of the section `sourceMappingURL` are. */
  name: (value: string): Uint8Array => Uint8Array.from(text(value)),
};

/** Returns the module with one more custom section at its end. */
export function withSection(bytes: Uint8Array, name: string, contents: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = text(name);
  return Uint8Array.from(
    Buffer.concat([bytes, Uint8Array.from([0, ...leb(own.length + contents.length), ...own]), contents]),
  );
}

/**
 * Returns a source map in which byte N of a module comes from line N of `source`, and with several sources from the
 * next source for each byte.
 */
export function sourceMapOf(moduleBytes: number, source: unknown = 'a.ts'): Uint8Array {
  const sources = Array.isArray(source) && source.length > 1 ? source : [source];
  let file = 0;
  const segments = Array.from({ length: moduleBytes - 1 }, (_, at) => {
    const next = sources.length === 1 ? 0 : at % sources.length;
    const segment = ['C', digits(next - file), at === 0 ? 'A' : 'C', 'A'].join('');
    file = next;
    return segment;
  });
  return Buffer.from(JSON.stringify({ version: 3, sources, names: [], mappings: segments.join(',') }));
}

/** Returns the module with the map of sourceMapOf in a section of its own: its byte N comes from line N of `source`. */
export function withSourceMap(bytes: Uint8Array, source: string): Uint8Array<ArrayBuffer> {
  const url = `data:application/json;base64,${Buffer.from(sourceMapOf(bytes.length, source)).toString('base64')}`;
  return withSection(bytes, 'sourceMappingURL', customSection.name(url));
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Returns a number as base 64 VLQ. */
function digits(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let written = '';
  do {
    const digit = rest & 31;
    rest >>>= 5;
    written += alphabet[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return written;
}

/** Returns a module of at least a header without its custom sections. */
export function withoutCustoms(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept = [bytes.subarray(0, 8)];
  for (let pos = 8; pos < bytes.length; ) {
    const [size, start] = unsigned(bytes, pos + 1);
    if (bytes[pos] !== 0) kept.push(bytes.subarray(pos, start + size));
    pos = start + size;
  }
  return Uint8Array.from(Buffer.concat(kept));
}

/** Returns line number programs in the 32-bit form (DWARF 4 or 5, of clang) in the 64-bit form. */
export function as64(line: Uint8Array): Buffer {
  const view = Buffer.from(line);
  const units: Buffer[] = [];
  for (let pos = 0; pos < view.length; ) {
    const end = pos + 4 + view.readUInt32LE(pos);
    const isFifth = view.readUInt16LE(pos + 4) === 5;
    const lengthAt = pos + (isFifth ? 8 : 6);
    const program = lengthAt + 4 + view.readUInt32LE(lengthAt);
    const header = isFifth ? tablesAs64(view.subarray(lengthAt + 4, program)) : view.subarray(lengthAt + 4, program);
    const rest = Buffer.concat([
      view.subarray(pos + 4, lengthAt),
      word(header.length),
      header,
      view.subarray(program, end),
    ]);
    units.push(Buffer.from([0xff, 0xff, 0xff, 0xff]), word(rest.length), rest);
    pos = end;
  }
  return Buffer.concat(units);
}

/** Widens the offsets of texts in the tables of a header of DWARF 5. */
function tablesAs64(header: Buffer): Buffer {
  const parts: Buffer[] = [];
  let kept = 0;
  // Behind instruction length, operations, is_stmt, line base and range: the operands of the standard opcodes.
  let pos = 5 + (header[5] as number);
  for (let table = 0; table < 2; table += 1) {
    const forms: number[] = [];
    const count = header[pos++] as number;
    for (let n = 0; n < count; n += 1) {
      const [, formAt] = unsigned(header, pos);
      const [form, next] = unsigned(header, formAt);
      forms.push(form);
      pos = next;
    }
    const [entries, first] = unsigned(header, pos);
    pos = first;
    for (let n = 0; n < entries * forms.length; n += 1) {
      const form = forms[n % forms.length];
      if (form === 0x0e || form === 0x1f) {
        parts.push(header.subarray(kept, pos), word(header.readUInt32LE(pos)));
        pos += 4;
        kept = pos;
      } else if (form === 0x1e) pos += 16;
      else if (form === 0x0b) pos += 1;
      else if (form === 0x0f) pos = unsigned(header, pos)[1];
      else throw new Error(`form ${form}`);
    }
  }
  return Buffer.concat([...parts, header.subarray(kept)]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Returns the unsigned LEB128 at `pos`, and where it ends. */
function unsigned(bytes: Uint8Array, pos: number): [number, number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[pos++] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, pos];
  }
}

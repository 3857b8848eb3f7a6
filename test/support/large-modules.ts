/** Modules as large as asked, made without an assembler. */
import { leb } from './module-builder.ts';

/** Makes a section of a binary module. */
function section(id: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([Buffer.from([id, ...leb(length)]), ...contents]);
}

const bytes = (...values: readonly number[]) => Buffer.from(values);
const header = bytes(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const startExport = section(7, bytes(1, 6, ...Buffer.from('_start'), 0, 0));

/** Makes a body from its instructions. */
function body(...code: readonly number[]): Buffer {
  return bytes(...leb(code.length + 1), 0, ...code);
}

/**
 * Makes a module of exactly `size` bytes: a `_start` that does nothing, `functions` functions of 1 KiB, and a custom
 * section, as debug information is one, for the rest. `size` has to leave room for it.
 */
export function moduleOfSize(size: number, functions: number): Buffer {
  const filler = body(...Array.from({ length: 256 }, (_, at) => [0x41, at & 63, 0x1a, 0x01]).flat(), 0x0b);
  const count = functions + 1;
  const program = Buffer.concat([
    header,
    section(1, bytes(1, 0x60, 0, 0)),
    section(3, bytes(...leb(count)), Buffer.alloc(count)),
    startExport,
    section(10, bytes(...leb(count)), body(0x0b), ...Array.from({ length: functions }, () => filler)),
  ]);
  const name = bytes(6, ...Buffer.from('.debug'));
  // Five bytes of length, padded, so that the length has a fixed size.
  const length = size - program.length - 6;
  const padded = [0, 7, 14, 21].map((shift) => ((length >>> shift) & 127) | 128);
  return Buffer.concat([program, bytes(0, ...padded, length >>> 28), name, Buffer.alloc(length - name.length)]);
}

/**
 * Makes a module with one table of `entries` that an element segment fills with `functions` functions in turn. Function
 * i returns i + 1; `_start` traps unless the entry in the middle and the last one return what they should.
 */
export function moduleOfTable(entries: number, functions: number): Buffer {
  const sleb = (value: number): number[] => {
    const out: number[] = [];
    for (let left = value; ; left >>= 7) {
      if (left < 64) return [...out, left];
      out.push((left & 127) | 128);
    }
  };
  const check = (entry: number) => [
    ...[0x41, ...sleb(entry), 0x11, 1, 0],
    ...[0x41, ...sleb((entry % functions) + 1), 0x47, 0x04, 0x40, 0x00, 0x0b],
  ];
  // Indices of three bytes each, padded, which are fast to write.
  const references = Buffer.alloc(entries * 3);
  for (let entry = 0; entry < entries; entry += 1) {
    const index = (entry % functions) + 1;
    references.set([(index & 127) | 128, ((index >> 7) & 127) | 128, index >> 14], entry * 3);
  }
  return Buffer.concat([
    header,
    section(1, bytes(2, 0x60, 0, 0, 0x60, 0, 1, 0x7f)),
    section(3, bytes(...leb(functions + 1), 0), Buffer.alloc(functions, 1)),
    section(4, bytes(1, 0x70, 0, ...leb(entries))),
    startExport,
    section(9, bytes(1, 0, 0x41, 0, 0x0b, ...leb(entries)), references),
    section(
      10,
      bytes(...leb(functions + 1)),
      body(...check(entries >> 1), ...check(entries - 1), 0x0b),
      ...Array.from({ length: functions }, (_, index) => body(0x41, ...sleb(index + 1), 0x0b)),
    ),
  ]);
}

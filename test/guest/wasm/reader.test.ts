import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../../src/guest/wasm/format/reader.ts';
import { ByteWriter } from '../../../src/guest/wasm/format/writer.ts';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { bytes, header, leb, moduleWith, section, vector } from '../../support/module-builder.ts';

const reader = (...data: number[]) => new ByteReader(Uint8Array.from(data), 'the module');

function problem(data: Uint8Array): string {
  try {
    rewriteModule(data);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'module_invalid') return error.details[0] ?? '';
    throw error;
  }
  return 'no problem';
}

describe('LEB128', () => {
  test('reads the largest and padded unsigned values, and no larger or longer ones', () => {
    expect(reader(0xff, 0xff, 0xff, 0xff, 0x0f).u32('n')).toBe(0xffff_ffff);
    expect(reader(0x80, 0x80, 0x80, 0x80, 0x00).u32('n')).toBe(0);
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x1f).u32('n')).toThrow(PlatformError);
    expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0x00).u32('n')).toThrow(PlatformError);
    expect(() => reader(0x80).u32('n')).toThrow(PlatformError);
  });

  test('accepts sign-extended last bytes only', () => {
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x7f).skipSigned(32, 'n')).not.toThrow();
    expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x78).skipSigned(32, 'n')).not.toThrow();
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x0f).skipSigned(32, 'n')).toThrow(PlatformError);
    expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x70).skipSigned(32, 'n')).toThrow(PlatformError);
    const nine = Array.from({ length: 9 }, () => 0xff);
    expect(() => reader(...nine, 0x7f).skipSigned(64, 'n')).not.toThrow();
    expect(() => reader(...nine, 0x7e).skipSigned(64, 'n')).toThrow(PlatformError);
    expect(() => reader(...nine, 0xff, 0x00).skipSigned(64, 'n')).toThrow(PlatformError);
  });

  test('reads 33-bit block types', () => {
    expect(reader(0x40).s33('t')).toBe(-64);
    expect(reader(0xff, 0xff, 0xff, 0xff, 0x0f).s33('t')).toBe(0xffff_ffff);
    expect(reader(0x80, 0x80, 0x80, 0x80, 0x70).s33('t')).toBe(-(2 ** 32));
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x2f).s33('t')).toThrow(PlatformError);
  });

  test('what the writer writes, the reader reads', () => {
    for (const value of [0, 1, 63, 64, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 32 - 1]) {
      const writer = new ByteWriter(1);
      writer.u32(value);
      expect(reader(...writer.view()).u32('n')).toBe(value);
    }
    for (const value of [0, 1, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)]) {
      const writer = new ByteWriter(1);
      writer.s32(value);
      expect(reader(...writer.view()).s33('n')).toBe(value);
    }
  });

  test('a sized part of any length gets the shortest size', () => {
    for (const length of [0, 127, 128, 16_384, 70_000]) {
      const writer = new ByteWriter(1);
      writer.sized(() => writer.raw(new Uint8Array(length).fill(7)));
      expect([...writer.view().subarray(0, 3)]).toEqual([...leb(length), 7, 7, 7].slice(0, length === 0 ? 1 : 3));
      expect(writer.length).toBe(length + leb(length).length);
    }
  });
});

describe('sections', () => {
  test('the empty module is fine', () => {
    expect(problem(bytes())).toBe('no problem');
  });

  test.each([
    ['duplicate', [section(1, 0), section(1, 0)], 'duplicate type section'],
    ['out of order', [section(3, 0), section(1, 0)], 'type section out of order'],
    ['unknown', [[77, 0]], 'unknown section id 77'],
    ['longer than the file', [[1, 5, 0]], 'section of 5 bytes, but only 1 bytes follow'],
    ['with bytes left over', [section(1, 0, 0)], '1 bytes left over in the type section'],
    ['with a count beyond its end', [section(1, ...leb(2 ** 30))], '1073741824 types declared'],
    ['declaring functions without code', [section(1, 1, 0x60, 0, 0), section(3, 1, 0)], 'no code section'],
    ['with a type that is not there', [section(1, 0), section(3, 1, 0)], 'type index 0 out of range'],
    ['code without functions', [section(10, 1, 2, 0, 0x0b)], '1 function bodies for 0 declared functions'],
    ['a custom section with a broken name', [section(0, 2, 0xc3, 0x28)], 'not valid UTF-8'],
    ['a maximum below the initial size', [section(5, 1, 1, 2, 1)], 'maximum 1 is below its initial size 2'],
    ['a data count without data', [section(12, 1)], 'there is no data section'],
    ['an invalid mutability', [section(6, 1, 0x7f, 4, 0x41, 0, 0x0b)], 'invalid mutability'],
    ['data with unknown flags', [section(5, 1, 0, 1), section(11, 1, 3, 0x41, 0, 0x0b, 0)], 'data segment flags 3'],
    ['elements with unknown flags', [section(9, 1, 8, 0x41, 0, 0x0b, 0)], 'element segment flags 8'],
    ['elements of an unknown kind', [section(9, 1, 1, 1, 0)], 'invalid element kind'],
    ['an export of an unknown kind', [section(7, 1, 1, 0x61, 9, 0)], 'invalid export kind 0x9'],
    ['an import of an unknown kind', [section(2, 1, 1, 0x61, 1, 0x62, 5, 0)], 'invalid import kind 0x5'],
    ['a tag that is no exception', [section(1, 1, 0x60, 0, 0), section(13, 1, 1, 0)], 'invalid tag attribute'],
    [
      'a constant of vectors that is computed',
      [section(6, 1, 0x7b, 0, 0xfd, 13, ...new Uint8Array(16), 0x0b)],
      'opcode 0xfd 13 in a constant',
    ],
    [
      'a body beyond its section',
      [section(1, 1, 0x60, 0, 0), section(3, 1, 0), section(10, 1, 50, 0, 0x0b), section(11, 0)],
      'function body of 50 bytes runs past its section',
    ],
    [
      'bytes behind the last body',
      [section(1, 1, 0x60, 0, 0), section(3, 1, 0), section(10, 1, 2, 0, 0x0b, 0)],
      '1 bytes left over in the code section',
    ],
  ])('%s: says what and where', (_, parts, expected) => {
    expect(problem(bytes(...parts))).toMatch(expected);
    expect(problem(bytes(...parts))).toMatch(/ @\+\d+$/);
  });

  test.each([
    ['an unknown catch clause', [0x1f, 0x40, 1, 4, 0, 0x0b, 0x0b], 'invalid catch clause 0x4'],
    ['a block type that is none', [0x02, 0x80, 0x7f, 0x0b, 0x0b], 'invalid block type'],
    ['an alignment that is none', [0x41, 0, 0x28, 0x80, 1, 0, 0x1a, 0x0b], 'invalid alignment flags 0x80'],
  ])('code with %s: says what and where', (_, code, expected) => {
    expect(problem(moduleWith(code))).toMatch(expected);
    expect(problem(moduleWith(code))).toMatch(/ @\+\d+$/);
  });

  test.each([
    [
      'an exactly typed import',
      [section(1, 1, 0x60, 0, 0), section(2, 1, 1, 0x61, 1, 0x62, 0x20, 0)],
      'custom descriptors',
    ],
    ['grouped imports', [section(2, 1, 1, 0x61, 0, 0x7e, 0)], 'compact imports'],
    ['grouped imports of one kind', [section(2, 1, 1, 0x61, 0, 0x7f, 0)], 'compact imports'],
    ['a table with an initialiser', [section(4, 1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b)], 'function references'],
  ])('%s: the feature is named', (_, parts, feature) => {
    expect(() => rewriteModule(bytes(...parts))).toThrow(feature);
  });

  test('every huge count fails at once, whatever it counts', () => {
    const huge = leb(0x3fff_ffff);
    const started = process.cpuUsage();
    const heap = process.memoryUsage().rss;
    for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11])
      expect(problem(bytes(section(id, ...huge)))).toMatch(/declared|bodies/);
    expect(problem(bytes(section(1, 1, 0x60, ...huge)))).toMatch('parameters declared');
    expect(problem(bytes(section(0, ...huge)))).toMatch('custom section name');
    // Locals are counted, not listed: the engine's own limit decides.
    const locals = bytes(
      section(1, ...vector([[0x60, 0, 0]])),
      section(3, ...vector([[0]])),
      section(10, 1, ...leb(7 + 3), 1, ...huge, 0x7f, 0x0b, 0, 0),
    );
    expect(() => rewriteModule(locals)).toThrow(PlatformError);
    expect(process.cpuUsage(started).user).toBeLessThan(500_000);
    expect(process.memoryUsage().rss - heap).toBeLessThan(50 * 2 ** 20);
  });

  test('another version of the format is refused, with what was expected', () => {
    expect(problem(Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]))).toMatch(
      'expected version 01 00 00 00, found 02 00 00 00',
    );
  });

  test('every prefix of a module is refused with a coded error', () => {
    const whole = Uint8Array.from(
      Buffer.from(
        'AGFzbQEAAAABCAJgAX8AYAAAAgcBAWgBaAAAAwIBAQcFAQFoAAEKGwEZAQN/QQohAEHoACEBQSchAiABEAAgABAACw==',
        'base64',
      ),
    );
    for (let length = 0; length < whole.length; length++) {
      if (length === header.length) continue; // the empty module
      const prefix = whole.subarray(0, length);
      if (WebAssembly.validate(prefix)) continue;
      expect(problem(prefix), `length ${length}`).not.toBe('no problem');
    }
  });
});

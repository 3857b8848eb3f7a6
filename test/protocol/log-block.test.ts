import { constants, crc32, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIB, MIB } from '../../src/protocol/limits.ts';
import {
  type BlockLine,
  blockHeadBytes,
  blockLimits,
  blockMethods,
  blockVersions,
  charsOf,
  columnBytesMax,
  levelBit,
  levelBitsUpTo,
  lineWords,
  mayHaveWord,
  packAll,
  packByHandler,
  packLines,
} from '../../src/protocol/log-block.ts';
import {
  columnBytesOf,
  DamagedBlock,
  hasValidHead,
  lineAt,
  packedLineAt,
  unpackBlock,
} from '../../src/protocol/log-block-reader.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';

const line = (text: string, more: Partial<BlockLine> = {}): BlockLine => ({
  ...{ deployment: 1, invocation: 'i', seq: 1, timeMs: 1, gas: 1, stream: 'log', level: 6, text },
  ...more,
});

/** Returns the lines of a block as JSON, or `damaged`. */
function outcomeOf(data: Uint8Array, lines: number): string {
  try {
    return JSON.stringify(read(data, lines));
  } catch (error) {
    if (error instanceof DamagedBlock) return 'damaged';
    throw error;
  }
}

/** Returns the lines and cursors of a block. */
function read(data: Uint8Array, lines: number) {
  const block = unpackBlock(data, lines);
  return Array.from({ length: lines }, (_line, index) => {
    const { cursor } = lineAt(block, index, { first: 100, handler: 'h' });
    return { cursor, line: packedLineAt(block, index) };
  });
}

const whole = fc.oneof(fc.nat(300), fc.maxSafeNat());
const someFields = fc
  .dictionary(
    fc.string({ maxLength: 5 }),
    fc.oneof(fc.string({ maxLength: 5 }), fc.integer(), fc.boolean(), fc.constant(null)),
  )
  .map((fields) => JSON.stringify(fields));
const anyLine: fc.Arbitrary<BlockLine> = fc.record(
  {
    deployment: whole,
    invocation: fc.constantFrom('', 'i1', 'i2', 'ünïcode \u{1f9a6}'),
    seq: whole,
    timeMs: whole,
    gas: whole,
    stream: fc.constantFrom('log' as const, 'stderr' as const, 'platform' as const),
    level: fc.oneof(fc.integer({ min: -3, max: 20 }), fc.maxSafeInteger()),
    text: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('', '\0', 'x'.repeat(5_000), '\u{1f9a6}'),
    ),
    status: fc.integer({ min: 100, max: 599 }),
    fields: someFields,
  },
  { requiredKeys: ['deployment', 'invocation', 'seq', 'timeMs', 'gas', 'stream', 'level', 'text'] },
);

describe('a block of log lines', () => {
  test('property: every line comes back as it was packed, with its cursor', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 60 }), fc.array(fc.nat(3)), (lines, gaps) => {
        let cursor = 99;
        const cursors = lines.map((_, at) => (cursor += 1 + (at === 0 ? 0 : (gaps[at] ?? 0))));
        const block = packLines(lines, cursors);
        expect(block.lines).toBe(lines.length);
        expect(block.textChars).toBe(lines.reduce((sum, one) => sum + charsOf(one), 0));
        expect(columnBytesOf(block.data)).toBeLessThanOrEqual(columnBytesMax(block));
        const texts = lines.map(({ text }) => text.toWellFormed());
        const expected = lines.map((one, at) => ({ cursor: cursors[at], line: { ...one, text: texts[at] } }));
        expect(read(block.data, block.lines)).toEqual(expected);
        expect(hasValidHead(block.data)).toBe(true);
      }),
      { verbose: 1 },
    );
  });

  test('keeps halves of surrogate pairs apart that stand at the ends of neighbouring lines', () => {
    const block = packLines([line('a\ud83e'), line('\udda6b')]);
    expect(read(block.data, 2).map(({ line: { text } }) => text.length)).toEqual([2, 2]);
  });

  test('its facts cover every line: times, levels, streams and words', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 60 }), (lines) => {
        const block = packLines(lines);
        for (const one of lines) {
          expect(one.timeMs).toBeGreaterThanOrEqual(block.firstMs);
          expect(one.timeMs).toBeLessThanOrEqual(block.lastMs);
          expect(block.levels & levelBit(one.level)).not.toBe(0);
          expect(block.levels & levelBitsUpTo(one.level)).not.toBe(0);
          expect(mayHaveWord(block.words, lineWords.invocation(one.invocation))).toBe(true);
          expect(mayHaveWord(block.words, lineWords.deployment(one.deployment))).toBe(true);
          expect(mayHaveWord(block.words, lineWords.preview(''))).toBe(true);
          if (one.status !== undefined)
            expect(mayHaveWord(block.words, lineWords.statusClass(Math.floor(one.status / 100)))).toBe(true);
          for (const name of Object.keys(JSON.parse(one.fields ?? '{}')))
            expect(mayHaveWord(block.words, lineWords.field(name))).toBe(true);
        }
      }),
      { verbose: 1 },
    );
  });

  test('of very many names of fields tells only that there are some', () => {
    const lines = Array.from({ length: 4_000 }, (_, n) => line('x', { fields: JSON.stringify({ [`name-${n}`]: 1 }) }));
    const { words } = packLines(lines);
    expect(words.length).toBeLessThan(100);
    expect(mayHaveWord(words, lineWords.anyField)).toBe(true);
  });

  test('its filter leaves out most words that it does not have, for a thousand invocations too', () => {
    const lines = Array.from({ length: 1_000 }, (_, n) => line('x', { invocation: `call-${n}` }));
    const { words } = packLines(lines);
    const wrong = Array.from({ length: 1_000 }, (_, n) => lineWords.invocation(`other-${n}`)).filter((word) =>
      mayHaveWord(words, word),
    );
    expect(wrong.length).toBeLessThan(50);
  });

  test('takes a twentieth of the bytes of common lines', () => {
    const lines = Array.from({ length: 1_000 }, (_, n) =>
      line(`GET /items/${n} 200 in ${n % 37} ms`, {
        invocation: `i${n}`,
        timeMs: 1_700_000_000_000 + n,
        gas: 5_000 + n,
      }),
    );
    const { data, words } = packLines(lines);
    expect((data.length + words.length) / lines.length).toBeLessThan(20);
  });

  test('long texts and many lines make several blocks, each within the limits', () => {
    const many = packAll(Array.from({ length: 10_000 }, (_, seq) => line('x', { seq })));
    expect(many.map(({ lines }) => lines)).toEqual([4_096, 4_096, 1_808]);
    const long = packAll(Array.from({ length: 40 }, () => line('é'.repeat(32 * KIB))));
    expect(long.map(({ lines }) => lines)).toEqual([16, 16, 8]);
    for (const block of [...many, ...long]) {
      expect(block.textChars).toBeLessThanOrEqual(blockLimits.textChars);
      expect(hasValidHead(block.data)).toBe(true);
    }
    const worst = Array.from({ length: blockLimits.lines }, (_, n) =>
      line('\u4e2d'.repeat(128), { invocation: `${n}`.padEnd(100, '\u4e2d'), seq: n * 2 ** 40, gas: 2 ** 53 - 1 - n }),
    );
    const [block] = packAll(worst);
    expect(read(block!.data, block!.lines).at(-1)!.line).toEqual(worst[block!.lines - 1]);
  });

  test('lines of several handlers become a block for each, in the order of their first lines', () => {
    const of = (handler: string, text: string) => ({ ...line(text), handlerId: handlerIdOf(handler) });
    const blocks = packByHandler([of('b', '1'), of('a', '2'), of('b', '3')]);
    expect(blocks.map(({ handlerId, lines }) => [handlerId, lines])).toEqual([
      ['b', 2],
      ['a', 1],
    ]);
  });
});

describe('a damaged block', () => {
  const plain = packLines([line('one'), line('two', { stream: 'stderr' })]);
  const packed = packLines(Array.from({ length: 500 }, (_, seq) => line(`line ${seq} of many`, { seq })));

  test('is recognised wherever a byte has changed, and however much of its end is missing', () => {
    for (const { data, lines } of [plain, packed]) {
      for (let at = 0; at < data.length; at += 1) {
        const wrong = Uint8Array.from(data);
        wrong[at] = (wrong[at] as number) ^ (1 << (at % 8));
        // Some bits of a compressed frame mean nothing.
        expect(outcomeOf(wrong, lines), `byte ${at}`).toBeOneOf(['damaged', JSON.stringify(read(data, lines))]);
        expect(() => unpackBlock(data.subarray(0, at), lines)).toThrow(DamagedBlock);
      }
      expect(() => unpackBlock(data, lines + 1)).toThrow(DamagedBlock);
    }
  });

  test('is one of more lines than a block has', () => {
    const { data, lines } = packLines(Array.from({ length: blockLimits.lines + 1 }, () => line('x')));
    expect(lines).toBe(blockLimits.lines + 1);
    expect(() => unpackBlock(data, lines)).toThrow(DamagedBlock);
  });

  test('whose checksum is right costs no more than its limits: any columns give lines or the coded error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(40), (columns, lines) => {
        try {
          unpackBlock(withHead(columns, { method: blockMethods.plain, body: columns }), lines);
        } catch (error) {
          expect(error).toBeInstanceOf(DamagedBlock);
          expect(error).toMatchObject({ code: 'log_block_damaged' });
        }
      }),
      { numRuns: 2_000, verbose: 1 },
    );
  });

  /** Columns of two lines, in their order, each as bytes; a test replaces one. */
  const twoLines = {
    lines: [2],
    cursors: [1, 0, 2],
    invocations: [1, 1, 1, 0x69, 0, 2],
    previews: [1, 0, 0, 0, 2],
    deployments: [1, 2],
    streams: [0, 2],
    levels: [6, 2],
    seqs: [1, 1],
    times: [1, 1],
    gas: [1, 1],
    texts: [2, 1, 1, 2, 0x61, 0x62],
    end: [],
  };
  const greatest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]; // 2^53 - 1
  const greatestSigned = [0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f];
  const unpackTwo = (changed: Partial<Record<keyof typeof twoLines, readonly number[]>>) => {
    const plain = Uint8Array.from(Object.values({ ...twoLines, ...changed }).flat());
    return unpackBlock(sealed(blockVersions.plain, plain, { method: blockMethods.plain, body: plain }), 2);
  };

  test.each<[string, keyof typeof twoLines, readonly number[], string]>([
    ['an empty run of cursors', 'cursors', [2, 0, 0, 0, 2], 'its cursors'],
    ['more cursors than lines', 'cursors', [1, 0, 3], 'its cursors'],
    ['fewer cursors than lines', 'cursors', [1, 0, 1], 'its cursors'],
    ['a first cursor that is not the first', 'cursors', [1, 1, 2], 'its cursors'],
    ['a cursor beyond all numbers', 'cursors', [2, 0, 1, ...greatest, 1], 'its cursors'],
    ['an empty run', 'deployments', [1, 0, 1, 2], 'a column'],
    ['a run longer than its column', 'deployments', [1, 3], 'a column'],
    ['a number below 0', 'seqs', [0x41, 2], 'a column'],
    ['a sum beyond all numbers', 'times', [...greatestSigned, 1], 'a column'],
    ['a difference beyond all numbers', 'gas', [0x81, ...greatest, 0], 'a number'],
    ['a word that is not in the dictionary', 'invocations', [1, 1, 1, 0x69, 1, 2], 'a word'],
    ['more words than lines', 'invocations', [3, 1, 1, 1, 3, 0x69, 0x6a, 0x6b, 0, 2], 'its texts'],
    ['an unknown stream', 'streams', [9, 2], 'stream 9'],
    ['another number of texts', 'texts', [3, 1, 1, 2, 0x61, 0x62], 'its texts'],
    ['texts beyond its end', 'texts', [2, 1, 1, 100, 0x61, 0x62], 'its texts'],
    ['texts of other lengths', 'texts', [2, 1, 2, 2, 0x61, 0x62], 'its texts'],
    ['bytes behind its end', 'end', [0], 'its end'],
  ])('is one with %s', (_what, column, bytes, expected) => {
    expect(unpackTwo({}).text).toBe('ab');
    expect(() => unpackTwo({ [column]: bytes })).toThrow(new DamagedBlock(expected));
  });

  test('is not made of lines of a stream that is none', () => {
    expect(() => packLines([line('x', { stream: 'stdlog' as 'log' })])).toThrow('there is no stream stdlog');
  });

  test.each<[string, Partial<BlockLine>]>([
    ['an id', { invocation: 'i'.repeat(blockLimits.invocationChars + 1) }],
    ['a preview', { preview: 'p'.repeat(blockLimits.invocationChars + 1) }],
    ['fields', { fields: JSON.stringify({ a: 'f'.repeat(blockLimits.fieldsChars) }) }],
    ['a text', { text: 't'.repeat(blockLimits.lineChars + 1) }],
  ])('is one with %s longer than a line may have', (_what, more) => {
    const { data, lines } = packLines([line('x'), line('x', more)]);
    expect(() => unpackBlock(data, lines)).toThrow(DamagedBlock);
  });

  test('whose fields are no object has lines without fields, and values that are no plain ones are left out', () => {
    for (const [fields, expected] of [
      ['[1]', undefined],
      ['{', undefined],
      ['null', undefined],
      ['5', undefined],
      ['{"a":{"b":1},"c":2}', { c: 2 }],
    ] as const) {
      const { data, lines } = packLines([line('x', { fields })]);
      expect(lineAt(unpackBlock(data, lines), 0, { first: 1, handler: 'h' }).fields).toEqual(expected);
    }
  });

  test('is never unpacked beyond the bytes that its head names, nor beyond the limit', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * MIB), { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    const small = new Uint8Array(KIB);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => unpackBlock(withHead(small, { method: blockMethods.zstd, body: bomb }), 1)).toThrow(DamagedBlock);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB);
    const large = { length: blockLimits.plainBytes + 1 };
    expect(hasValidHead(withHead(new Uint8Array(large.length), { method: blockMethods.zstd, body: bomb }))).toBe(false);
  });

  function withHead(columns: Uint8Array, stored: { method: number; body: Uint8Array }): Uint8Array {
    return sealed(columns.length % 2 === 0 ? blockVersions.plain : blockVersions.structured, columns, stored);
  }

  function sealed(
    version: number,
    columns: Uint8Array,
    { method, body }: { method: number; body: Uint8Array },
  ): Uint8Array {
    const data = new Uint8Array(blockHeadBytes + body.length);
    const head = new DataView(data.buffer);
    head.setUint8(0, version);
    head.setUint8(1, method);
    head.setUint32(2, crc32(columns), true);
    head.setUint32(6, columns.length, true);
    data.set(body, blockHeadBytes);
    return data;
  }
});

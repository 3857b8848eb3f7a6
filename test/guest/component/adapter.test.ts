/** The code between two parts of a composed component: what it checks of the values that it passes on. */
import { describe, expect, it } from 'vitest';
import { textEncodings } from '../../../src/guest/component/wit.ts';
import { encodeText } from '../../../src/guest/kernel/canonical/text.ts';
import { composedParts, type Parts } from '../../support/composed-parts.ts';
import { runGuest } from '../../support/run-guest.ts';

const run = async (parts: Parts) => (await runGuest(composedParts(parts), { exactMemory: false })).end;
const fine = { kind: 'exit', status: 0 };
const trap = expect.objectContaining({ kind: 'trap', message: expect.stringMatching(/^unreachable/) });

const u32 = 0x79;
const listOf = (type: number) => [0x70, type];
/** A function of one list, which returns its number of elements. */
const listed = (element: number, call: string): Parts => ({
  types: [listOf(element)],
  param: [0],
  result: [u32],
  f: '(param i32 i32) (result i32) (local.get 1)',
  run: `(drop (call $f ${call})) (i32.const 0)`,
});
/** A function of one value, which is one i32 and is returned as it is. */
const single = (type: number, call: string, types: Parts['types'] = []): Parts => ({
  types,
  param: [type],
  result: [type],
  f: '(param i32) (result i32) (local.get 0)',
  run: `(drop (call $f ${call})) (i32.const 0)`,
});
/** A function of one value, which traps unless it gets the i32 `expected`. */
const became = (type: number, call: string, expected: number, types: Parts['types'] = []): Parts => ({
  types,
  param: [type],
  f: `(param i32) (if (i32.ne (local.get 0) (i32.const ${expected})) (then unreachable))`,
  run: `(call $f ${call}) (i32.const 0)`,
});
const labels32 = Array.from({ length: 32 }, (_, index) => `l${index}`);
/** 17 arguments, which lie in memory. */
const spilled = (call: string): Parts => ({
  types: [[0x6f, [17, ...new Array<number>(17).fill(u32)]]],
  param: [0],
  f: '(param i32)',
  run: `(call $f ${call}) (i32.const 0)`,
});
/** A result that lies in memory. */
const returned = (call: string, from = '(i32.const 8)'): Parts => ({
  types: [[0x6f, [2, u32, u32]]],
  param: [u32],
  result: [0],
  f: `(param i32) (result i32) ${from}`,
  lowered: '(param i32 i32)',
  run: `(call $f (i32.const 0) ${call}) (i32.const 0)`,
});
const enumOfTwo: Parts['types'] = [[0x6d, [2, 'a', 'b']]];

describe('a value between two parts', () => {
  it.each<[string, Parts]>([
    ['a list up to the last byte', listed(0x7d, '(i32.const 65530) (i32.const 6)')],
    ['an aligned list', listed(u32, '(i32.const 4) (i32.const 2)')],
    ['an empty list', listed(u32, '(i32.const 4) (i32.const 0)')],
    ['a bool, as 0 or 1', became(0x7f, '(i32.const 2)', 1)],
    ['an u8, without other bits', became(0x7d, '(i32.const 0xff01)', 1)],
    ['an s8, with its sign', became(0x7e, '(i32.const 0xff)', -1)],
    ['an u16, without other bits', became(0x7b, '(i32.const 0x10001)', 1)],
    ['an s16, with its sign', became(0x7c, '(i32.const 0xffff)', -1)],
    ['flags, without other bits', became(0, '(i32.const -1)', 0x1ff, [[0x6e, [9, ...'abcdefghi']]])],
    ['32 flags', became(0, '(i32.const -1)', -1, [[0x6e, [32, ...labels32]]])],
    ['the last case', single(0, '(i32.const 1)', enumOfTwo)],
    ['the last char before the surrogates', single(0x74, '(i32.const 0xd7ff)')],
    ['the last char', single(0x74, '(i32.const 0x10ffff)')],
    ['arguments at the end of the memory', spilled('(i32.const 65468)')],
    ['a result at the end of the memory', returned('(i32.const 65528)')],
  ])('is passed: %s', async (_what, parts) => {
    expect(await run(parts)).toEqual(fine);
  });

  it.each<[string, Parts]>([
    ['a list beyond the memory', listed(0x7d, '(i32.const 65530) (i32.const 7)')],
    ['an address that goes around', listed(0x7d, '(i32.const -1) (i32.const 2)')],
    ['a list that is not aligned', listed(u32, '(i32.const 2) (i32.const 2)')],
    ['an empty list that is not aligned', listed(u32, '(i32.const 2) (i32.const 0)')],
    ['a list whose size in bytes goes around', listed(0x77, '(i32.const 8) (i32.const 0x20000001)')],
    ['a case that the variant does not have', single(0, '(i32.const 2)', enumOfTwo)],
    ['a surrogate', single(0x74, '(i32.const 0xd800)')],
    ['a char above U+10FFFF', single(0x74, '(i32.const 0x110000)')],
    ['arguments beyond the memory', spilled('(i32.const 65472)')],
    ['arguments that are not aligned', spilled('(i32.const 65466)')],
    ['room for a result beyond the memory', returned('(i32.const 65532)')],
    ['room for a result that is not aligned', returned('(i32.const 65522)')],
    ['a result that is not aligned', returned('(i32.const 64)', '(i32.const 6)')],
    ['a result beyond the memory', returned('(i32.const 64)', '(i32.const 65532)')],
  ])('traps: %s', async (_what, parts) => {
    expect(await run(parts)).toEqual(trap);
  });

  it.each([
    ['beyond the memory', '(i32.const 65532)'],
    ['that is not aligned', '(i32.const 8194)'],
  ])('traps if realloc returns an address %s', async (_what, callee) => {
    expect(await run({ ...listed(u32, '(i32.const 4) (i32.const 2)'), reallocs: { callee } })).toEqual(trap);
  });

  describe.each<[string, Parts]>([
    ['list', listed(u32, '(i32.const 4) (i32.const 0)')],
    ['string', { ...listed(0x73, '(i32.const 4) (i32.const 0)'), types: [], param: [0x73] }],
    [
      'string of UTF-16',
      { ...listed(0x73, '(i32.const 4) (i32.const 0)'), types: [], param: [0x73], options: { callee: [[1]] } },
    ],
  ])('an empty %s', (_what, parts) => {
    it('is where realloc says', async () => {
      const f =
        '(param i32 i32) (result i32) (if (i32.ne (local.get 0) (i32.const 64)) (then unreachable)) (local.get 1)';
      const callee = `(if (i32.or (i32.or (local.get 0) (local.get 1)) (local.get 3)) (then unreachable)) (i32.const 64)`;
      expect(await run({ ...parts, f, lowered: '(param i32 i32) (result i32)', reallocs: { callee } })).toEqual(fine);
    });

    it('traps if that lies beyond the memory', async () => {
      expect(await run({ ...parts, reallocs: { callee: '(i32.const -4)' } })).toEqual(trap);
    });
  });
});

describe('a string between two parts of different encodings', () => {
  const pairs = textEncodings.flatMap((caller) => textEncodings.map((callee) => [caller, callee] as const));
  const optionOf = (encoding: (typeof textEncodings)[number]) => [[textEncodings.indexOf(encoding)]];
  /** The callee returns the string; the caller compares it with what it has passed. */
  const echo = (
    caller: (typeof textEncodings)[number],
    callee: (typeof textEncodings)[number],
    text: string,
  ): Parts => {
    const { bytes, length } = encodeText(text, caller);
    const stores = [...bytes].map((byte, index) => `(i32.store8 (i32.const ${256 + index}) (i32.const ${byte}))`);
    const checks = [...bytes].map(
      (byte, index) =>
        `(if (i32.ne (i32.load8_u (i32.add (i32.load (i32.const 64)) (i32.const ${index}))) (i32.const ${byte})) (then (return (i32.const 1))))`,
    );
    return {
      param: [0x73],
      result: [0x73],
      f: '(param i32 i32) (result i32) (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)',
      lowered: '(param i32 i32 i32)',
      run: `${stores.join('\n')} (call $f (i32.const 256) (i32.const ${length | 0}) (i32.const 64)) ${checks.join('\n')}
        (i32.ne (i32.load (i32.const 68)) (i32.const ${length | 0}))`,
      options: { caller: optionOf(caller), callee: optionOf(callee) },
    };
  };

  it.each(pairs)('arrives: %s to %s and back', async (caller, callee) => {
    for (const text of ['', 'plain', 'größer', 'é€😀'])
      expect([text, await run(echo(caller, callee, text))]).toEqual([text, fine]);
  });

  const wide = (call: string, caller: 'utf16' | 'latin1+utf16'): Parts => ({
    ...echo(caller, 'utf8', 'x'),
    run: `(i32.store16 (i32.const 256) (i32.const 0xd800)) (call $f ${call} (i32.const 64)) (i32.const 0)`,
  });
  it.each([
    ['beyond the memory', wide('(i32.const 65532) (i32.const 3)', 'utf16'), /^unreachable/],
    ['beyond the memory by its tag', wide('(i32.const 65532) (i32.const 0x80000003)', 'latin1+utf16'), /^unreachable/],
    ['that is not aligned', wide('(i32.const 65) (i32.const 1)', 'utf16'), /^unreachable/],
    ['that is not aligned', wide('(i32.const 65) (i32.const 1)', 'latin1+utf16'), /^unreachable/],
    ['whose size goes around', wide('(i32.const 64) (i32.const 0x80000001)', 'utf16'), /^unreachable/],
    ['of half a surrogate pair', wide('(i32.const 256) (i32.const 1)', 'utf16'), /not UTF-16/],
  ])('traps: %s', async (_what, parts, message) => {
    expect(await run(parts)).toMatchObject({ kind: 'trap', message });
  });
});

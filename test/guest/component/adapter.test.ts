/** The code between two parts of a composed component: what it checks of the values that it passes on. */
import { describe, expect, it } from 'vitest';
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
});

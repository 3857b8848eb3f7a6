/** Layouts of CanonicalABI.md "Alignment", "Element Size" and "Flattening". */
import { describe, expect, it } from 'vitest';
import {
  alignment,
  elementBytes,
  flatTypesMax,
  flattenFunction,
  flattenType,
  hasLists,
  payloadOffset,
  recordLayout,
} from '../../../src/guest/component/flatten.ts';
import {
  borrow,
  enumeration,
  flags,
  func,
  future,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  stream,
  tuple,
  variant,
  type WitType,
} from '../../../src/guest/component/wit.ts';

const file = hostResource('test:files/types@1.0', 'file');
const labels = (count: number): string[] => Array.from({ length: count }, (_, index) => `l${index}`);

describe('a type in memory and flat', () => {
  const rows: readonly (readonly [string, WitType, number, number, string])[] = [
    ['bool', 'bool', 1, 1, 'i32'],
    ['s8', 's8', 1, 1, 'i32'],
    ['u16', 'u16', 2, 2, 'i32'],
    ['s32', 's32', 4, 4, 'i32'],
    ['u64', 'u64', 8, 8, 'i64'],
    ['f32', 'f32', 4, 4, 'f32'],
    ['f64', 'f64', 8, 8, 'f64'],
    ['char', 'char', 4, 4, 'i32'],
    ['string', 'string', 8, 4, 'i32 i32'],
    ['error-context', 'error-context', 4, 4, 'i32'],
    ['list<u64>', list('u64'), 8, 4, 'i32 i32'],
    ['list<u16, 3>', { kind: 'list', of: 'u16', length: 3 }, 6, 2, 'i32 i32 i32'],
    ['own', own(file), 4, 4, 'i32'],
    ['borrow', borrow(file), 4, 4, 'i32'],
    ['stream', stream('u8'), 4, 4, 'i32'],
    ['future', future(null), 4, 4, 'i32'],
    ['an empty record', record({}), 0, 1, ''],
    ['a record with padding', record({ a: 'u8', b: 'u64', c: 'u16' }), 24, 8, 'i32 i64 i32'],
    ['a tuple', tuple('u8', 'u32'), 8, 4, 'i32 i32'],
    ['8 flags', flags(...labels(8)), 1, 1, 'i32'],
    ['9 flags', flags(...labels(9)), 2, 2, 'i32'],
    ['32 flags', flags(...labels(32)), 4, 4, 'i32'],
    ['an enum of 256', enumeration(...labels(256)), 1, 1, 'i32'],
    ['an enum of 257', enumeration(...labels(257)), 2, 2, 'i32'],
    ['option<u8>', option('u8'), 2, 1, 'i32 i32'],
    ['option<u64>', option('u64'), 16, 8, 'i32 i64'],
    ['result', result(null, null), 1, 1, 'i32'],
    ['result<string, u8>', result('string', 'u8'), 12, 4, 'i32 i32 i32'],
    ['i32 and f32 share i32', variant({ a: 'u32', b: 'f32' }), 8, 4, 'i32 i32'],
    ['f32 and i64 share i64', variant({ a: 'f32', b: 'u64' }), 16, 8, 'i32 i64'],
    ['i32 and f64 share i64', variant({ a: 'u8', b: 'f64' }), 16, 8, 'i32 i64'],
    ['f64 alone stays', variant({ a: null, b: 'f64' }), 16, 8, 'i32 f64'],
  ];
  it.each(rows)('%s', (_name, type, bytes, align, flat) => {
    expect([elementBytes(type), alignment(type), flattenType(type).join(' ')]).toEqual([bytes, align, flat]);
  });

  it('puts the payload of a variant behind its padded discriminant', () => {
    expect(payloadOffset([{ name: 'a', type: 'u64' }])).toBe(8);
    expect(payloadOffset([{ name: 'a', type: null }])).toBe(1);
    expect(recordLayout(['u8', 'u64', 'u16'])).toEqual({ offsets: [0, 8, 16], bytes: 24 });
  });

  it('knows which values have parts elsewhere in memory', () => {
    expect(hasLists(result(tuple('u8', own(file)), enumeration('a')))).toBe(false);
    expect(hasLists(result(null, variant({ a: null, b: 'string' })))).toBe(true);
    expect(hasLists({ kind: 'list', of: 'u8', length: 4 })).toBe(false);
  });
});

describe('a value of many core values', () => {
  it('lists no more of them than decide where it lies', () => {
    const list = (of: WitType, length: number): WitType => ({ kind: 'list', of, length });
    const huge = list(list(tuple('u8', 'f64'), 0xffff_ffff), 0xffff_ffff);
    for (const type of [huge, tuple('u8', huge, huge), variant({ a: huge, b: null }), result(huge, 'u8')])
      expect(flattenType(type)).toHaveLength(flatTypesMax);
    expect(flattenType(list(tuple('u8', 'f64'), 3))).toEqual(['i32', 'f64', 'i32', 'f64', 'i32', 'f64']);
    expect(flattenFunction(func({ a: huge, b: huge }, huge), 'lower')).toEqual({ params: ['i32', 'i32'], results: [] });
  });
});

describe('a function', () => {
  const many = (count: number) => func(Object.fromEntries(labels(count).map((name) => [name, 'u32' as const])), 'u64');
  const i32s = (count: number) => Array.from({ length: count }, () => 'i32');

  it('keeps 16 flat parameters, and passes more in memory', () => {
    expect(flattenFunction(many(16), 'lower')).toEqual({ params: i32s(16), results: ['i64'] });
    expect(flattenFunction(many(17), 'lower')).toEqual({ params: ['i32'], results: ['i64'] });
  });

  it('takes a pointer for a long result when lowered, and returns one when lifted', () => {
    const type = func({ self: borrow(file) }, result('string', null));
    expect(flattenFunction(type, 'lower')).toEqual({ params: ['i32', 'i32'], results: [] });
    expect(flattenFunction(type, 'lift')).toEqual({ params: ['i32'], results: ['i32'] });
  });

  it('lifted async returns nothing, with a callback what to wait for', () => {
    expect(flattenFunction(many(2), 'lift', 'async')).toEqual({ params: i32s(2), results: [] });
    expect(flattenFunction(many(2), 'lift', 'callback')).toEqual({ params: i32s(2), results: ['i32'] });
  });

  it('lowered async keeps 4 flat parameters, and returns the state of the call', () => {
    expect(flattenFunction(many(4), 'lower', 'async')).toEqual({ params: i32s(5), results: ['i32'] });
    expect(flattenFunction(many(5), 'lower', 'async')).toEqual({ params: i32s(2), results: ['i32'] });
    expect(flattenFunction(func({ a: 'u8' }), 'lower', 'async')).toEqual({ params: ['i32'], results: ['i32'] });
  });
});

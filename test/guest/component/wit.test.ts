import { describe, expect, it } from 'vitest';
import {
  asyncFunc,
  borrow,
  enumeration,
  flags,
  formatFunction,
  func,
  future,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  sameFunction,
  sameWitType,
  stream,
  tuple,
  variant,
  type WitType,
} from '../../../src/guest/component/wit.ts';

const file = hostResource('test:files/types@1.0', 'file');
const other = hostResource('test:files/types@1.0', 'directory');

/** All different. */
const types: readonly WitType[] = [
  'u8',
  'string',
  list('u8'),
  list('string'),
  { kind: 'list', of: 'u8', length: 4 },
  { kind: 'list', of: 'u8', length: 5 },
  record({ a: 'u8' }),
  record({ b: 'u8' }),
  record({ a: 'u16' }),
  record({ a: 'u8', b: 'u8' }),
  tuple('u8'),
  tuple('u8', 'u8'),
  variant({ a: 'u8' }),
  variant({ a: null }),
  enumeration('a'),
  enumeration('a', 'b'),
  flags('a'),
  option('u8'),
  result('u8', null),
  result(null, 'u8'),
  result(null, null),
  own(file),
  borrow(file),
  own(other),
  stream('u8'),
  stream(null),
  future('u8'),
];

describe('equality of interface types', () => {
  it('holds for equal structures, and for no two different ones', () => {
    const copy = structuredClone(types);
    types.forEach((left, row) => {
      copy.forEach((right, column) => {
        expect(sameWitType(left, right), `${row} and ${column}`).toBe(row === column);
      });
    });
  });

  it('of functions looks at names, types, result and async', () => {
    const type = func({ self: borrow(file) }, 'u8');
    expect(sameFunction(type, structuredClone(type))).toBe(true);
    expect(sameFunction(type, func({ this: borrow(file) }, 'u8'))).toBe(false);
    expect(sameFunction(type, func({ self: borrow(file) }, 'u16'))).toBe(false);
    expect(sameFunction(type, func({ self: borrow(file) }))).toBe(false);
    expect(sameFunction(type, asyncFunc({ self: borrow(file) }, 'u8'))).toBe(false);
  });
});

it('types are shown in the syntax of WIT', () => {
  const type = asyncFunc(
    { self: borrow(file), how: option(variant({ a: 'u8', b: null })), what: list(tuple('u8', flags('x', 'y'))) },
    result(null, record({ 'a-b': stream(null) })),
  );
  expect(formatFunction(type)).toBe(
    'async func(self: borrow<file>, how: option<variant { a(u8), b }>, what: list<tuple<u8, flags { x, y }>>) -> result<_, record { a-b: stream }>',
  );
  expect(formatFunction(func({}, result(null, null)))).toBe('func() -> result');
  expect(formatFunction(func({}, result('u8', null)))).toBe('func() -> result<u8>');
});

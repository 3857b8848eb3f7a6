import { expect, test } from 'vitest';
import type { LogLine } from '../../../../src/protocol/nouns.ts';
import { readLineFilter } from '../../../../ui-cli/screens/logs/line-filter.ts';

const line = (fields: LogLine['fields'], text = 'slow answer'): LogLine => ({
  ...{ cursor: 1, handler: 'a', deployment: 1, invocation: 'i', seq: 1, timeMs: 0, gas: 0, stream: 'log', level: 6 },
  ...{ text, ...(fields === undefined ? {} : { fields }) },
});

test.each([
  ['field:user=42', { user: 42 }, true],
  ['field:user', { user: 42 }, true],
  ['field:user=4', { user: 42 }, false],
  ['field:user=42', undefined, false],
  ['field:a=b=c', { 'a=b': 'c' }, true],
  ['field:a=b=c', { a: 'b=c' }, true],
  ['field:a=b=c', { a: 'b' }, false],
  ['field:"two words=and three"', { 'two words': 'and three' }, true],
  ['answer field:"two words=and three" slow', { 'two words': 'and three' }, false],
  ['answer field:"two words"', { 'two words': 'and three' }, true],
  ['field:"a ""quoted"" name=1"', { 'a "quoted" name': 1 }, true],
  ['field:q"uote=v"w', { 'q"uote': 'v"w' }, true],
  ['field:ünï=😀', { ünï: '😀' }, true],
  ['field:toString', { user: 42 }, false],
])('the filter %j on the fields %j: %s', (text, fields, fits) => {
  expect(readLineFilter(text)?.line(line(fields))).toBe(fits);
});

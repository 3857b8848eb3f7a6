import { expect, test } from 'vitest';
import { editDistance } from '../../src/protocol/edit-distance.ts';

test.each([
  ['', '', 0],
  ['fd_write', 'fd_write', 0],
  ['fd_write', 'fd_wirte', 1],
  ['fd_write', 'fdwrite', 1],
  ['fd_write', 'fd_writes', 1],
  ['fd_write', 'fd_wrote', 1],
  ['', 'abc', 3],
  ['ca', 'abc', 3],
])('from %j to %j it is %i', (left, right, distance) => {
  expect(editDistance(left, right)).toBe(distance);
  expect(editDistance(right, left)).toBe(distance);
});

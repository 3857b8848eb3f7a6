/** What a client reads when git on the server does not take its objects. */
import { expect, it } from 'vitest';
import { unpackError } from '../../../src/control/git/unpack-error.ts';

it.each([
  ['fatal: pack exceeds maximum allowed size (4.00 GiB)', 'limit_exceeded', 'the push has more than'],
  ['fatal: attempting to allocate 1000000001 over limit 167772160', 'limit_exceeded', 'an object of the push has'],
  ['fatal: Out of memory, malloc failed (tried to allocate 1048577 bytes)', 'unavailable', 'too little memory'],
  ['fatal: Out of memory, realloc failed', 'unavailable', 'too little memory'],
  ['fatal: packfile cannot be mapped: Cannot allocate memory', 'unavailable', 'too little memory'],
  ['error: cannot fork() for index-pack: Resource temporarily unavailable', 'unavailable', 'too little memory'],
  ['error: index-pack died of signal 9', 'unavailable', 'git was ended on the server'],
  ['error: unable to write file: No space left on device', 'unavailable', 'its disk is full'],
  ['fatal: write error: Disk quota exceeded', 'unavailable', 'its disk is full'],
  ['error: object 0123456789: badTimezone: invalid author', 'tree_invalid', 'object 0123456 is not safe to store'],
])('%s', (words, code, message) => {
  expect(unpackError(words, 'index-pack abnormal exit')).toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

it('git that was ended before it could report', () => {
  expect(unpackError('', null)).toMatchObject({ code: 'unavailable' });
});

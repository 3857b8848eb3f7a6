/** Lists the error codes of wasi:filesystem and translates the kernel's errors into them. */
import { enumeration } from '../../../../component/wit.ts';
import { type Err, err, type Ok, ok } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';

export const errorCodeType = enumeration(
  'access',
  'would-block',
  'already',
  'bad-descriptor',
  'busy',
  'deadlock',
  'quota',
  'exist',
  'file-too-large',
  'illegal-byte-sequence',
  'in-progress',
  'interrupted',
  'invalid',
  'io',
  'is-directory',
  'loop',
  'too-many-links',
  'message-size',
  'name-too-long',
  'no-device',
  'no-entry',
  'no-lock',
  'insufficient-memory',
  'insufficient-space',
  'not-directory',
  'not-empty',
  'not-recoverable',
  'unsupported',
  'no-tty',
  'no-such-device',
  'overflow',
  'not-permitted',
  'pipe',
  'read-only',
  'invalid-seek',
  'text-file-busy',
  'cross-device',
);

const codes: ReadonlyMap<number, string> = new Map<number, string>([
  [Errno.invalid, 'invalid'],
  [Errno.denied, 'access'],
  [Errno.notFound, 'no-entry'],
  [Errno.badDescriptor, 'bad-descriptor'],
  [Errno.tooManyOpen, 'insufficient-memory'],
  [Errno.noSpace, 'insufficient-space'],
  [Errno.closed, 'pipe'],
  [Errno.exists, 'exist'],
  [Errno.notDirectory, 'not-directory'],
  [Errno.isDirectory, 'is-directory'],
  [Errno.notEmpty, 'not-empty'],
  [Errno.loop, 'loop'],
  [Errno.nameTooLong, 'name-too-long'],
  [Errno.readOnly, 'read-only'],
  [Errno.notSupported, 'unsupported'],
  [Errno.notSeekable, 'invalid-seek'],
  [Errno.tooBig, 'file-too-large'],
  // No file is mapped at that path; a program that looks for a file expects no-entry.
  [Errno.overflow, 'overflow'],
  [Errno.illegalSequence, 'illegal-byte-sequence'],
  [Errno.crossDevice, 'cross-device'],
  [Errno.busy, 'busy'],
  [Errno.outside, 'not-permitted'],
  [Errno.overQuota, 'quota'],
]);

/** Returns the error code of an Errno; io for an Errno that is not in the table. */
export function toErrorCode(errno: number): string {
  return codes.get(errno) ?? 'io';
}

export type FileFailure = Err<string>;

/** Returns the error result for an Errno. */
export function failure(errno: number): FileFailure {
  return err(toErrorCode(errno));
}

/** Returns ok for 0 and counts, an error for an Errno. */
export function toDone(result: number): Ok<undefined> | FileFailure {
  return result < 0 ? failure(result) : ok();
}

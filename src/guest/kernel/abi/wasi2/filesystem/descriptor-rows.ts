/** Calls of wasi:filesystem/types on a file or directory that is open. */
import { KIB } from '../../../../../protocol/limits.ts';
import { borrow, enumeration, func, list, own, tuple } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { inputStreamResource, outputStreamResource } from '../io/guest-streams.ts';
import { type Descriptor, FileDescriptor } from './descriptor.ts';
import {
  badDescriptor,
  descriptorFlagsType,
  descriptorResource,
  descriptorStatType,
  descriptorTypeType,
  invalid,
  metadataHashType,
  type NewTimestamp,
  offsetMax,
  orError,
  self,
  timesFrom,
  timestamps,
  toHash,
  toStat,
} from './descriptor-types.ts';
import { failure, toDone } from './error-code.ts';

const adviceType = enumeration('normal', 'sequential', 'random', 'will-need', 'dont-need', 'no-reuse');

/** Most bytes of one read. */
const readBytesMax = 256 * KIB;

/**
 * Returns a stream that reads the file from byte `offset` on. It outlives the descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for reading.
 */
const descriptorReadViaStream = witRow(
  '[method]descriptor.read-via-stream',
  func({ ...self, offset: 'u64' }, orError(own(inputStreamResource))),
  (_guest: Process, file: Descriptor, offset: bigint) => {
    if (!(file instanceof FileDescriptor) || !file.mode.read) return badDescriptor;
    return ok(file.input(Number(offset < offsetMax ? offset : offsetMax)));
  },
);

/**
 * Returns a stream that writes the file from byte `offset` on. It outlives the descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for writing; file-too-large past 2^53.
 */
const descriptorWriteViaStream = witRow(
  '[method]descriptor.write-via-stream',
  func({ ...self, offset: 'u64' }, orError(own(outputStreamResource))),
  (guest: Process, file: Descriptor, offset: bigint) => {
    if (!(file instanceof FileDescriptor) || !file.mode.write) return badDescriptor;
    return offset > offsetMax ? err('file-too-large') : ok(file.output(guest, Number(offset)));
  },
);

/**
 * Returns a stream that writes at the end of the file, wherever that is at each write. It outlives the descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for writing.
 */
const descriptorAppendViaStream = witRow(
  '[method]descriptor.append-via-stream',
  func(self, orError(own(outputStreamResource))),
  (guest: Process, file: Descriptor) =>
    file instanceof FileDescriptor && file.mode.write ? ok(file.output(guest, null)) : badDescriptor,
);

/**
 * Accepts advice on how a range of a file will be used. Has no effect: all bytes are in memory already.
 *
 * Errors: bad-descriptor a directory.
 */
const descriptorAdvise = witRow(
  '[method]descriptor.advise',
  func({ ...self, offset: 'u64', length: 'u64', advice: adviceType }, orError(null)),
  (_guest: Process, file: Descriptor) => (file instanceof FileDescriptor ? ok() : badDescriptor),
);

/** Does the same as descriptor.sync. */
const descriptorSyncData = witRow('[method]descriptor.sync-data', func(self, orError(null)), sync);

/**
 * Returns whether the file was opened for reading and writing; a directory has read, and mutate-directory if that was
 * asked for.
 */
const descriptorGetFlags = witRow(
  '[method]descriptor.get-flags',
  func(self, orError(descriptorFlagsType)),
  (_guest: Process, one: Descriptor) => ok(one.flags()),
);

/** Returns the type: regular-file or directory. */
const descriptorGetType = witRow(
  '[method]descriptor.get-type',
  func(self, orError(descriptorTypeType)),
  (_guest: Process, one: Descriptor) => ok(one instanceof FileDescriptor ? 'regular-file' : 'directory'),
);

/**
 * Sets the size of the file in bytes. A longer file ends in zeros.
 *
 * Errors: bad-descriptor a directory; invalid a file not open for writing; file-too-large or insufficient-space past
 * what scratch holds.
 */
const descriptorSetSize = witRow(
  '[method]descriptor.set-size',
  func({ ...self, size: 'u64' }, orError(null)),
  (guest: Process, file: Descriptor, size: bigint) => {
    if (!(file instanceof FileDescriptor)) return badDescriptor;
    if (!file.mode.write) return invalid;
    if (size > offsetMax) return err('file-too-large');
    const before = file.stat();
    const done = file.handle.truncate(Number(size));
    const after = file.stat();
    if (typeof before !== 'number' && typeof after !== 'number') guest.work(Math.abs(after.size - before.size));
    return toDone(done);
  },
);

/**
 * Sets the times of the file or directory.
 *
 * Errors: invalid nanoseconds of a second or more; read-only outside of scratch.
 */
const descriptorSetTimes = witRow(
  '[method]descriptor.set-times',
  func({ ...self, ...timestamps }, orError(null)),
  (guest: Process, one: Descriptor, access: NewTimestamp, modification: NewTimestamp) => {
    const times = timesFrom(guest, access, modification);
    return times === null ? invalid : toDone(one.setTimes(times));
  },
);

/**
 * Reads up to `length` bytes, at most 256 KiB, from byte `offset` on. Returns them, and whether they reach the end of
 * the file.
 *
 * Errors: bad-descriptor a directory, or a file not open for reading.
 */
const descriptorRead = witRow(
  '[method]descriptor.read',
  func({ ...self, length: 'u64', offset: 'u64' }, orError(tuple(list('u8'), 'bool'))),
  (guest: Process, file: Descriptor, length: bigint, offset: bigint) => {
    if (!(file instanceof FileDescriptor) || !file.mode.read) return badDescriptor;
    const buffer = Buffer.allocUnsafe(length < BigInt(readBytesMax) ? Number(length) : readBytesMax);
    const count = offset > offsetMax ? 0 : file.handle.read(buffer, Number(offset));
    if (count < 0) return failure(count);
    guest.account('file', count, 0);
    return ok([buffer.subarray(0, count), count === 0 && length > 0n]);
  },
);

/**
 * Writes `buffer` to the file at byte `offset`. Returns the number of bytes written, which is less than asked for only
 * at a limit.
 *
 * Errors: bad-descriptor a directory, or a file not open for writing; insufficient-space, file-too-large past what
 * scratch holds.
 */
const descriptorWrite = witRow(
  '[method]descriptor.write',
  func({ ...self, buffer: list('u8'), offset: 'u64' }, orError('u64')),
  (guest: Process, file: Descriptor, buffer: Uint8Array, offset: bigint) => {
    if (!(file instanceof FileDescriptor) || !file.mode.write) return badDescriptor;
    if (offset > offsetMax) return err('file-too-large');
    const count = file.handle.write(buffer, Number(offset));
    if (count < 0) return failure(count);
    guest.account('file', 0, count);
    return ok(BigInt(count));
  },
);

/** Commits written bytes. Has no effect in scratch, which lives in memory. */
const descriptorSync = witRow('[method]descriptor.sync', func(self, orError(null)), sync);

/** Returns type, size and times of the file or directory. */
const descriptorStat = witRow(
  '[method]descriptor.stat',
  func(self, orError(descriptorStatType)),
  (_guest: Process, one: Descriptor) => toStat(one.stat()),
);

/** Returns whether both descriptors refer to the same file or directory. */
const descriptorIsSameObject = witRow(
  '[method]descriptor.is-same-object',
  func({ ...self, other: borrow(descriptorResource) }, 'bool'),
  (_guest: Process, one: Descriptor, other: Descriptor) => {
    const [left, right] = [one.stat(), other.stat()];
    if (typeof left === 'number' || typeof right === 'number') return false;
    return left.dev === right.dev && left.ino === right.ino;
  },
);

/** Returns 128 bits that identify the file or directory among all those of the Process. */
const descriptorMetadataHash = witRow(
  '[method]descriptor.metadata-hash',
  func(self, orError(metadataHashType)),
  (_guest: Process, one: Descriptor) => toHash(one.stat()),
);

/** Drops a descriptor. Streams made from it stay open. */
const dropDescriptor = dropRow(descriptorResource);

function sync(_guest: Process, one: Descriptor) {
  return one instanceof FileDescriptor ? toDone(one.handle.sync()) : ok();
}

export const descriptorRows = [
  descriptorReadViaStream,
  descriptorWriteViaStream,
  descriptorAppendViaStream,
  descriptorAdvise,
  descriptorSyncData,
  descriptorGetFlags,
  descriptorGetType,
  descriptorSetSize,
  descriptorSetTimes,
  descriptorRead,
  descriptorWrite,
  descriptorSync,
  descriptorStat,
  descriptorIsSameObject,
  descriptorMetadataHash,
  dropDescriptor,
];

/**
 * wasi:filesystem/types: files and directories of the Process's own file system, which preview 1 and `file:` also use.
 * The repository's files are read-only, scratch is at /tmp. Paths begin at a directory and never leave it.
 */
import { createHash } from 'node:crypto';
import { KIB } from '../../../../../protocol/limits.ts';
import {
  borrow,
  enumeration,
  flags,
  func,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  tuple,
  variant,
  type WitType,
} from '../../../../component/wit.ts';
import { dropRow, err, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { type NodeKind, pathWork, type Stat, type Times } from '../../../fs/node.ts';
import {
  linkPath,
  makeDirectory,
  makeSymlink,
  openPath,
  readLinkPath,
  removeDirectory,
  removeFile,
  renamePath,
  setTimesPath,
  statPath,
} from '../../../fs/operations.ts';
import type { Process } from '../../../process.ts';
import { type Datetime, datetimeType, fromDatetime, toDatetime, wallNs } from '../clocks/wall-clock.ts';
import { errorResource, type IoError } from '../io/error.ts';
import { inputStreamResource, outputStreamResource } from '../io/streams.ts';
import { type Descriptor, DirectoryDescriptor, DirectoryEntryStream, FileDescriptor } from './descriptor.ts';
import { errorCodeType, type FileFailure, failure, toDone } from './error-code.ts';

const name = 'wasi:filesystem/types@0.2';
export const descriptorResource = hostResource(name, 'descriptor');
const directoryEntryStreamResource = hostResource(name, 'directory-entry-stream');

const descriptorTypeType = enumeration(
  'unknown',
  'block-device',
  'character-device',
  'directory',
  'fifo',
  'symbolic-link',
  'regular-file',
  'socket',
);
const descriptorFlagsType = flags(
  'read',
  'write',
  'file-integrity-sync',
  'data-integrity-sync',
  'requested-write-sync',
  'mutate-directory',
);
const descriptorStatType = record({
  type: descriptorTypeType,
  'link-count': 'u64',
  size: 'u64',
  'data-access-timestamp': option(datetimeType),
  'data-modification-timestamp': option(datetimeType),
  'status-change-timestamp': option(datetimeType),
});
const pathFlagsType = flags('symlink-follow');
const openFlagsType = flags('create', 'directory', 'exclusive', 'truncate');
const newTimestampType = variant({ 'no-change': null, now: null, timestamp: datetimeType });
const directoryEntryType = record({ type: descriptorTypeType, name: 'string' });
const adviceType = enumeration('normal', 'sequential', 'random', 'will-need', 'dont-need', 'no-reuse');
const metadataHashType = record({ lower: 'u64', upper: 'u64' });

export const typeOfKind: Readonly<Record<NodeKind, string>> = {
  file: 'regular-file',
  directory: 'directory',
  symlink: 'symbolic-link',
  other: 'unknown',
};

/** Most bytes of one read. */
const readBytesMax = 256 * KIB;
/** Host work (Process.work) for one directory entry, in bytes moved. */
export const entryWork = 1024;
/** Largest file offset that arithmetic on doubles keeps exact. */
export const offsetMax = BigInt(Number.MAX_SAFE_INTEGER);

const badDescriptor = err('bad-descriptor');
const invalid = err('invalid');

const self = { self: borrow(descriptorResource) } as const;

function orError(type: WitType | null): WitType {
  return result(type, errorCodeType);
}

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

/** Returns whether the file was opened for reading and writing; a directory has read and mutate-directory. */
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

type NewTimestamp = { readonly tag: 'no-change' | 'now' } | { readonly tag: 'timestamp'; readonly value: Datetime };

const timestamps = {
  'data-access-timestamp': newTimestampType,
  'data-modification-timestamp': newTimestampType,
} as const;

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

/**
 * Returns a stream of the entries of the directory, without `.` and `..`.
 *
 * Errors: not-directory.
 */
const descriptorReadDirectory = witRow(
  '[method]descriptor.read-directory',
  func(self, orError(own(directoryEntryStreamResource))),
  (_guest: Process, one: Descriptor) => {
    if (!(one instanceof DirectoryDescriptor)) return err('not-directory');
    const listing = one.directory.list();
    return typeof listing === 'number' ? failure(listing) : ok(new DirectoryEntryStream(listing));
  },
);

/** Commits written bytes. Has no effect in scratch, which lives in memory. */
const descriptorSync = witRow('[method]descriptor.sync', func(self, orError(null)), sync);

/**
 * Makes the directory `path`.
 *
 * Errors: exist the name is taken; no-entry its parent is missing; read-only outside of scratch.
 */
const descriptorCreateDirectoryAt = witRow(
  '[method]descriptor.create-directory-at',
  func({ ...self, path: 'string' }, orError(null)),
  (guest: Process, at: Descriptor, path: string) => onPath(guest, at, path, makeDirectory),
);

/** Returns type, size and times of the file or directory. */
const descriptorStat = witRow(
  '[method]descriptor.stat',
  func(self, orError(descriptorStatType)),
  (_guest: Process, one: Descriptor) => toStat(one.stat()),
);

/**
 * Returns type, size and times of `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: no-entry nothing there.
 */
const descriptorStatAt = witRow(
  '[method]descriptor.stat-at',
  func({ ...self, 'path-flags': pathFlagsType, path: 'string' }, orError(descriptorStatType)),
  (guest: Process, at: Descriptor, pathFlags: ReadonlySet<string>, path: string) =>
    toStat(statOf(guest, at, pathFlags, path)),
);

/**
 * Sets the times of `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: invalid nanoseconds of a second or more; no-entry nothing there; read-only outside of scratch.
 */
const descriptorSetTimesAt = witRow(
  '[method]descriptor.set-times-at',
  func({ ...self, 'path-flags': pathFlagsType, path: 'string', ...timestamps }, orError(null)),
  (
    guest: Process,
    at: Descriptor,
    pathFlags: ReadonlySet<string>,
    path: string,
    access: NewTimestamp,
    modification: NewTimestamp,
  ) => {
    const times = timesFrom(guest, access, modification);
    if (times === null) return invalid;
    return onPath(guest, at, path, (base) => setTimesPath(base, path, follows(pathFlags), times));
  },
);

/**
 * Gives the file `old-path` the second name `new-path` below `new-descriptor`. symlink-follow follows a symbolic link at
 * the end of `old-path`.
 *
 * Errors: access a directory, which has one name only; exist there is something; cross-device outside of scratch.
 */
const descriptorLinkAt = witRow(
  '[method]descriptor.link-at',
  func(
    {
      ...self,
      'old-path-flags': pathFlagsType,
      'old-path': 'string',
      'new-descriptor': borrow(descriptorResource),
      'new-path': 'string',
    },
    orError(null),
  ),
  (
    guest: Process,
    at: Descriptor,
    pathFlags: ReadonlySet<string>,
    oldPath: string,
    into: Descriptor,
    newPath: string,
  ) =>
    onPaths(guest, { at, path: oldPath }, { at: into, path: newPath }, (places) =>
      linkPath(places, follows(pathFlags)),
    ),
);

/**
 * Opens `path`. symlink-follow follows a symbolic link at its end. open-flags: create makes the file, directory accepts
 * directories only, exclusive fails if the name is taken, truncate cuts the file. read and write say what the file is
 * opened for.
 *
 * Errors: not-permitted a path that leads out of the directory; no-entry, exist, is-directory, not-directory, loop,
 * read-only, insufficient-space as in POSIX.
 */
const descriptorOpenAt = witRow(
  '[method]descriptor.open-at',
  func(
    {
      ...self,
      'path-flags': pathFlagsType,
      path: 'string',
      'open-flags': openFlagsType,
      flags: descriptorFlagsType,
    },
    orError(own(descriptorResource)),
  ),
  (
    guest: Process,
    at: Descriptor,
    pathFlags: ReadonlySet<string>,
    path: string,
    openFlags: ReadonlySet<string>,
    wanted: ReadonlySet<string>,
  ) => {
    if (!(at instanceof DirectoryDescriptor)) return err('not-directory');
    guest.work(path.length * pathWork);
    const mode = { read: wanted.has('read'), write: wanted.has('write') };
    const opened = openPath(at.directory, path, {
      ...mode,
      follow: follows(pathFlags),
      create: openFlags.has('create'),
      exclusive: openFlags.has('exclusive'),
      truncate: openFlags.has('truncate'),
      directory: openFlags.has('directory'),
    });
    if (typeof opened === 'number') return failure(opened);
    return ok(
      opened.kind === 'directory' ? new DirectoryDescriptor(opened.directory) : new FileDescriptor(opened.handle, mode),
    );
  },
);

/**
 * Returns the target of the symbolic link `path`.
 *
 * Errors: invalid no symbolic link; no-entry nothing there.
 */
const descriptorReadlinkAt = witRow(
  '[method]descriptor.readlink-at',
  func({ ...self, path: 'string' }, orError('string')),
  (guest: Process, at: Descriptor, path: string) => {
    if (!(at instanceof DirectoryDescriptor)) return err('not-directory');
    guest.work(path.length * pathWork);
    const target = readLinkPath(at.directory, path);
    return typeof target === 'number' ? failure(target) : ok(target);
  },
);

/**
 * Removes the empty directory `path`.
 *
 * Errors: not-empty; not-directory; no-entry; read-only outside of scratch.
 */
const descriptorRemoveDirectoryAt = witRow(
  '[method]descriptor.remove-directory-at',
  func({ ...self, path: 'string' }, orError(null)),
  (guest: Process, at: Descriptor, path: string) => onPath(guest, at, path, removeDirectory),
);

/**
 * Gives the node called `old-path` the name `new-path` below `new-descriptor`. Replaces a node of that name if the
 * kinds of the nodes allow it.
 *
 * Errors: as in POSIX; read-only outside of scratch.
 */
const descriptorRenameAt = witRow(
  '[method]descriptor.rename-at',
  func(
    { ...self, 'old-path': 'string', 'new-descriptor': borrow(descriptorResource), 'new-path': 'string' },
    orError(null),
  ),
  (guest: Process, at: Descriptor, oldPath: string, into: Descriptor, newPath: string) =>
    onPaths(guest, { at, path: oldPath }, { at: into, path: newPath }, renamePath),
);

/**
 * Makes the symbolic link `new-path` that points to `old-path`.
 *
 * Errors: not-permitted an absolute target, which could only lead out; exist there is something; read-only outside of
 * scratch.
 */
const descriptorSymlinkAt = witRow(
  '[method]descriptor.symlink-at',
  func({ ...self, 'old-path': 'string', 'new-path': 'string' }, orError(null)),
  (guest: Process, at: Descriptor, target: string, path: string) => {
    guest.work(target.length * pathWork);
    return onPath(guest, at, path, (base) => makeSymlink(base, path, target));
  },
);

/**
 * Removes the file or symbolic link `path`.
 *
 * Errors: is-directory a directory, which remove-directory-at removes; no-entry; read-only outside of scratch.
 */
const descriptorUnlinkFileAt = witRow(
  '[method]descriptor.unlink-file-at',
  func({ ...self, path: 'string' }, orError(null)),
  (guest: Process, at: Descriptor, path: string) => onPath(guest, at, path, removeFile),
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

/**
 * Returns 128 bits that identify `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: no-entry nothing there.
 */
const descriptorMetadataHashAt = witRow(
  '[method]descriptor.metadata-hash-at',
  func({ ...self, 'path-flags': pathFlagsType, path: 'string' }, orError(metadataHashType)),
  (guest: Process, at: Descriptor, pathFlags: ReadonlySet<string>, path: string) =>
    toHash(statOf(guest, at, pathFlags, path)),
);

/** Drops a descriptor. Streams made from it stay open. */
const dropDescriptor = dropRow(descriptorResource);

/** Returns the next entry of the directory; none at the end. */
const directoryEntryStreamReadDirectoryEntry = witRow(
  '[method]directory-entry-stream.read-directory-entry',
  func({ self: borrow(directoryEntryStreamResource) }, orError(option(directoryEntryType))),
  (guest: Process, stream: DirectoryEntryStream) => {
    guest.work(entryWork);
    const entry = stream.listing.entry(stream.cookie);
    if (entry === null) return ok(null);
    stream.cookie = entry.next;
    return ok({ type: typeOfKind[entry.kind], name: entry.name });
  },
);

/** Drops a directory-entry-stream. */
const dropDirectoryEntryStream = dropRow(directoryEntryStreamResource);

/** Returns the error code of an error that the stream of a file reported; none for other errors. */
const filesystemErrorCode = witRow(
  'filesystem-error-code',
  func({ err: borrow(errorResource) }, option(errorCodeType)),
  (_guest: Process, { codes }: IoError) => codes.filesystem ?? null,
);

type Base = DirectoryDescriptor['directory'];

function onPath(guest: Process, at: Descriptor, path: string, operation: (base: Base, path: string) => number) {
  if (!(at instanceof DirectoryDescriptor)) return err('not-directory');
  guest.work(path.length * pathWork);
  return toDone(operation(at.directory, path));
}

interface Place {
  readonly at: Descriptor;
  readonly path: string;
}

function onPaths(
  guest: Process,
  from: Place,
  to: Place,
  operation: (places: Parameters<typeof renamePath>[0]) => number,
) {
  if (!(from.at instanceof DirectoryDescriptor) || !(to.at instanceof DirectoryDescriptor)) return err('not-directory');
  guest.work((from.path.length + to.path.length) * pathWork);
  return toDone(
    operation({
      from: { base: from.at.directory, path: from.path },
      to: { base: to.at.directory, path: to.path },
    }),
  );
}

function sync(_guest: Process, one: Descriptor) {
  return one instanceof FileDescriptor ? toDone(one.handle.sync()) : ok();
}

function statOf(
  guest: Process,
  at: Descriptor,
  pathFlags: ReadonlySet<string>,
  path: string,
): Stat | FileFailure | number {
  if (!(at instanceof DirectoryDescriptor)) return err('not-directory');
  guest.work(path.length * pathWork);
  return statPath(at.directory, path, follows(pathFlags));
}

function follows(pathFlags: ReadonlySet<string>): boolean {
  return pathFlags.has('symlink-follow');
}

function toStat(stat: Stat | FileFailure | number) {
  if (typeof stat === 'number') return failure(stat);
  if ('tag' in stat) return stat;
  return ok({
    type: typeOfKind[stat.kind],
    linkCount: BigInt(stat.nlink),
    size: BigInt(stat.size),
    dataAccessTimestamp: toDatetime(stat.atimNs),
    dataModificationTimestamp: toDatetime(stat.mtimNs),
    statusChangeTimestamp: toDatetime(stat.ctimNs),
  });
}

function toHash(stat: Stat | FileFailure | number) {
  if (typeof stat === 'number') return failure(stat);
  if ('tag' in stat) return stat;
  const hash = createHash('sha256').update(`${stat.dev}:${stat.ino}`).digest();
  return ok({ lower: hash.readBigUInt64LE(0), upper: hash.readBigUInt64LE(8) });
}

/** Returns the times to set; null if one of them is invalid. */
function timesFrom(guest: Process, access: NewTimestamp, modification: NewTimestamp): Times | null {
  const pick = (one: NewTimestamp): bigint | null | undefined => {
    if (one.tag === 'no-change') return null;
    if (one.tag === 'now') return wallNs(guest);
    const ns = fromDatetime((one as { readonly value: Datetime }).value);
    // Times of files have 64 bits of nanoseconds.
    return ns === null || ns >= 1n << 64n ? undefined : ns;
  };
  const [atimNs, mtimNs] = [pick(access), pick(modification)];
  return atimNs === undefined || mtimNs === undefined ? null : { atimNs, mtimNs };
}

export const filesystemTypes = witInterface('wasi2', name, [
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
  descriptorReadDirectory,
  descriptorSync,
  descriptorCreateDirectoryAt,
  descriptorStat,
  descriptorStatAt,
  descriptorSetTimesAt,
  descriptorLinkAt,
  descriptorOpenAt,
  descriptorReadlinkAt,
  descriptorRemoveDirectoryAt,
  descriptorRenameAt,
  descriptorSymlinkAt,
  descriptorUnlinkFileAt,
  descriptorIsSameObject,
  descriptorMetadataHash,
  descriptorMetadataHashAt,
  dropDescriptor,
  directoryEntryStreamReadDirectoryEntry,
  dropDirectoryEntryStream,
  filesystemErrorCode,
]);

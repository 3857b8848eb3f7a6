/**
 * wasi:filesystem/types: files and directories of the Process's own file system, as for WASI 0.2. The functions are
 * those of 0.2 but for streams; none of them waits.
 *
 * Casts: what rows of 0.2 take and return has the interface types of 0.2.
 */
import {
  asyncFunc,
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
} from '../../../../component/wit.ts';
import { elementFor } from '../../../canonical/async/elements.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { FutureSource, ValueSource } from '../../../canonical/async/source.ts';
import { dropRow, err, ok, runOf, witInterface, witRow } from '../../../canonical/row.ts';
import type { OpenFile } from '../../../fs/open-file.ts';
import type { Process } from '../../../process.ts';
import { type Descriptor, DirectoryDescriptor, FileDescriptor } from '../../wasi2/filesystem/descriptor.ts';
import { offsetMax, typeOfKind } from '../../wasi2/filesystem/descriptor-types.ts';
import { entryWork } from '../../wasi2/filesystem/directory-entries.ts';
import { failure } from '../../wasi2/filesystem/error-code.ts';
import { filesystemTypes as types2 } from '../../wasi2/filesystem/types.ts';
import { type Instant, instantType } from '../clocks/system-clock.ts';
import { pump } from '../pump.ts';
import { emptyStream, readingFrom, resultOf } from '../streams.ts';
import { errorCodeType, toResult } from './error-code.ts';

const name = 'wasi:filesystem/types@0.3';
export const descriptorResource = hostResource(name, 'descriptor');

const descriptorTypeType = variant({
  'block-device': null,
  'character-device': null,
  directory: null,
  fifo: null,
  'symbolic-link': null,
  'regular-file': null,
  socket: null,
  other: option('string'),
});
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
  'data-access-timestamp': option(instantType),
  'data-modification-timestamp': option(instantType),
  'status-change-timestamp': option(instantType),
});
const pathFlagsType = flags('symlink-follow');
const openFlagsType = flags('create', 'directory', 'exclusive', 'truncate');
const newTimestampType = variant({ 'no-change': null, now: null, timestamp: instantType });
export const directoryEntryType = record({ type: descriptorTypeType, name: 'string' });
const adviceType = enumeration('normal', 'sequential', 'random', 'will-need', 'dont-need', 'no-reuse');
const metadataHashType = record({ lower: 'u64', upper: 'u64' });
const doneType = result(null, errorCodeType);

const self = { self: borrow(descriptorResource) } as const;
const pathFlags = { 'path-flags': pathFlagsType } as const;
const path = { path: 'string' } as const;
const timestamps = {
  'data-access-timestamp': newTimestampType,
  'data-modification-timestamp': newTimestampType,
} as const;

/** Makes the row of a method that does what the method of 0.2 of the same name does. `convert` translates its value. */
function method(
  methodName: string,
  params: Readonly<Record<string, WitType>>,
  okType: WitType | null,
  convert: (value: unknown) => unknown = (value) => value,
) {
  const row = types2.syscalls.find((one) => one.name === `[method]descriptor.${methodName}`);
  if (row === undefined) throw new Error(`descriptors have no ${methodName}`);
  const run = runOf(row);
  return witRow(
    `[method]descriptor.${methodName}`,
    asyncFunc({ ...self, ...params }, result(okType, errorCodeType)),
    (guest: Process, ...args: unknown[]) => {
      if (args.some(isBefore1970)) return err({ tag: 'invalid' });
      const done = toResult(run(guest, ...args));
      return done.tag === 'ok' ? ok(convert(done.value)) : done;
    },
  );
}

function isBefore1970(value: unknown): boolean {
  const { tag, value: instant } = Object(value) as { readonly tag?: string; readonly value?: Instant };
  return tag === 'timestamp' && (instant as Instant).seconds < 0n;
}

function toType(label: unknown): { readonly tag: string; readonly value?: null } {
  return label === 'unknown' ? { tag: 'other', value: null } : { tag: label as string };
}

function toStat(stat: unknown) {
  return { ...(stat as object), type: toType((stat as { readonly type: string }).type) };
}

/**
 * Returns a stream that reads the file from byte `offset` on, and its result. It outlives the descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for reading; invalid an offset of 2^63 or more.
 */
const descriptorReadViaStream = witRow(
  '[method]descriptor.read-via-stream',
  func({ ...self, offset: 'u64' }, tuple(stream('u8'), future(doneType))),
  (guest: Process, file: Descriptor, offset: bigint) => {
    if (!(file instanceof FileDescriptor) || !file.mode.read)
      return [emptyStream(guest), settled(guest, err({ tag: 'bad-descriptor' }))];
    if (offset >= 2n ** 63n) return [emptyStream(guest), settled(guest, err({ tag: 'invalid' }))];
    const { resource, release } = file.open(Number(offset < offsetMax ? offset : offsetMax), {
      read: true,
      write: false,
    });
    const { stream: read, ended } = readingFrom(guest, resource);
    const done = ended.then((errno) => {
      release();
      return toDone(errno);
    });
    return [read, resultOf(guest, doneType, done, { isAwaited: false })];
  },
);

/**
 * Writes all bytes of `data` to the file from byte `offset` on. Returns the result. The writing outlives the
 * descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for writing; file-too-large past 2^53; insufficient-space.
 */
const descriptorWriteViaStream = witRow(
  '[method]descriptor.write-via-stream',
  func({ ...self, data: stream('u8'), offset: 'u64' }, future(doneType)),
  (guest: Process, file: Descriptor, data: Readable, offset: bigint) => {
    if (!isWritable(file)) return refused(guest, data, 'bad-descriptor');
    if (offset > offsetMax) return refused(guest, data, 'file-too-large');
    return writeTo(guest, data, file.open(Number(offset), { read: false, write: true }));
  },
);

/**
 * Writes all bytes of `data` at the end of the file, wherever that is at each write. Returns the result. The writing
 * outlives the descriptor.
 *
 * Errors: bad-descriptor a directory, or a file not open for writing; insufficient-space.
 */
const descriptorAppendViaStream = witRow(
  '[method]descriptor.append-via-stream',
  func({ ...self, data: stream('u8') }, future(doneType)),
  (guest: Process, file: Descriptor, data: Readable) =>
    isWritable(file)
      ? writeTo(guest, data, file.open(0, { read: false, write: true, append: true }))
      : refused(guest, data, 'bad-descriptor'),
);

/**
 * Accepts advice on how a range of a file will be used. Has no effect: all bytes are in memory already.
 *
 * Errors: bad-descriptor a directory.
 */
const descriptorAdvise = method('advise', { offset: 'u64', length: 'u64', advice: adviceType }, null);

/** Does the same as descriptor.sync. */
const descriptorSyncData = method('sync-data', {}, null);

/**
 * Returns whether the file was opened for reading and writing; a directory has read, and mutate-directory if that was
 * asked for.
 */
const descriptorGetFlags = method('get-flags', {}, descriptorFlagsType);

/** Returns the type: regular-file or directory. */
const descriptorGetType = method('get-type', {}, descriptorTypeType, toType);

/**
 * Sets the size of the file in bytes. A longer file ends in zeros.
 *
 * Errors: bad-descriptor a directory; invalid a file not open for writing; file-too-large or insufficient-space past
 * what scratch holds.
 */
const descriptorSetSize = method('set-size', { size: 'u64' }, null);

/**
 * Sets the times of the file or directory.
 *
 * Errors: invalid nanoseconds of a second or more, or a time before 1970; read-only outside of scratch.
 */
const descriptorSetTimes = method('set-times', timestamps, null);

/**
 * Returns a stream of the entries of the directory, without `.` and `..`, and its result.
 *
 * Errors: not-directory.
 */
const descriptorReadDirectory = witRow(
  '[method]descriptor.read-directory',
  func(self, tuple(stream(directoryEntryType), future(doneType))),
  (guest: Process, one: Descriptor) => {
    const listing = one instanceof DirectoryDescriptor ? one.directory.list() : null;
    const problem = listing === null ? err('not-directory') : typeof listing === 'number' ? failure(listing) : null;
    let cookie = 0;
    const next = (most: number): unknown[] => {
      const entries: unknown[] = [];
      while (listing !== null && typeof listing !== 'number' && entries.length < most) {
        const entry = listing.entry(cookie);
        if (entry === null) break;
        guest.work(entryWork);
        cookie = entry.next;
        entries.push({ type: toType(typeOfKind[entry.kind]), name: entry.name });
      }
      return entries;
    };
    return [
      new ValueSource(elementFor(directoryEntryType), next),
      settled(guest, problem === null ? ok() : toResult(problem)),
    ];
  },
);

/** Commits written bytes. Has no effect in scratch, which lives in memory. */
const descriptorSync = method('sync', {}, null);

/**
 * Makes the directory `path`.
 *
 * Errors: exist the name is taken; no-entry its parent is missing; read-only outside of scratch.
 */
const descriptorCreateDirectoryAt = method('create-directory-at', path, null);

/** Returns type, size and times of the file or directory. */
const descriptorStat = method('stat', {}, descriptorStatType, toStat);

/**
 * Returns type, size and times of `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: no-entry nothing there.
 */
const descriptorStatAt = method('stat-at', { ...pathFlags, ...path }, descriptorStatType, toStat);

/**
 * Sets the times of `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: invalid nanoseconds of a second or more, or a time before 1970; no-entry nothing there; read-only outside of
 * scratch.
 */
const descriptorSetTimesAt = method('set-times-at', { ...pathFlags, ...path, ...timestamps }, null);

/**
 * Gives the file `old-path` the second name `new-path` below `new-descriptor`. symlink-follow follows a symbolic link
 * at the end of `old-path`.
 *
 * Errors: access a directory, which has one name only; exist there is something; cross-device outside of scratch.
 */
const descriptorLinkAt = method(
  'link-at',
  {
    'old-path-flags': pathFlagsType,
    'old-path': 'string',
    'new-descriptor': borrow(descriptorResource),
    'new-path': 'string',
  },
  null,
);

/**
 * Opens `path`. symlink-follow follows a symbolic link at its end. open-flags: create makes the file, directory accepts
 * directories only, exclusive fails if the name is taken, truncate cuts the file. read and write say what the file is
 * opened for: read if write is not there, write if a file may be created and may be written.
 *
 * Errors: not-permitted a path that leads out of the directory; no-entry, exist, is-directory, not-directory, loop,
 * read-only, insufficient-space as in POSIX.
 */
const descriptorOpenAt = method(
  'open-at',
  { ...pathFlags, ...path, 'open-flags': openFlagsType, flags: descriptorFlagsType },
  own(descriptorResource),
);

/**
 * Returns the target of the symbolic link `path`.
 *
 * Errors: invalid no symbolic link; no-entry nothing there.
 */
const descriptorReadlinkAt = method('readlink-at', path, 'string');

/**
 * Removes the empty directory `path`.
 *
 * Errors: not-empty; not-directory; no-entry; read-only outside of scratch.
 */
const descriptorRemoveDirectoryAt = method('remove-directory-at', path, null);

/**
 * Gives the node called `old-path` the name `new-path` below `new-descriptor`. Replaces a node of that name if the
 * kinds of the nodes allow it.
 *
 * Errors: as in POSIX; read-only outside of scratch.
 */
const descriptorRenameAt = method(
  'rename-at',
  { 'old-path': 'string', 'new-descriptor': borrow(descriptorResource), 'new-path': 'string' },
  null,
);

/**
 * Makes the symbolic link `new-path` that points to `old-path`.
 *
 * Errors: not-permitted an absolute target, which could only lead out; exist there is something; read-only outside of
 * scratch.
 */
const descriptorSymlinkAt = method('symlink-at', { 'old-path': 'string', 'new-path': 'string' }, null);

/**
 * Removes the file or symbolic link `path`.
 *
 * Errors: is-directory a directory, which remove-directory-at removes; no-entry; read-only outside of scratch.
 */
const descriptorUnlinkFileAt = method('unlink-file-at', path, null);

/** Returns whether both descriptors refer to the same file or directory. */
const descriptorIsSameObject = witRow(
  '[method]descriptor.is-same-object',
  asyncFunc({ ...self, other: borrow(descriptorResource) }, 'bool'),
  (guest: Process, one: Descriptor, other: Descriptor) => isSame(guest, one, other),
);

/** Returns 128 bits that identify the file or directory among all those of the Process. */
const descriptorMetadataHash = method('metadata-hash', {}, metadataHashType);

/**
 * Returns 128 bits that identify `path`. symlink-follow follows a symbolic link at its end.
 *
 * Errors: no-entry nothing there.
 */
const descriptorMetadataHashAt = method('metadata-hash-at', { ...pathFlags, ...path }, metadataHashType);

/** Drops a descriptor. Streams made from it stay open. */
const dropDescriptor = dropRow(descriptorResource);

const isSameRow = types2.syscalls.find((one) => one.name === '[method]descriptor.is-same-object');
const isSame = runOf(isSameRow as NonNullable<typeof isSameRow>);

function isWritable(file: Descriptor): file is FileDescriptor {
  return file instanceof FileDescriptor && file.mode.write;
}

function toDone(errno: number) {
  return errno === 0 ? ok() : toResult(failure(errno));
}

function settled(guest: Process, value: unknown): FutureSource {
  return FutureSource.of(guest, elementFor(doneType), value);
}

function refused(guest: Process, data: Readable, tag: string): FutureSource {
  data.drop();
  return settled(guest, err({ tag }));
}

function writeTo(
  guest: Process,
  data: Readable,
  { resource, release }: { readonly resource: OpenFile; readonly release: () => void },
): FutureSource {
  const written = pump(guest, data, resource.scheme, (bytes) => resource.write(bytes)).then((errno) => {
    release();
    return toDone(errno);
  });
  return resultOf(guest, doneType, written);
}

export const directories = func({}, list(tuple(own(descriptorResource), 'string')));

export const filesystemTypes = witInterface('wasi3', name, [
  descriptorReadViaStream,
  descriptorWriteViaStream,
  descriptorAppendViaStream,
  descriptorAdvise,
  descriptorSyncData,
  descriptorGetFlags,
  descriptorGetType,
  descriptorSetSize,
  descriptorSetTimes,
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
]);

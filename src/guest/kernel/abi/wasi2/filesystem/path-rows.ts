/** Calls of wasi:filesystem/types on paths, which begin at a directory and never leave it. */
import { borrow, flags, func, own } from '../../../../component/wit.ts';
import { err, ok, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import { type OpenMode, pathWork, type Stat } from '../../../fs/node.ts';
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
import { type Descriptor, DirectoryDescriptor, FileDescriptor } from './descriptor.ts';
import {
  descriptorFlagsType,
  descriptorResource,
  descriptorStatType,
  invalid,
  metadataHashType,
  type NewTimestamp,
  orError,
  self,
  timesFrom,
  timestamps,
  toHash,
  toStat,
} from './descriptor-types.ts';
import { type FileFailure, failure, toDone } from './error-code.ts';

const pathFlagsType = flags('symlink-follow');
const openFlagsType = flags('create', 'directory', 'exclusive', 'truncate');

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
 * Gives the file `old-path` the second name `new-path` below `new-descriptor`. symlink-follow follows a symbolic link
 * at the end of `old-path`.
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
 * opened for: read if write is not there, write if a file may be created and may be written.
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
    const write = wanted.has('write');
    const create = openFlags.has('create');
    const openFor = (mode: OpenMode) => {
      const opened = openPath(at.directory, path, {
        ...mode,
        follow: follows(pathFlags),
        create,
        exclusive: openFlags.has('exclusive'),
        truncate: openFlags.has('truncate'),
        directory: openFlags.has('directory'),
      });
      return { opened, mode };
    };
    const read = wanted.has('read') || !write;
    let { opened, mode } = openFor({ read, write: write || create });
    // A file that is there already is opened without what nobody has asked for.
    if (opened === Errno.readOnly && create && !write) ({ opened, mode } = openFor({ read, write: false }));
    if (typeof opened === 'number') return failure(opened);
    if (opened.kind === 'file') return ok(new FileDescriptor(opened.handle, mode));
    const flags = wanted.has('mutate-directory') ? ['read', 'mutate-directory'] : ['read'];
    return ok(new DirectoryDescriptor(opened.directory, flags));
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

export const pathRows = [
  descriptorCreateDirectoryAt,
  descriptorStatAt,
  descriptorSetTimesAt,
  descriptorLinkAt,
  descriptorOpenAt,
  descriptorReadlinkAt,
  descriptorRemoveDirectoryAt,
  descriptorRenameAt,
  descriptorSymlinkAt,
  descriptorUnlinkFileAt,
  descriptorMetadataHashAt,
];

/** Implements WASI `path_*`: calls on names below a directory. */

import { pathBytesMax, pathWork } from '../../fs/node.ts';
import type { OpenDirectory } from '../../fs/open-file.ts';
import {
  linkPath,
  makeDirectory,
  makeSymlink,
  readLinkPath,
  removeDirectory,
  removeFile,
  renamePath,
  setTimesPath,
  statPath,
} from '../../fs/operations.ts';
import { utf8 } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { toWasi, Wasi } from './errno.ts';
import { putFilestat } from './layouts.ts';
import { Right } from './rights.ts';
import { wasiRow } from './row.ts';
import { directoryAt } from './state.ts';
import { timesFrom } from './times.ts';
import type { WasiVersion } from './version.ts';

/** Bit of lookupflags (witx) that follows a symbolic link at the end of a path. */
const symlinkFollow = 1;

/**
 * Makes the directory `path`.
 *
 * Errors: exist the name is taken; noent its parent is missing; rofs outside of scratch.
 */
export const pathCreateDirectory = wasiRow(
  'path_create_directory',
  ['fd', 'path', 'path_len'],
  false,
  (guest: Process, fd: number, pointer: number, length: number) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathCreateDirectory);
    return typeof at === 'number' ? at : toWasi(makeDirectory(at.open.directory, at.path));
  },
);

/**
 * Writes size, times and identity of `path` (filestat) to `buf`. `flags` 1 follows a symbolic link at its end.
 *
 * Errors: noent nothing there.
 */
export function pathFilestatGet({ filestat }: WasiVersion): Syscall {
  return wasiRow(
    'path_filestat_get',
    ['fd', 'flags', 'path', 'path_len', 'buf'],
    false,
    (guest: Process, fd: number, flags: number, pointer: number, length: number, result: number) => {
      const at = placeAt(guest, { fd, pointer, length }, Right.pathFilestatGet);
      if (typeof at === 'number') return at;
      guest.memory.check(result, filestat.bytes);
      const stat = statPath(at.open.directory, at.path, (flags & symlinkFollow) !== 0);
      if (typeof stat === 'number') return toWasi(stat);
      putFilestat(guest.memory, result, stat, filestat);
      return Wasi.success;
    },
  );
}

/**
 * Sets the times of `path` that `fst_flags` names, as fd_filestat_set_times. `flags` 1 follows a symbolic link at its
 * end.
 *
 * Errors: inval a time and now both asked for; noent nothing there; rofs outside of scratch.
 */
export const pathFilestatSetTimes = wasiRow(
  'path_filestat_set_times',
  ['fd', 'flags', 'path', 'path_len', 'atim:i64', 'mtim:i64', 'fst_flags'],
  false,
  (
    guest: Process,
    fd: number,
    flags: number,
    pointer: number,
    length: number,
    atim: bigint,
    mtim: bigint,
    fstFlags: number,
  ) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathFilestatSetTimes);
    if (typeof at === 'number') return at;
    const times = timesFrom(guest, { atim, mtim, flags: fstFlags });
    if (times === null) return Wasi.inval;
    return toWasi(setTimesPath(at.open.directory, at.path, (flags & symlinkFollow) !== 0, times));
  },
);

/**
 * Gives the file `old_path` the second name `new_path`. `old_flags` 1 follows a symbolic link at the end of `old_path`.
 *
 * Errors: acces a directory, which has one name only; exist there is something; xdev outside of scratch.
 */
export const pathLink = wasiRow(
  'path_link',
  ['old_fd', 'old_flags', 'old_path', 'old_path_len', 'new_fd', 'new_path', 'new_path_len'],
  false,
  (
    guest: Process,
    oldFd: number,
    flags: number,
    oldPointer: number,
    oldLength: number,
    newFd: number,
    newPointer: number,
    newLength: number,
  ) => {
    const places = placesAt(
      guest,
      { fd: oldFd, pointer: oldPointer, length: oldLength, right: Right.pathLinkSource },
      { fd: newFd, pointer: newPointer, length: newLength, right: Right.pathLinkTarget },
    );
    return typeof places === 'number' ? places : toWasi(linkPath(places, (flags & symlinkFollow) !== 0));
  },
);

/**
 * Writes the target of the symbolic link `path` to `buf`, cut to `buf_len` bytes as by readlink(2), and the number of
 * bytes (u32) to `bufused`.
 *
 * Errors: inval no symbolic link; noent nothing there.
 */
export const pathReadlink = wasiRow(
  'path_readlink',
  ['fd', 'path', 'path_len', 'buf', 'buf_len', 'bufused'],
  false,
  (guest: Process, fd: number, pointer: number, length: number, buffer: number, size: number, used: number) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathReadlink);
    if (typeof at === 'number') return at;
    guest.memory.check(used, 4);
    guest.memory.check(buffer, size);
    const target = readLinkPath(at.open.directory, at.path);
    if (typeof target === 'number') return toWasi(target);
    const bytes = utf8(target).subarray(0, size >>> 0);
    guest.memory.put(buffer, bytes);
    guest.memory.setU32(used, bytes.length);
    return Wasi.success;
  },
);

/**
 * Removes the empty directory `path`.
 *
 * Errors: notempty; notdir; noent; rofs outside of scratch.
 */
export const pathRemoveDirectory = wasiRow(
  'path_remove_directory',
  ['fd', 'path', 'path_len'],
  false,
  (guest: Process, fd: number, pointer: number, length: number) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathRemoveDirectory);
    return typeof at === 'number' ? at : toWasi(removeDirectory(at.open.directory, at.path));
  },
);

/**
 * Gives the node called `old_path` the name `new_path`. Replaces a node of that name if the kinds of the nodes allow
 * it.
 */
export const pathRename = wasiRow(
  'path_rename',
  ['fd', 'old_path', 'old_path_len', 'new_fd', 'new_path', 'new_path_len'],
  false,
  (
    guest: Process,
    oldFd: number,
    oldPointer: number,
    oldLength: number,
    newFd: number,
    newPointer: number,
    newLength: number,
  ) => {
    const places = placesAt(
      guest,
      { fd: oldFd, pointer: oldPointer, length: oldLength, right: Right.pathRenameSource },
      { fd: newFd, pointer: newPointer, length: newLength, right: Right.pathRenameTarget },
    );
    return typeof places === 'number' ? places : toWasi(renamePath(places));
  },
);

/**
 * Makes the symbolic link `new_path` that points to `old_path`.
 *
 * Errors: perm an absolute target, which could only lead out; exist there is something; rofs outside of scratch.
 */
export const pathSymlink = wasiRow(
  'path_symlink',
  ['old_path', 'old_path_len', 'fd', 'new_path', 'new_path_len'],
  false,
  (guest: Process, oldPointer: number, oldLength: number, fd: number, pointer: number, length: number) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathSymlink);
    if (typeof at === 'number') return at;
    const target = pathFrom(guest, oldPointer, oldLength);
    return typeof target === 'number' ? target : toWasi(makeSymlink(at.open.directory, at.path, target));
  },
);

/**
 * Removes the file or symbolic link `path`.
 *
 * Errors: isdir a directory, which path_remove_directory removes; noent; rofs outside of scratch.
 */
export const pathUnlinkFile = wasiRow(
  'path_unlink_file',
  ['fd', 'path', 'path_len'],
  false,
  (guest: Process, fd: number, pointer: number, length: number) => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathUnlinkFile);
    return typeof at === 'number' ? at : toWasi(removeFile(at.open.directory, at.path));
  },
);

/** A path in the guest's memory, of `length` bytes, relative to a descriptor. */
interface PathCall {
  readonly fd: number;
  readonly pointer: number;
  readonly length: number;
}

export interface Place {
  readonly open: OpenDirectory;
  readonly path: string;
}

/** Returns the path and the directory `fd`, which must have the right `right`; an errno of WASI otherwise. */
export function placeAt(guest: Process, call: PathCall, right: number): Place | number {
  const open = directoryAt(guest, call.fd, right);
  if (typeof open === 'number') return open;
  const path = pathFrom(guest, call.pointer, call.length);
  return typeof path === 'number' ? path : { open, path };
}

/** Returns a path argument, or an errno of WASI: ilseq if it is not UTF-8, nametoolong. */
function pathFrom(guest: Process, pointer: number, length: number): string | number {
  guest.memory.check(pointer, length);
  if (length >>> 0 > pathBytesMax) return Wasi.nametoolong;
  guest.work((length >>> 0) * pathWork);
  return guest.memory.strictText(pointer, length) ?? Wasi.ilseq;
}

type RightfulCall = PathCall & { readonly right: number };

/**
 * Returns the two places of a call with two paths, for src/guest/kernel/fs/operations.ts; an errno of WASI if one is
 * refused.
 */
function placesAt(guest: Process, from: RightfulCall, to: RightfulCall) {
  const source = placeAt(guest, from, from.right);
  if (typeof source === 'number') return source;
  const target = placeAt(guest, to, to.right);
  if (typeof target === 'number') return target;
  return {
    from: { base: source.open.directory, path: source.path },
    to: { base: target.open.directory, path: target.path },
  };
}

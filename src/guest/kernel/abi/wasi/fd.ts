/** Implements the WASI calls `fd_*` on the descriptor itself: its state, its number, its directory. */

import type { DirectoryEntry, DirectoryListing } from '../../fs/node.ts';
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import { utf8 } from '../../memory.ts';
import { closeDescriptor } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import type { Syscall } from '../../syscall.ts';
import { toWasi, Wasi } from './errno.ts';
import { resize } from './fd-data.ts';
import { direntOf, fdstatBytes, putFdstat, putFilestat, putStreamFilestat } from './layouts.ts';
import { Right, rightsFrom } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { directoryAt, FdFlag, fdFlagsAll, fileAt, fileTypeOf, resourceAt, stateOf } from './state.ts';
import { timesFrom } from './times.ts';
import type { WasiVersion } from './version.ts';

/** Host work (Process.work) for each byte of a listing: an entry is some 40 bytes and takes half a microsecond. */
const direntWork = 16;

/**
 * Closes the descriptor. It may be that of a preopened directory. A standard stream stays open for the host.
 *
 * Errors: the error of a failed commit.
 */
export const fdClose = wasiRow('fd_close', ['fd'], true, (guest: Process, fd: number) =>
  andThen(guest, closeDescriptor(guest, fd), toWasi),
);

/**
 * Closes the descriptor `to` and moves `fd` to its number. Both must be open.
 *
 * Errors: the error of closing.
 */
export const fdRenumber = wasiRow(
  'fd_renumber',
  ['fd', 'to'],
  true,
  (guest: Process, fd: number, to: number): MaybePromise<number> => {
    const { descriptors } = guest;
    if (descriptors.get(fd) === undefined || descriptors.get(to) === undefined) return Wasi.badf;
    if (fd === to) return Wasi.success;
    const resource = descriptors.remove(fd);
    if (resource === undefined) return Wasi.badf;
    const before = descriptors.replace(to, resource);
    if (before === undefined || descriptors.holds(before)) return Wasi.success;
    return andThen(guest, before.close(), toWasi);
  },
);

/** Writes type, flags and rights of the descriptor (fdstat, 24 bytes) to `stat`. */
export const fdFdstatGet = wasiRow(
  'fd_fdstat_get',
  ['fd', 'stat'],
  false,
  (guest: Process, fd: number, pointer: number) => {
    const resource = resourceAt(guest, fd, 0);
    if (typeof resource === 'number') return resource;
    guest.memory.check(pointer, fdstatBytes);
    const { rights, inheriting, flags } = stateOf(guest, resource);
    const append = resource instanceof OpenFile && resource.append ? FdFlag.append : 0;
    putFdstat(guest.memory, pointer, { fileType: fileTypeOf(resource), flags: flags | append, rights, inheriting });
    return Wasi.success;
  },
);

/**
 * Sets the descriptor's flags: 1 append, 2 dsync, 4 nonblock, 8 rsync, 16 sync.
 *
 * Errors: inval another bit.
 */
export const fdFdstatSetFlags = wasiRow(
  'fd_fdstat_set_flags',
  ['fd', 'flags'],
  false,
  (guest: Process, fd: number, flags: number) => {
    const resource = resourceAt(guest, fd, Right.fdFdstatSetFlags);
    if (typeof resource === 'number') return resource;
    if ((flags & ~fdFlagsAll) !== 0) return Wasi.inval;
    stateOf(guest, resource).flags = flags & ~FdFlag.append;
    if (resource instanceof OpenFile) resource.append = (flags & FdFlag.append) !== 0;
    return Wasi.success;
  },
);

/**
 * Sets the descriptor's own rights and those that it passes on. Rights can only be given up.
 *
 * Errors: notcapable a right that the descriptor does not have.
 */
export const fdFdstatSetRights = wasiRow(
  'fd_fdstat_set_rights',
  ['fd', 'fs_rights_base:i64', 'fs_rights_inheriting:i64'],
  false,
  (guest: Process, fd: number, base: bigint, inheriting: bigint) => {
    const resource = resourceAt(guest, fd, 0);
    if (typeof resource === 'number') return resource;
    const state = stateOf(guest, resource);
    if ((BigInt.asUintN(64, base) & ~BigInt(state.rights)) !== 0n) return Wasi.notcapable;
    if ((BigInt.asUintN(64, inheriting) & ~BigInt(state.inheriting)) !== 0n) return Wasi.notcapable;
    state.rights = rightsFrom(base);
    state.inheriting = rightsFrom(inheriting);
    return Wasi.success;
  },
);

/**
 * Writes size, times and identity of the open file or directory (filestat) to `buf`. A stream has a type and no other
 * facts.
 */
export function fdFilestatGet({ filestat }: WasiVersion): Syscall {
  return wasiRow('fd_filestat_get', ['fd', 'buf'], false, (guest: Process, fd: number, pointer: number) => {
    const resource = resourceAt(guest, fd, Right.fdFilestatGet);
    if (typeof resource === 'number') return resource;
    guest.memory.check(pointer, filestat.bytes);
    if (!(resource instanceof OpenFile) && !(resource instanceof OpenDirectory)) {
      putStreamFilestat(guest.memory, pointer, fileTypeOf(resource), filestat);
      return Wasi.success;
    }
    const stat = resource instanceof OpenFile ? resource.handle.stat() : resource.directory.stat();
    if (typeof stat === 'number') return toWasi(stat);
    putFilestat(guest.memory, pointer, stat, filestat);
    return Wasi.success;
  });
}

/**
 * Sets the file's size in bytes. A longer file is filled up with zeros.
 *
 * Errors: inval no file, or not open for writing; fbig or nospc past what scratch holds.
 */
export const fdFilestatSetSize = wasiRow(
  'fd_filestat_set_size',
  ['fd', 'size:i64'],
  false,
  (guest: Process, fd: number, size: bigint) => {
    const file = fileAt(guest, fd, Right.fdFilestatSetSize);
    if (typeof file === 'number') return file === Wasi.spipe ? Wasi.inval : file;
    if (!file.mayWrite) return Wasi.inval;
    if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) return Wasi.fbig;
    return resize(guest, file, () => file.handle.truncate(Number(size)));
  },
);

/**
 * Sets the times that `fst_flags` names: 1 atim, 2 atim to now, 4 mtim, 8 mtim to now. Times are Unix nanoseconds.
 *
 * Errors: inval a time and now both asked for; notsup a stream.
 */
export const fdFilestatSetTimes = wasiRow(
  'fd_filestat_set_times',
  ['fd', 'atim:i64', 'mtim:i64', 'fst_flags'],
  false,
  (guest: Process, fd: number, atim: bigint, mtim: bigint, flags: number) => {
    const resource = resourceAt(guest, fd, Right.fdFilestatSetTimes);
    if (typeof resource === 'number') return resource;
    const times = timesFrom(guest, { atim, mtim, flags });
    if (times === null) return Wasi.inval;
    if (resource instanceof OpenFile) return toWasi(resource.handle.setTimes(times));
    return resource instanceof OpenDirectory ? toWasi(resource.directory.setTimes(times)) : Wasi.notsup;
  },
);

/**
 * Writes the directory's entries from number `cookie` on to `buf`, each a dirent and its name, and the number of bytes
 * (u32) to `bufused`. If that is less than `buf_len`, the end has been reached; the last entry is cut at the end of the
 * buffer.
 *
 *     buf -> [dirent . ][dirent .. ][dirent name] ...
 *
 * Errors: notdir no directory; inval a cookie that cannot be.
 */
export const fdReaddir = wasiRow(
  'fd_readdir',
  ['fd', 'buf', 'buf_len', 'cookie:i64', 'bufused'],
  false,
  (guest: Process, fd: number, pointer: number, length: number, cookie: bigint, bufused: number) => {
    const open = directoryAt(guest, fd, Right.fdReaddir);
    if (typeof open === 'number') return open;
    guest.memory.check(bufused, 4);
    const buffer = guest.memory.bytes(pointer, length);
    if (cookie < 0n || cookie > BigInt(Number.MAX_SAFE_INTEGER)) return Wasi.inval;
    const listing = open.list(cookie === 0n);
    if (typeof listing === 'number') return toWasi(listing);
    let used = 0;
    let at = Number(cookie);
    while (used < buffer.length) {
      const entry = entryAt(open, listing, at);
      if (entry === null) break;
      const bytes = direntOf(entry).subarray(0, buffer.length - used);
      buffer.set(bytes, used);
      used += bytes.length;
      at = entry.next;
    }
    guest.work(used * direntWork);
    guest.memory.setU32(bufused, used);
    return Wasi.success;
  },
);

/**
 * Returns the entry at `cookie`: `.` and `..` are cookies 0 and 1. `..` shows the directory itself, since a guest may
 * not see the directory above.
 */
function entryAt(open: OpenDirectory, listing: DirectoryListing, cookie: number): DirectoryEntry | null {
  if (cookie >= 2) {
    const entry = listing.entry(cookie - 2);
    return entry === null ? null : { ...entry, next: entry.next + 2 };
  }
  const stat = open.directory.stat();
  const ino = typeof stat === 'number' ? 0n : stat.ino;
  return { name: cookie === 0 ? '.' : '..', kind: 'directory', ino, next: cookie + 1 };
}

/**
 * Writes the type, 0 for a directory, and the length of the name of a preopened directory to `buf` (prestat, 8 bytes).
 *
 * Errors: badf no preopened directory, which ends a guest's search.
 */
export const fdPrestatGet = wasiRow(
  'fd_prestat_get',
  ['fd', 'buf'],
  false,
  (guest: Process, fd: number, pointer: number) => {
    const name = preopenName(guest, fd);
    if (name === null) return Wasi.badf;
    // tag u8 = 0 (directory), pr_name_len u32
    guest.memory.check(pointer, 8);
    guest.memory.setU32(pointer, 0);
    guest.memory.setU32((pointer >>> 0) + 4, name.length);
    return Wasi.success;
  },
);

/**
 * Writes the name of a preopened directory, without a NUL, to `path`.
 *
 * Errors: badf no preopened directory; nametoolong it does not fit into `path_len` bytes.
 */
export const fdPrestatDirName = wasiRow(
  'fd_prestat_dir_name',
  ['fd', 'path', 'path_len'],
  false,
  (guest: Process, fd: number, pointer: number, length: number) => {
    const name = preopenName(guest, fd);
    if (name === null) return Wasi.badf;
    if (length >>> 0 < name.length) return Wasi.nametoolong;
    guest.memory.put(pointer, name);
    return Wasi.success;
  },
);

function preopenName(guest: Process, fd: number): Uint8Array | null {
  const resource = guest.descriptors.get(fd);
  return resource instanceof OpenDirectory && resource.preopen !== null ? utf8(resource.preopen) : null;
}

/** Implements WASI `path_open`. */
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import { openPath } from '../../fs/operations.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import { toWasi, Wasi } from './errno.ts';
import { netUrl, openNet } from './net.ts';
import { placeAt } from './path.ts';
import { directoryRights, fileRights, Right, rightsFrom, streamRights } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { FdFlag, FdState, fdFlagsAll, setState, stateOf } from './state.ts';

const Open = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
const openFlagsAll = 15;
const symlinkFollow = 1;

/**
 * Opens `path` and writes its descriptor (u32), the lowest free number, to `opened_fd`. `dirflags` 1 follows a symbolic
 * link at the end of the path; `oflags` are 1 create, 2 directory, 4 exclusive, 8 truncate; `fdflags` as in
 * fd_fdstat_set_flags. The requested rights decide whether the file is opened for reading and for writing.
 * `net/SCHEME/REST` below the preopen `/` opens `SCHEME://REST`.
 *
 * Errors: notcapable rights that the directory does not pass on; perm a path that leads out of it, or truncate without
 * the right to set sizes; noent, exist, isdir, notdir, loop, mfile, rofs as in POSIX. A URL that the policy forbids
 * ends the Process.
 */
export const pathOpen = wasiRow(
  'path_open',
  [
    'fd',
    'dirflags',
    'path',
    'path_len',
    'oflags',
    'fs_rights_base:i64',
    'fs_rights_inheriting:i64',
    'fdflags',
    'opened_fd',
  ],
  true,
  (
    guest: Process,
    fd: number,
    dirflags: number,
    pointer: number,
    length: number,
    oflags: number,
    base: bigint,
    inheriting: bigint,
    fdflags: number,
    opened: number,
  ): MaybePromise<number> => {
    const at = placeAt(guest, { fd, pointer, length }, Right.pathOpen | rightsOf(oflags));
    if (typeof at === 'number') return at;
    const parent = stateOf(guest, at.open);
    // perm: open(2) answers the same for a file that must not be cut.
    if ((oflags & Open.truncate) !== 0 && (parent.rights & Right.pathFilestatSetSize) === 0) return Wasi.perm;
    if ((oflags & ~openFlagsAll) !== 0 || (fdflags & ~fdFlagsAll) !== 0 || (dirflags & ~symlinkFollow) !== 0) {
      return Wasi.inval;
    }
    guest.memory.check(opened, 4);
    const rights = rightsFrom(base);
    const passedOn = rightsFrom(inheriting);
    if (((rights | passedOn) & ~parent.inheriting) !== 0) return Wasi.notcapable;
    const flags = fdflags & ~FdFlag.append;
    const mode = { read: (rights & Right.fdRead) !== 0, write: (rights & Right.fdWrite) !== 0 };

    const url = netUrl(guest, at.open.preopen, at.path);
    if (url !== null && (mode.read || mode.write) && (oflags & Open.directory) === 0) {
      return andThen(guest, openNet(guest, url, mode), (resource) =>
        typeof resource === 'number'
          ? toWasi(resource)
          : publish(guest, resource, new FdState(rights & streamRights, 0, flags), opened),
      );
    }

    const node = openPath(at.open.directory, at.path, {
      ...mode,
      follow: (dirflags & symlinkFollow) !== 0,
      create: (oflags & Open.create) !== 0,
      exclusive: (oflags & Open.exclusive) !== 0,
      truncate: (oflags & Open.truncate) !== 0,
      directory: (oflags & Open.directory) !== 0,
    });
    if (typeof node === 'number') return toWasi(node);
    if (node.kind === 'directory') {
      const state = new FdState(rights & directoryRights, passedOn, flags);
      return publish(guest, new OpenDirectory(node.directory), state, opened);
    }
    const file = new OpenFile(node.handle, { ...mode, append: (fdflags & FdFlag.append) !== 0 });
    // Drops rights that have no meaning for a file; a file passes no rights on.
    return publish(guest, file, new FdState(rights & fileRights, 0, flags), opened);
  },
);

/** Returns the rights that the directory must have for `oflags`. */
function rightsOf(oflags: number): number {
  return (oflags & Open.create) !== 0 ? Right.pathCreateFile : 0;
}

function publish(guest: Process, resource: Resource, state: FdState, pointer: number): MaybePromise<number> {
  const fd = guest.descriptors.add(resource);
  if (fd < 0) return andThen(guest, resource.close(), () => toWasi(fd));
  setState(resource, state);
  guest.memory.setU32(pointer, fd);
  return Wasi.success;
}

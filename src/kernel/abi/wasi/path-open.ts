/** WASI `path_open`. */
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import { openPath } from '../../fs/operations.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import { toWasi, Wasi } from './errno.ts';
import { netUrl, openNet } from './net.ts';
import { placeAt } from './path.ts';
import { allRights, directoryRights, Right, rightsFrom, streamRights } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { FdFlag, FdState, fdFlagsAll, setState, stateOf } from './state.ts';

const Open = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
const openFlagsAll = 15;
const symlinkFollow = 1;

/** Rights that make no sense for a file: they are left out when a file is opened with them. */
const notForFiles = Right.fdReaddir | Right.sockShutdown | Right.sockAccept;

/**
 * path_open(fd, dirflags, path, oflags, rights_base, rights_inheriting, fdflags, opened: *u32) -> errno.
 * The new descriptor is the lowest free one. notcapable: rights that the directory does not pass on,
 * or a path that leads out of it.
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
    process: Process,
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
    const at = placeAt(process, { fd, pointer, length }, Right.pathOpen | rightsOf(oflags));
    if (typeof at === 'number') return at;
    if ((oflags & ~openFlagsAll) !== 0 || (fdflags & ~fdFlagsAll) !== 0 || (dirflags & ~symlinkFollow) !== 0) {
      return Wasi.inval;
    }
    process.memory.check(opened, 4);
    const rights = rightsFrom(base);
    const passedOn = rightsFrom(inheriting);
    const parent = stateOf(process, at.open);
    if (((rights | passedOn) & ~parent.inheriting) !== 0) return Wasi.notcapable;
    const flags = fdflags & ~FdFlag.append;
    const mode = { read: (rights & Right.fdRead) !== 0, write: (rights & Right.fdWrite) !== 0 };

    const url = netUrl(process, at.open.preopen, at.path);
    if (url !== null && (mode.read || mode.write) && (oflags & Open.directory) === 0) {
      return andThen(process, openNet(process, url, mode), (resource) =>
        typeof resource === 'number'
          ? toWasi(resource)
          : publish(process, resource, new FdState(rights & streamRights, 0, flags), opened),
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
      const state = new FdState(rights & directoryRights, passedOn & allRights, flags);
      return publish(process, new OpenDirectory(node.directory), state, opened);
    }
    const file = new OpenFile(node.handle, { ...mode, append: (fdflags & FdFlag.append) !== 0 });
    return publish(process, file, new FdState(rights & ~notForFiles, passedOn, flags), opened);
  },
);

/** What the directory must be allowed for these flags. */
function rightsOf(oflags: number): number {
  let rights = 0;
  if ((oflags & Open.create) !== 0) rights |= Right.pathCreateFile;
  if ((oflags & Open.truncate) !== 0) rights |= Right.pathFilestatSetSize;
  return rights;
}

function publish(process: Process, resource: Resource, state: FdState, pointer: number): MaybePromise<number> {
  const fd = process.descriptors.add(resource);
  if (fd < 0) return andThen(process, resource.close(), () => toWasi(fd));
  setState(resource, state);
  process.memory.setU32(pointer, fd);
  return Wasi.success;
}

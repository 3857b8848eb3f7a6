/**
 * Keeps the facts of WASI about a descriptor that its Resource does not have: rights and flags. They belong to the
 * Resource, so they move with it (fd_renumber). A Resource that another ABI opened gets the rights of its kind.
 */
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import type { Process } from '../../process.ts';
import type { Resource } from '../../resource.ts';
import { SharedStream } from '../../stdio.ts';
import { Wasi } from './errno.ts';
import { allRights, directoryRights, fileRights, Right, streamRights } from './rights.ts';

export const FdFlag = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;
export const fdFlagsAll = 31;

export const FileType = {
  unknown: 0,
  characterDevice: 2,
  directory: 3,
  regularFile: 4,
  socketStream: 6,
  symlink: 7,
} as const;

/**
 * What a descriptor has of WASI: bits of `rights`, `fs_rights_inheriting` and `fdflags` (typenames.witx). `inheriting`:
 * the most rights of descriptors that are opened through this one, as a number of bits.
 */
export class FdState {
  rights: number;
  inheriting: number;
  /** All flags except append, which OpenFile keeps. */
  flags: number;

  constructor(rights: number, inheriting: number, flags: number) {
    this.rights = rights;
    this.inheriting = inheriting;
    this.flags = flags;
  }
}

const states = new WeakMap<Resource, FdState>();

export function setState(resource: Resource, state: FdState): void {
  states.set(resource, state);
}

export function stateOf(guest: Process, resource: Resource): FdState {
  let state = states.get(resource);
  if (state === undefined) {
    state = initialState(guest, resource);
    states.set(resource, state);
  }
  return state;
}

function initialState(guest: Process, resource: Resource): FdState {
  if (resource instanceof OpenDirectory) return new FdState(directoryRights, allRights, 0);
  if (resource instanceof OpenFile) {
    let rights = fileRights;
    if (!resource.mayRead) rights &= ~Right.fdRead;
    if (!resource.mayWrite) rights &= ~(Right.fdWrite | Right.fdAllocate | Right.fdFilestatSetSize);
    return new FdState(rights, 0, 0);
  }
  let rights = streamRights;
  if (resource instanceof SharedStream) {
    rights &= resource.stream === guest.options.stdin ? ~Right.fdWrite : ~Right.fdRead;
  }
  return new FdState(rights, 0, 0);
}

/** Returns the file type of a Resource (witx: filetype). */
export function fileTypeOf(resource: Resource): number {
  if (resource instanceof OpenDirectory) return FileType.directory;
  if (resource instanceof OpenFile) return FileType.regularFile;
  const { device } = resource instanceof SharedStream ? resource.stream : resource;
  if (device === 'terminal') return FileType.characterDevice;
  return device === 'socket' ? FileType.socketStream : FileType.unknown;
}

/**
 * Returns the open file of `fd` if it has every right in `rights`; an errno of WASI otherwise: badf for a directory.
 */
export function fileAt(guest: Process, fd: number, rights: number): OpenFile | number {
  const resource = guest.descriptors.get(fd);
  if (resource === undefined) return Wasi.badf;
  if (resource instanceof OpenFile) {
    return (stateOf(guest, resource).rights & rights) === rights ? resource : Wasi.notcapable;
  }
  return resource instanceof OpenDirectory ? Wasi.badf : Wasi.spipe;
}

/** Returns the open directory of `fd` if it has every right in `rights`; an errno of WASI otherwise. */
export function directoryAt(guest: Process, fd: number, rights: number): OpenDirectory | number {
  const resource = guest.descriptors.get(fd);
  if (resource === undefined) return Wasi.badf;
  if (!(resource instanceof OpenDirectory)) return Wasi.notdir;
  return (stateOf(guest, resource).rights & rights) === rights ? resource : Wasi.notcapable;
}

/** Returns the Resource of `fd`, of any kind, if it has every right in `rights`; an errno of WASI otherwise. */
export function resourceAt(guest: Process, fd: number, rights: number): Resource | number {
  const resource = guest.descriptors.get(fd);
  if (resource === undefined) return Wasi.badf;
  return (stateOf(guest, resource).rights & rights) === rights ? resource : Wasi.notcapable;
}

/**
 * Files and links of a host folder, and its other entries (devices, pipes, sockets), which have a stat but cannot be
 * opened.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  writeSync,
} from 'node:fs';
import { attempt, attemptVoid } from './host-error.ts';
import type { HostTimes } from './host-times.ts';
import type { FileHandle, FileNode, FsNode, NodeKind, OpenMode, OtherNode, Stat, SymlinkNode, Times } from './node.ts';

/** Part of a directory that its files use. */
export interface HostParent {
  readonly tree: { readonly times: HostTimes };
  /** Returns the host's path of the entry called `name`. */
  child(name: string): string;
  /** Returns 0 when the directory is still where it was found, else a negative Errno. */
  check(): number;
}

/** O_NOFOLLOW, 0 on systems without it. */
export const noFollow = constants.O_NOFOLLOW ?? 0;
/** O_NONBLOCK: a pipe that has taken the place of a file must not make open() wait for its other end. */
const noWait = constants.O_NONBLOCK ?? 0;

/** Makes the node of the entry `name` of a directory of the host. Does not look whether the entry exists. */
export function hostNode(kind: Exclude<NodeKind, 'directory'>, parent: HostParent, name: string): FsNode {
  if (kind === 'file') return new HostFile(parent, name);
  return kind === 'symlink' ? new HostSymlink(parent, name) : new HostOther(parent, name);
}

/** An entry that is no directory, identified by its name in a directory. */
export abstract class HostInode {
  readonly parent: HostParent;
  readonly name: string;

  constructor(parent: HostParent, name: string) {
    this.parent = parent;
    this.name = name;
  }

  get path(): string {
    return this.parent.child(this.name);
  }

  stat(): Stat | number {
    const stat = look(this.path);
    return typeof stat === 'number' ? stat : describeHost(stat, this.parent.tree.times);
  }

  setTimes(times: Times): number {
    return attemptVoid(() => this.parent.tree.times.set(this.path, times));
  }
}

export class HostFile extends HostInode implements FileNode {
  readonly kind = 'file';

  open(mode: OpenMode): FileHandle | number {
    let access: number = constants.O_RDONLY;
    if (mode.write) access = mode.read ? constants.O_RDWR : constants.O_WRONLY;
    const fd = attempt(() => openSync(this.path, access | noFollow | noWait));
    return fd < 0 ? fd : new HostHandle(fd, this.parent.tree.times);
  }
}

class HostSymlink extends HostInode implements SymlinkNode {
  readonly kind = 'symlink';

  readLink(): string | number {
    return attempt(() => readlinkSync(this.path));
  }
}

class HostOther extends HostInode implements OtherNode {
  readonly kind = 'other';
}

class HostHandle implements FileHandle {
  readonly #fd: number;
  readonly #times: HostTimes;
  #isOpen = true;

  constructor(fd: number, times: HostTimes) {
    this.#fd = fd;
    this.#times = times;
  }

  stat(): Stat | number {
    return attempt(() => describeHost(fstatSync(this.#fd, { bigint: true }), this.#times));
  }

  setTimes(times: Times): number {
    return attemptVoid(() => this.#times.set(this.#fd, times));
  }

  read(into: Uint8Array, position: number): number {
    return attempt(() => readSync(this.#fd, into, 0, into.length, position));
  }

  write(bytes: Uint8Array, position: number): number {
    return attempt(() => writeSync(this.#fd, bytes, 0, bytes.length, position));
  }

  truncate(size: number): number {
    return attemptVoid(() => ftruncateSync(this.#fd, size));
  }

  /** Makes the file at least `size` bytes long. Reserves no room on the disk: node:fs has no fallocate. */
  allocate(size: number): number {
    return attemptVoid(() => {
      if (fstatSync(this.#fd).size < size) ftruncateSync(this.#fd, size);
    });
  }

  sync(): number {
    return attemptVoid(() => fsyncSync(this.#fd));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    attemptVoid(() => closeSync(this.#fd));
  }
}

/** Returns what the guest is told of a file of the host. `times` has the exact times that guests have set. */
export function describeHost(stat: BigIntStats, times: HostTimes): Stat {
  return {
    kind: kindOf(stat),
    dev: stat.dev,
    ino: stat.ino,
    nlink: Number(stat.nlink),
    size: Number(stat.size),
    atimNs: times.atimNs(stat),
    mtimNs: times.mtimNs(stat),
    ctimNs: stat.ctimeNs,
  };
}

/** Returns the result of lstat for `path`, a path of the host, or an Errno. */
export function look(path: string): BigIntStats | number {
  return attempt(() => lstatSync(path, { bigint: true }));
}

/** Returns the kind of node of a file of the host; `other` for devices, pipes and sockets. */
export function kindOf(stat: BigIntStats): NodeKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'other';
}

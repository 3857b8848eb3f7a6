/** Writable nodes in memory: scratch of one Process, gone when it ends. */
import { Errno } from '../errno.ts';
import { Entries } from './entries.ts';
import type {
  DirectoryListing,
  DirectoryNode,
  FileHandle,
  FileNode,
  FsNode,
  NodeKind,
  OpenMode,
  Stat,
  SymlinkNode,
  Times,
} from './node.ts';
import type { Quota } from './quota.ts';

/** Device number of scratch in `stat`. */
export const scratchDevice = 2n;

/** A longer file does not fit anyway; keeps all arithmetic exact. */
const fileBytesMax = 2 ** 40;
const empty = new Uint8Array(0);

/** What all nodes of one Process share. */
export class ScratchSpace {
  readonly quota: Quota;
  /** Unix nanoseconds. */
  readonly nowNs: () => bigint;
  #ino = 0n;

  constructor(quota: Quota, nowNs: () => bigint) {
    this.quota = quota;
    this.nowNs = nowNs;
  }

  nextIno(): bigint {
    this.#ino += 1n;
    return this.#ino;
  }
}

type ScratchNode = ScratchFile | ScratchDirectory | ScratchSymlink;

abstract class ScratchInode {
  abstract readonly kind: NodeKind;
  readonly ino: bigint;
  readonly space: ScratchSpace;
  nlink = 1;
  #atimNs: bigint;
  #mtimNs: bigint;
  #ctimNs: bigint;

  constructor(space: ScratchSpace) {
    this.space = space;
    this.ino = space.nextIno();
    this.#atimNs = this.#mtimNs = this.#ctimNs = space.nowNs();
  }

  abstract get size(): number;

  stat(): Stat {
    return {
      kind: this.kind,
      dev: scratchDevice,
      ino: this.ino,
      nlink: this.nlink,
      size: this.size,
      atimNs: this.#atimNs,
      mtimNs: this.#mtimNs,
      ctimNs: this.#ctimNs,
    };
  }

  setTimes(times: Times): number {
    if (times.atimNs !== null) this.#atimNs = times.atimNs;
    if (times.mtimNs !== null) this.#mtimNs = times.mtimNs;
    this.#ctimNs = this.space.nowNs();
    return 0;
  }

  /** Like Linux's relatime: the first read after a change is what a program may look for. */
  wasRead(): void {
    if (this.#atimNs <= this.#mtimNs) this.#atimNs = this.space.nowNs();
  }

  wasWritten(): void {
    this.#mtimNs = this.#ctimNs = this.space.nowNs();
  }

  wasChanged(): void {
    this.#ctimNs = this.space.nowNs();
  }
}

class ScratchFile extends ScratchInode implements FileNode {
  readonly kind = 'file';
  /** At least `size` long; zeros behind it. */
  #store = empty;
  #size = 0;
  #opened = 0;

  get size(): number {
    return this.#size;
  }

  /** The file's bytes, valid until it is written to. */
  get bytes(): Uint8Array {
    return this.#store.subarray(0, this.#size);
  }

  open(_mode: OpenMode): FileHandle {
    this.#opened += 1;
    return new ScratchHandle(this);
  }

  read(into: Uint8Array, position: number): number {
    if (into.length === 0) return 0;
    const part = this.#store.subarray(position, Math.min(position + into.length, this.#size));
    into.set(part);
    this.wasRead();
    return part.length;
  }

  write(bytes: Uint8Array, position: number): number {
    if (bytes.length === 0) return 0;
    if (position >= fileBytesMax) return Errno.tooBig;
    // As much as the limit allows, as a full disk does.
    let count = bytes.length;
    const missing = position + count - this.#size;
    const { bytesLeft } = this.space.quota;
    if (missing > bytesLeft) {
      count -= missing - bytesLeft;
      if (count <= 0) return Errno.noSpace;
    }
    if (position + count > this.#size && !this.#extend(position + count)) return Errno.noSpace;
    this.#store.set(count === bytes.length ? bytes : bytes.subarray(0, count), position);
    this.wasWritten();
    return count;
  }

  truncate(size: number): number {
    if (size > fileBytesMax) return Errno.tooBig;
    if (size > this.#size) {
      if (!this.#extend(size)) return Errno.noSpace;
    } else if (size < this.#size) {
      // A much smaller file gives its memory back, a little smaller one keeps it zeroed.
      if (size < this.#store.length / 2) this.#store = this.#store.slice(0, size);
      else this.#store.fill(0, size, this.#size);
      this.space.quota.giveBytes(this.#size - size);
      this.#size = size;
    }
    this.wasWritten();
    return 0;
  }

  allocate(size: number): number {
    if (size <= this.#size) return 0;
    return this.truncate(size);
  }

  unlinked(): void {
    this.nlink -= 1;
    this.wasChanged();
    this.#dispose();
  }

  closed(): void {
    this.#opened -= 1;
    this.#dispose();
  }

  #dispose(): void {
    if (this.nlink > 0 || this.#opened > 0) return;
    this.space.quota.giveBytes(this.#size);
    this.#store = empty;
    this.#size = 0;
  }

  #extend(size: number): boolean {
    if (!this.space.quota.takeBytes(size - this.#size)) return false;
    if (size > this.#store.length) {
      const most = size + this.space.quota.bytesLeft;
      const store = new Uint8Array(Math.min(Math.max(size, this.#store.length * 2), most));
      store.set(this.bytes);
      this.#store = store;
    }
    this.#size = size;
    return true;
  }
}

class ScratchHandle implements FileHandle {
  readonly #file: ScratchFile;
  #isOpen = true;

  constructor(file: ScratchFile) {
    this.#file = file;
  }

  stat(): Stat {
    return this.#file.stat();
  }

  setTimes(times: Times): number {
    return this.#file.setTimes(times);
  }

  read(into: Uint8Array, position: number): number {
    return this.#file.read(into, position);
  }

  write(bytes: Uint8Array, position: number): number {
    return this.#file.write(bytes, position);
  }

  truncate(size: number): number {
    return this.#file.truncate(size);
  }

  allocate(size: number): number {
    return this.#file.allocate(size);
  }

  sync(): number {
    return 0;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.closed();
  }
}

class ScratchSymlink extends ScratchInode implements SymlinkNode {
  readonly kind = 'symlink';
  readonly target: string;
  readonly size: number;

  constructor(space: ScratchSpace, target: string) {
    super(space);
    this.target = target;
    this.size = Buffer.byteLength(target);
  }

  readLink(): string {
    return this.target;
  }

  unlinked(): void {
    this.nlink -= 1;
    this.wasChanged();
    if (this.nlink === 0) this.space.quota.giveBytes(this.size);
  }
}

export class ScratchDirectory extends ScratchInode implements DirectoryNode {
  readonly kind = 'directory';
  readonly size = 0;
  readonly #entries = new Entries<ScratchNode>();
  #parent: ScratchDirectory | null;
  /** Removed directories stay usable for who has them open, but nothing can be made in them. */
  #isRemoved = false;

  constructor(space: ScratchSpace, parent: ScratchDirectory | null) {
    super(space);
    this.#parent = parent;
    this.nlink = 2;
  }

  lookup(name: string): ScratchNode | number {
    return this.#entries.get(name) ?? Errno.notFound;
  }

  createFile(name: string): FileNode | number {
    return this.#add(name, () => new ScratchFile(this.space));
  }

  createDirectory(name: string): number {
    const made = this.#add(name, () => new ScratchDirectory(this.space, this));
    if (typeof made === 'number') return made;
    this.nlink += 1;
    return 0;
  }

  createSymlink(name: string, target: string): number {
    const link = new ScratchSymlink(this.space, target);
    if (!this.space.quota.takeBytes(link.size)) return Errno.noSpace;
    const made = this.#add(name, () => link);
    if (typeof made !== 'number') return 0;
    this.space.quota.giveBytes(link.size);
    return made;
  }

  link(name: string, node: FsNode): number {
    if (!(node instanceof ScratchFile || node instanceof ScratchSymlink) || node.space !== this.space) {
      return Errno.crossDevice;
    }
    // An unlinked file that is still open cannot be reached by a name; nlink 0 cannot get here.
    if (this.#isRemoved) return Errno.notFound;
    if (this.#entries.get(name) !== undefined) return Errno.exists;
    if (!this.space.quota.takeName()) return Errno.noSpace;
    this.#entries.set(name, node);
    node.nlink += 1;
    node.wasChanged();
    this.wasWritten();
    return 0;
  }

  removeFile(name: string): number {
    const node = this.#entries.get(name);
    if (node === undefined) return Errno.notFound;
    if (node.kind === 'directory') return Errno.isDirectory;
    this.#entries.delete(name);
    this.space.quota.giveName();
    node.unlinked();
    this.wasWritten();
    return 0;
  }

  removeDirectory(name: string): number {
    const node = this.#entries.get(name);
    if (node === undefined) return Errno.notFound;
    if (node.kind !== 'directory') return Errno.notDirectory;
    if (node.#entries.size > 0) return Errno.notEmpty;
    this.#entries.delete(name);
    this.nlink -= 1;
    node.#removed();
    this.wasWritten();
    return 0;
  }

  rename(name: string, into: DirectoryNode, newName: string): number {
    const node = this.#entries.get(name);
    if (node === undefined) return Errno.notFound;
    if (!(into instanceof ScratchDirectory) || into.space !== this.space) return Errno.crossDevice;
    if (into.#isRemoved) return Errno.notFound;
    const replaced = into.#entries.get(newName);
    // rename(2): two names of one file are left alone.
    if (replaced === node) return 0;
    if (node.kind === 'directory') {
      for (let up: ScratchDirectory | null = into; up !== null; up = up.#parent) {
        if (up === node) return Errno.invalid;
      }
      if (replaced !== undefined) {
        const removed = replaced.kind === 'directory' ? into.removeDirectory(newName) : Errno.notDirectory;
        if (removed !== 0) return removed;
      }
      this.nlink -= 1;
      into.nlink += 1;
      node.#parent = into;
    } else if (replaced !== undefined) {
      const removed = into.removeFile(newName);
      if (removed !== 0) return removed;
    }
    this.#entries.delete(name);
    into.#entries.set(newName, node);
    node.wasChanged();
    this.wasWritten();
    into.wasWritten();
    return 0;
  }

  list(): DirectoryListing {
    this.wasRead();
    return { entry: (cookie) => this.#entries.at(cookie) };
  }

  /** Every file below, with its path. */
  *files(prefix = ''): IterableIterator<{ readonly path: string; readonly bytes: Uint8Array }> {
    for (const [name, node] of this.#entries) {
      if (node.kind === 'file') yield { path: `${prefix}${name}`, bytes: node.bytes };
      else if (node.kind === 'directory') yield* node.files(`${prefix}${name}/`);
    }
  }

  #add<T extends ScratchNode>(name: string, make: () => T): T | number {
    if (this.#isRemoved) return Errno.notFound;
    if (this.#entries.get(name) !== undefined) return Errno.exists;
    if (!this.space.quota.takeName()) return Errno.noSpace;
    const node = make();
    this.#entries.set(name, node);
    this.wasWritten();
    return node;
  }

  #removed(): void {
    this.#isRemoved = true;
    this.#parent = null;
    this.nlink = 0;
    this.space.quota.giveName();
  }
}

/** Files and symbolic links in scratch. */
import { Errno } from '../errno.ts';
import type { FileHandle, FileNode, OpenMode, Stat, SymlinkNode, Times } from './node.ts';
import { ScratchInode, type ScratchSpace } from './scratch-inode.ts';

/** Most bytes of a file. Larger files would not fit into memory; the limit keeps all arithmetic exact. */
const fileBytesMax = 2 ** 40;
const empty = new Uint8Array(0);

export class ScratchFile extends ScratchInode implements FileNode {
  readonly kind = 'file';
  /** Bytes of the file: at least `size`, with zeros after its end. */
  #store = empty;
  /** Size in bytes. */
  #size = 0;
  /** Number of open handles. */
  #opened = 0;

  /** Size in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the file, valid until the next write. */
  get bytes(): Uint8Array {
    return this.#store.subarray(0, this.#size);
  }

  open(_mode: OpenMode): FileHandle {
    this.#opened += 1;
    return new ScratchHandle(this);
  }

  /** Implements FileHandle.read. */
  read(into: Uint8Array, position: number): number {
    if (into.length === 0) return 0;
    const part = this.#store.subarray(position, Math.min(position + into.length, this.#size));
    into.set(part);
    this.wasRead();
    return part.length;
  }

  /**
   * Implements FileHandle.write. Errno.noSpace: the quota has no byte left. Errno.tooBig: `position` is 2^40 or more.
   */
  write(bytes: Uint8Array, position: number): number {
    if (bytes.length === 0) return 0;
    if (position >= fileBytesMax) return Errno.tooBig;
    // Writes as many bytes as the limit allows, as on a full disk.
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

  /**
   * Implements FileHandle.truncate. Errno.noSpace: the quota has too few bytes left. Errno.tooBig: `size` is above
   * 2^40.
   */
  truncate(size: number): number {
    if (size > fileBytesMax) return Errno.tooBig;
    if (size > this.#size) {
      if (!this.#extend(size)) return Errno.noSpace;
    } else if (size < this.#size) {
      // A file that shrinks by more than half gives its memory back; one that shrinks less keeps it, zeroed.
      if (size < this.#store.length / 2) this.#store = this.#store.slice(0, size);
      else this.#store.fill(0, size, this.#size);
      this.space.quota.giveBytes(this.#size - size);
      this.#size = size;
    }
    this.wasWritten();
    return 0;
  }

  /** Implements FileHandle.allocate, with the errors of truncate. */
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

export class ScratchSymlink extends ScratchInode implements SymlinkNode {
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

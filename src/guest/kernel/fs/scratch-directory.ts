/** Directories in scratch: writable, in the memory of the runner, of one Process, removed when it ends. */
import { Errno } from '../errno.ts';
import { Entries } from './entries.ts';
import type { DirectoryListing, DirectoryNode, FileNode, FsNode } from './node.ts';
import { ScratchFile, ScratchSymlink } from './scratch-file.ts';
import { ScratchInode, type ScratchSpace } from './scratch-inode.ts';

type ScratchNode = ScratchFile | ScratchDirectory | ScratchSymlink;

export class ScratchDirectory extends ScratchInode implements DirectoryNode {
  readonly kind = 'directory';
  readonly size = 0;
  readonly #entries = new Entries<ScratchNode>();
  #parent: ScratchDirectory | null;
  /** Whether the directory was removed. It stays usable while it is open, but takes no new names. */
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
    // An unlinked file that is still open has no name, so nlink is never 0 here.
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
    // rename(2): if both names are of one file, nothing changes.
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

  /** Returns every file below the directory, with its path. */
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

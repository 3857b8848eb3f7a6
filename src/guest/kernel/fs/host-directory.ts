/**
 * Shows a folder of the host as a directory of the guest. Only `wasmcloud run --dir` uses it: on the platform no guest
 * comes near a real file.
 *
 * The walk resolves links, not the host: every name is looked at with lstat and opened with O_NOFOLLOW. A directory
 * that the guest has open is found again by its inode; before each use, every directory above it is checked for being
 * the same as before. So a guest cannot get out by moving a directory away and putting a link in its place. Another
 * program of the host that changes the folder at that very moment could still race with the check; it has the rights of
 * the folder's owner anyway.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { Errno } from '../errno.ts';
import { attempt, attemptVoid } from './host-error.ts';
import { describeHost, HostFile, HostInode, type HostParent, hostNode, kindOf, look, noFollow } from './host-file.ts';
import { HostTimes, inodeKey } from './host-times.ts';
import type { DirectoryEntry, DirectoryListing, DirectoryNode, FileNode, FsNode, Stat, Times } from './node.ts';

/** Returns the folder `path`. Throws as node:fs does if it is no readable folder. */
export function hostDirectory(path: string): DirectoryNode {
  const root = realpathSync(path);
  const stat = lstatSync(root, { bigint: true });
  if (!stat.isDirectory()) throw new Error(`${path} is not a folder`);
  return new HostDirectory(new HostTree(root), null, '', stat);
}

/** State that all nodes below one folder share. */
class HostTree {
  readonly root: string;
  readonly times = new HostTimes();
  /** Directories by inode. Each has one object, so that all its users see a rename. */
  readonly directories = new Map<string, HostDirectory>();

  constructor(root: string) {
    this.root = root;
  }
}

export class HostDirectory implements DirectoryNode, HostParent {
  readonly kind = 'directory';
  readonly tree: HostTree;
  readonly key: string;
  /** Present parent of the directory; a rename by the guest changes it. */
  parent: HostDirectory | null;
  name: string;

  constructor(tree: HostTree, parent: HostDirectory | null, name: string, stat: BigIntStats) {
    this.tree = tree;
    this.parent = parent;
    this.name = name;
    this.key = inodeKey(stat);
  }

  get path(): string {
    return this.parent === null ? this.tree.root : `${this.parent.path}/${this.name}`;
  }

  /** Returns 0 if this directory and all above it are at their places, else an Errno. */
  check(): number {
    const above = this.parent === null ? 0 : this.parent.check();
    if (above !== 0) return above;
    const stat = look(this.path);
    if (typeof stat === 'number') return stat;
    return stat.isDirectory() && inodeKey(stat) === this.key ? 0 : Errno.notFound;
  }

  stat(): Stat | number {
    return this.#with(this.path, (path) => describeHost(lstatSync(path, { bigint: true }), this.tree.times));
  }

  setTimes(times: Times): number {
    return this.#change(this.path, (path) => this.tree.times.set(path, times));
  }

  lookup(name: string): FsNode | number {
    const stat = this.#with(this.child(name), look);
    if (typeof stat === 'number') return stat;
    const kind = kindOf(stat);
    if (kind !== 'directory') return hostNode(kind, this, name);
    const key = inodeKey(stat);
    let directory = this.tree.directories.get(key);
    if (directory === undefined) {
      directory = new HostDirectory(this.tree, this, name, stat);
      this.tree.directories.set(key, directory);
    } else {
      // Another program may have moved the directory; this is the place at which it was seen last.
      directory.parent = this;
      directory.name = name;
    }
    return directory;
  }

  createFile(name: string): FileNode | number {
    const made = this.#change(this.child(name), (path) =>
      closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, 0o666)),
    );
    return made === 0 ? new HostFile(this, name) : made;
  }

  createDirectory(name: string): number {
    return this.#change(this.child(name), (path) => mkdirSync(path, 0o777));
  }

  createSymlink(name: string, target: string): number {
    return this.#change(this.child(name), (path) => symlinkSync(target, path));
  }

  link(name: string, node: FsNode): number {
    if (!(node instanceof HostInode) || node.parent.tree !== this.tree) return Errno.crossDevice;
    const moved = node.parent.check();
    return moved === 0 ? this.#change(this.child(name), (path) => linkSync(node.path, path)) : moved;
  }

  removeFile(name: string): number {
    return this.#change(this.child(name), unlinkSync);
  }

  removeDirectory(name: string): number {
    const stat = look(this.child(name));
    const removed = this.#change(this.child(name), (path) => rmdirSync(path));
    if (removed === 0 && typeof stat !== 'number') this.tree.directories.delete(inodeKey(stat));
    return removed;
  }

  rename(name: string, into: DirectoryNode, newName: string): number {
    if (!(into instanceof HostDirectory) || into.tree !== this.tree) return Errno.crossDevice;
    const bad = into.check();
    if (bad !== 0) return bad;
    const { directories } = this.tree;
    const moving = look(this.child(name));
    const replaced = look(into.child(newName));
    const renamed = this.#change(this.child(name), (path) => renameSync(path, into.child(newName)));
    if (renamed !== 0 || typeof moving === 'number' || !moving.isDirectory()) return renamed;
    const key = inodeKey(moving);
    if (typeof replaced !== 'number' && inodeKey(replaced) !== key) directories.delete(inodeKey(replaced));
    const directory = directories.get(key);
    if (directory !== undefined) {
      directory.parent = into;
      directory.name = newName;
    }
    return 0;
  }

  /** Returns the present names. The listing has no later names and leaves out names that are gone. */
  list(): DirectoryListing | number {
    const names = this.#with(this.path, (path) => readdirSync(path));
    if (typeof names === 'number') return names;
    return { entry: (cookie) => this.#entry(names, cookie) };
  }

  child(name: string): string {
    return `${this.path}/${name}`;
  }

  #entry(names: readonly string[], cookie: number): DirectoryEntry | null {
    for (let index = cookie; index < names.length; index += 1) {
      const name = names[index] as string;
      const stat = this.#with(this.child(name), look);
      if (typeof stat !== 'number') return { name, kind: kindOf(stat), ino: stat.ino, next: index + 1 };
    }
    return null;
  }

  #with<T>(path: string, call: (path: string) => T | number): T | number {
    const moved = this.check();
    return moved === 0 ? attempt(() => call(path)) : moved;
  }

  #change(path: string, call: (path: string) => void): number {
    const moved = this.check();
    return moved === 0 ? attemptVoid(() => call(path)) : moved;
  }
}

/**
 * Operations on paths below a directory, never outside of it. This file has the rules of every backend: trailing
 * slashes, links, which node may replace which. Each operation returns 0 or an Errno.
 */
import { Errno } from '../errno.ts';
import type { DirectoryNode, FileHandle, FileNode, FsNode, Stat, Times } from './node.ts';
import { type Walked, walk } from './walk.ts';

export interface OpenOptions {
  /** Whether a symbolic link at the end of the path is followed; if not, such a link is Errno.loop. */
  readonly follow: boolean;
  readonly read: boolean;
  readonly write: boolean;
  readonly create: boolean;
  /** Whether, with `create`, the name must be free. */
  readonly exclusive: boolean;
  readonly truncate: boolean;
  /** Whether the node must be a directory. */
  readonly directory: boolean;
}

export type Opened =
  | { readonly kind: 'file'; readonly handle: FileHandle }
  | { readonly kind: 'directory'; readonly directory: DirectoryNode };

/**
 * Opens the node at `path`, and makes a file where `options` ask for it. Returns it, or an Errno as open(2) has it.
 */
export function openPath(base: DirectoryNode, path: string, options: OpenOptions): Opened | number {
  if (options.create && options.directory) return Errno.invalid;
  const exclusive = options.create && options.exclusive;
  // open(2): the name of a file to make cannot end with a slash, even where a file has that name.
  const isBadName = options.create && path.endsWith('/');
  const follow = options.follow && !exclusive && !isBadName;
  const walked = walk(base, path, { follow, slashFollows: !options.create });
  if (typeof walked === 'number') return walked;
  if (isBadName && walked.parent !== null) return Errno.isDirectory;
  const { node } = walked;
  if (node === null) {
    if (!options.create) return Errno.notFound;
    // The link's target ends with a slash.
    if (walked.slash) return Errno.isDirectory;
    const made = (walked.parent as DirectoryNode).createFile(walked.name); // a name that does not exist has a parent
    if (typeof made === 'number') return made;
    return openFile(made, options, false);
  }
  if (exclusive) return Errno.exists;
  if (node.kind === 'symlink') return options.directory || walked.slash ? Errno.notDirectory : Errno.loop;
  if (node.kind === 'directory') {
    if (options.write || options.create || options.truncate) return Errno.isDirectory;
    return { kind: 'directory', directory: node };
  }
  if (options.directory || walked.slash) return Errno.notDirectory;
  if (node.kind === 'other') return Errno.notSupported;
  return openFile(node, options, options.truncate);
}

function openFile(node: FileNode, options: OpenOptions, truncate: boolean): Opened | number {
  const handle = node.open({ read: options.read, write: options.write || truncate });
  if (typeof handle === 'number') return handle;
  if (truncate) {
    const cut = handle.truncate(0);
    if (cut !== 0) {
      handle.close();
      return cut;
    }
  }
  return { kind: 'file', handle };
}

/** Returns what the node at `path` tells of itself, or an Errno. `follow`: whether a link at the end is followed. */
export function statPath(base: DirectoryNode, path: string, follow: boolean): Stat | number {
  const node = existing(base, path, follow);
  return typeof node === 'number' ? node : node.stat();
}

/** Sets the times of the node at `path`. Returns 0 or an Errno. `follow`: whether a link at the end is followed. */
export function setTimesPath(base: DirectoryNode, path: string, follow: boolean, times: Times): number {
  const node = existing(base, path, follow);
  return typeof node === 'number' ? node : node.setTimes(times);
}

/** Returns the target of the symbolic link at `path`, or an Errno: invalid for another node. */
export function readLinkPath(base: DirectoryNode, path: string): string | number {
  const node = existing(base, path, false);
  if (typeof node === 'number') return node;
  return node.kind === 'symlink' ? node.readLink() : Errno.invalid;
}

/** Makes an empty directory at `path`. Returns 0 or an Errno: exists where there is a node already. */
export function makeDirectory(base: DirectoryNode, path: string): number {
  const walked = walk(base, path, { follow: false });
  if (typeof walked === 'number') return walked;
  if (walked.node !== null || walked.parent === null) return Errno.exists;
  return walked.parent.createDirectory(walked.name);
}

/**
 * Makes a symbolic link to `target`, which is stored unchanged. Returns 0 or an Errno: outside for a target that can
 * only lead out of `base`.
 */
export function makeSymlink(base: DirectoryNode, path: string, target: string): number {
  if (target === '') return Errno.notFound;
  if (target.includes('\0')) return Errno.invalid;
  if (target.startsWith('/')) return Errno.outside;
  const walked = walk(base, path, { follow: false });
  if (typeof walked === 'number') return walked;
  if (walked.slash && walked.node !== null && walked.node.kind !== 'directory') return Errno.notDirectory;
  if (walked.node !== null || walked.parent === null) return Errno.exists;
  if (walked.slash) return Errno.notFound;
  return walked.parent.createSymlink(walked.name, target);
}

/**
 * Removes the entry at `path`, a link itself and not its target. Returns 0 or an Errno: isDirectory for a directory.
 */
export function removeFile(base: DirectoryNode, path: string): number {
  const walked = walk(base, path, { follow: false });
  if (typeof walked === 'number') return walked;
  if (walked.parent === null) return Errno.isDirectory;
  if (walked.node === null) return Errno.notFound;
  if (walked.node.kind === 'directory') return Errno.isDirectory;
  if (walked.slash) return Errno.notDirectory;
  return walked.parent.removeFile(walked.name);
}

/** Removes the empty directory at `path`. Returns 0 or an Errno: notDirectory for another node. */
export function removeDirectory(base: DirectoryNode, path: string): number {
  const walked = walk(base, path, { follow: false });
  if (typeof walked === 'number') return walked;
  // rmdir(2): `..` is ENOTEMPTY, `.` is EINVAL; neither is a name that could be removed.
  if (walked.parent === null) return /(^|\/)\.\.\/*$/.test(path) ? Errno.notEmpty : Errno.invalid;
  if (walked.node === null) return Errno.notFound;
  if (walked.node.kind !== 'directory') return Errno.notDirectory;
  return walked.parent.removeDirectory(walked.name);
}

export interface LinkOptions {
  readonly from: { readonly base: DirectoryNode; readonly path: string };
  readonly to: { readonly base: DirectoryNode; readonly path: string };
}

/** Gives a file an additional name; if `follow` is false, also a symbolic link. Returns 0 or an Errno. */
export function linkPath({ from, to }: LinkOptions, follow: boolean): number {
  const source = existing(from.base, from.path, follow);
  if (typeof source === 'number') return source;
  const target = walk(to.base, to.path, { follow: false });
  if (typeof target === 'number') return target;
  if (target.node !== null || target.parent === null) return Errno.exists;
  if (target.slash) return Errno.notFound;
  // link(2): EPERM for a directory.
  if (source.kind === 'directory') return Errno.denied;
  return target.parent.link(target.name, source);
}

/** Moves the entry `from` to `to`, as rename(2) does. Returns 0 or an Errno. */
export function renamePath({ from, to }: LinkOptions): number {
  const source = walk(from.base, from.path, { follow: false });
  if (typeof source === 'number') return source;
  const target = walk(to.base, to.path, { follow: false });
  if (typeof target === 'number') return target;
  if (source.parent === null || target.parent === null) return Errno.busy;
  if (source.node === null) return Errno.notFound;
  const isDirectory = source.node.kind === 'directory';
  if ((source.slash || target.slash) && !isDirectory) return Errno.notDirectory;
  if (target.node !== null && !sameNode(source, target)) {
    if (isDirectory && target.node.kind !== 'directory') return Errno.notDirectory;
    if (!isDirectory && target.node.kind === 'directory') return Errno.isDirectory;
  }
  return source.parent.rename(source.name, target.parent, target.name);
}

function sameNode(a: Walked, b: Walked): boolean {
  return a.node === b.node;
}

function existing(base: DirectoryNode, path: string, follow: boolean): FsNode | number {
  const walked = walk(base, path, { follow, slashFollows: true });
  if (typeof walked === 'number') return walked;
  if (walked.node === null) return Errno.notFound;
  if (walked.slash && walked.node.kind !== 'directory') return Errno.notDirectory;
  return walked.node;
}

/**
 * Resolves paths, for every backend. A path starts at a directory and never leaves it: a `..` that leads above it, an
 * absolute path and an absolute symbolic link are Errno.outside. The walk resolves symbolic links, never the host.
 */
import { Errno } from '../errno.ts';
import { type DirectoryNode, type FsNode, nameBytesMax, pathBytesMax } from './node.ts';

/** Most links that one path may follow, the number of Linux. */
const linksMax = 40;
/** Most bytes of a path and of all its links: a guest is not charged for each link. */
const walkedBytesMax = 4 * pathBytesMax;

/** End of a path: a directory, and the node of the last name in it. */
export interface Walked {
  /** Directory of the last name; null if the path ends in a directory without naming it (`.`, `a/..`). */
  readonly parent: DirectoryNode | null;
  /** Last name of the path; empty if `parent` is null. */
  readonly name: string;
  /** Node of that name; null if the name is not taken. */
  readonly node: FsNode | null;
  /** Whether the path ended with a slash, so that it can only mean a directory. */
  readonly slash: boolean;
}

export interface WalkOptions {
  /** Whether a symbolic link at the end of the path is followed. */
  readonly follow: boolean;
  /** Whether a slash at the end makes the walk follow such a link although `follow` is false, as open and stat do. */
  readonly slashFollows?: boolean;
}

const encoder = new TextEncoder();

/**
 * Walks from `base` along `path`, over symbolic links, and never above `base`. Returns where the path leads, or an
 * Errno: outside for a path that begins with a slash or leads out of `base`.
 */
export function walk(base: DirectoryNode, path: string, options: WalkOptions): Walked | number {
  const invalid = checkPath(path);
  if (invalid !== 0) return invalid;
  if (path.startsWith('/')) return Errno.outside;
  /** Remaining segments, the next one last. */
  const pending: string[] = [];
  const above: DirectoryNode[] = [];
  let here = base;
  let links = 0;
  let walkedBytes = path.length;
  let slash = push(pending, path);
  for (;;) {
    const segment = pending.pop();
    if (segment === undefined) return { parent: null, name: '', node: here, slash };
    if (segment === '.') continue;
    if (segment === '..') {
      const up = above.pop();
      if (up === undefined) return Errno.outside;
      here = up;
      continue;
    }
    if (segment.length > nameBytesMax || (segment.length > 84 && encoder.encode(segment).length > nameBytesMax)) {
      return Errno.nameTooLong;
    }
    const isLast = pending.length === 0;
    const found = here.lookup(segment);
    if (typeof found === 'number') {
      if (found !== Errno.notFound || !isLast) return found;
      return { parent: here, name: segment, node: null, slash };
    }
    if (found.kind === 'symlink' && (!isLast || options.follow || (slash && options.slashFollows === true))) {
      links += 1;
      if (links > linksMax) return Errno.loop;
      const target = found.readLink();
      if (typeof target === 'number') return target;
      walkedBytes += target.length;
      if (walkedBytes > walkedBytesMax) return Errno.nameTooLong;
      const bad = checkPath(target);
      if (bad !== 0) return bad;
      if (target.startsWith('/')) return Errno.outside;
      slash = push(pending, target) && isLast ? true : slash;
      continue;
    }
    if (isLast) return { parent: here, name: segment, node: found, slash };
    if (found.kind !== 'directory') return Errno.notDirectory;
    above.push(here);
    here = found;
  }
}

/** Returns 0, or an Errno if `path` is invalid. */
function checkPath(path: string): number {
  if (path === '') return Errno.notFound;
  if (path.length > pathBytesMax) return Errno.nameTooLong;
  return path.includes('\0') ? Errno.invalid : 0;
}

/** Puts the segments of `path` before the remaining ones. Returns whether `path` ends with a slash. */
function push(pending: string[], path: string): boolean {
  const segments = path.split('/');
  for (let i = segments.length - 1; i >= 0; i -= 1) {
    const segment = segments[i] as string;
    if (segment !== '') pending.push(segment);
  }
  return path.endsWith('/');
}

/**
 * The file system of one Process: the pushed tree read-only at `/`, scratch in memory at `/tmp`, and for local runs
 * folders of the host. It is cheap to make: all Processes of a Deployment share the tree, and scratch begins empty.
 */
import { Errno } from '../errno.ts';
import type { LowerDirectory } from './lower-tree.ts';
import type { DirectoryListing, DirectoryNode, FsNode, Stat } from './node.ts';
import { defaultScratch, Quota, type ScratchLimits, type ScratchPool } from './quota.ts';
import { ReadOnlyDirectory } from './read-only-directory.ts';
import { ScratchDirectory } from './scratch-directory.ts';
import { ScratchSpace, scratchDevice } from './scratch-inode.ts';

/** A directory with a name of its own, beside `/` (`--dir HOST::GUEST`). */
export interface Mount {
  /** Name as the user wrote it, with or without a leading slash. It is the name of the WASI preopen. */
  readonly name: string;
  readonly directory: DirectoryNode;
}

export interface FileSystemOptions {
  /** Tree of lowerTree; null without one (a local run): `/` then holds `tmp` only. */
  readonly lower: LowerDirectory | null;
  readonly limits?: ScratchLimits;
  /** Bytes that all Processes of a runner may hold together; null: no such limit. */
  readonly pool?: ScratchPool | null;
  readonly mounts?: readonly Mount[];
  /** Returns Unix nanoseconds. */
  readonly nowNs: () => bigint;
}

/** Name of the scratch directory below `/`. */
const scratchName = 'tmp';

export function makeFileSystem(options: FileSystemOptions): FileSystem {
  return new FileSystem(options);
}

export class FileSystem {
  readonly root: DirectoryNode;
  /** The directory `/tmp`, in which the names of Land begin. */
  readonly scratch: ScratchDirectory;
  /** Directories that WASI opens from descriptor 3 on: the mounts if there are any, else `/`. */
  readonly preopens: readonly Mount[];
  readonly quota: Quota;
  readonly #mounts: readonly { readonly path: string; readonly directory: DirectoryNode }[];

  constructor(options: FileSystemOptions) {
    this.quota = new Quota(options.limits ?? defaultScratch, options.pool ?? null);
    this.scratch = new ScratchDirectory(new ScratchSpace(this.quota, options.nowNs), null);
    this.root = new RootDirectory(options.lower, this.scratch);
    const mounts = options.mounts ?? [];
    this.preopens = mounts.length > 0 ? mounts : [{ name: '/', directory: this.root }];
    this.#mounts = mounts.map(({ name, directory }) => ({ path: absolute(name), directory }));
  }

  /** Returns the directory that contains the absolute `path`, and the rest of the path below it. */
  place(path: string): { readonly base: DirectoryNode; readonly rest: string } {
    const whole = absolute(path);
    let best: { path: string; directory: DirectoryNode } | null = null;
    for (const mount of this.#mounts) {
      const inside = mount.path === '/' || whole === mount.path || whole.startsWith(`${mount.path}/`);
      if (inside && (best === null || mount.path.length > best.path.length)) best = mount;
    }
    const base = best?.directory ?? this.root;
    const below = whole.slice(best === null || best.path === '/' ? 1 : best.path.length + 1);
    const slash = path.endsWith('/') && below !== '' ? '/' : '';
    return { base, rest: below === '' ? '.' : `${below}${slash}` };
  }

  /** Returns the Process's share of the pool. No part of the file system may be used afterwards. */
  release(): void {
    this.quota.release();
  }
}

/** Returns `/a/b` for `a//b/` and for `/a/b`. Leaves `.` and `..` to the walk. */
function absolute(path: string): string {
  return `/${path
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')}`;
}

/** The directory `/`: the names of the tree, and `tmp`, which hides a `tmp` of the tree. */
class RootDirectory extends ReadOnlyDirectory {
  readonly #lower: LowerDirectory | null;
  readonly #scratch: ScratchDirectory;

  constructor(lower: LowerDirectory | null, scratch: ScratchDirectory) {
    super();
    this.#lower = lower;
    this.#scratch = scratch;
  }

  stat(): Stat {
    if (this.#lower !== null) return this.#lower.stat();
    // Inode 0 is free, since scratch never uses it.
    return { ...this.#scratch.stat(), dev: scratchDevice, ino: 0n, nlink: 3 };
  }

  lookup(name: string): FsNode | number {
    if (name === scratchName) return this.#scratch;
    return this.#lower === null ? Errno.notFound : this.#lower.lookup(name);
  }

  override removeDirectory(name: string): number {
    return name === scratchName ? Errno.busy : Errno.readOnly;
  }

  list(): DirectoryListing {
    const below = this.#lower?.list() ?? null;
    const scratch = this.#scratch;
    return {
      // Cookie 0 is `tmp`; cookie n + 1 is cookie n of the tree.
      entry(cookie) {
        if (cookie <= 0) return { name: scratchName, kind: 'directory', ino: scratch.ino, next: 1 };
        let entry = below?.entry(cookie - 1) ?? null;
        if (entry?.name === scratchName) entry = below?.entry(entry.next) ?? null;
        return entry === null ? null : { ...entry, next: entry.next + 1 };
      },
    };
  }
}

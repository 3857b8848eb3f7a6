/** Makes the guest's file system in a local run: mapped folders, and a scratch folder. */

import { type FileSystem, type Mount, makeFileSystem } from '../../src/guest/kernel/fs/file-system.ts';
import { hostDirectory } from '../../src/guest/kernel/fs/host-directory.ts';
import type { DirectoryNode } from '../../src/guest/kernel/fs/node.ts';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import { visible } from '../text/visible.ts';

export interface MappedFolder {
  readonly host: string;
  readonly guest: string;
}

/**
 * Returns a function that makes a new file system with `folders` of this machine in it. Throws `not_found` when a
 * folder cannot be read.
 */
export function localFiles(folders: readonly MappedFolder[]): () => FileSystem {
  const mounts = folders.map(({ host, guest }): Mount => {
    try {
      return { name: guest, directory: hostDirectory(host) };
    } catch (error) {
      throw new PlatformError('not_found', `--dir ${host}: ${messageOf(error)}`, { cause: error });
    }
  });
  return () => makeFileSystem({ lower: null, mounts, nowNs: () => BigInt(Date.now()) * 1_000_000n });
}

/**
 * Returns `SIZE PATH` of each scratch file, SIZE in bytes, sorted by path; an empty directory ends with a slash. null:
 * no files.
 */
export function scratchListing(files: FileSystem | null): string[] {
  if (files === null) return [];
  return walk(files.scratch, '').map(({ path, size }) => `${String(size).padStart(10)} ${visible(path)}`);
}

function walk(directory: DirectoryNode, prefix: string): { path: string; size: number }[] {
  const listing = directory.list();
  if (typeof listing === 'number') return [];
  const found: { path: string; size: number }[] = [];
  for (let entry = listing.entry(0); entry !== null; entry = listing.entry(entry.next)) {
    const path = `${prefix}${entry.name}`;
    const node = directory.lookup(entry.name);
    if (typeof node === 'number') continue;
    if (node.kind === 'directory') {
      const below = walk(node, `${path}/`);
      found.push(...(below.length > 0 ? below : [{ path: `${path}/`, size: 0 }]));
    } else {
      const stat = node.stat();
      found.push({ path, size: typeof stat === 'number' ? 0 : stat.size });
    }
  }
  return found.sort((left, right) => (left.path < right.path ? -1 : 1));
}

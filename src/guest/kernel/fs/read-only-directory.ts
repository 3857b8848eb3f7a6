/** A directory that cannot be changed: every operation that would change it returns Errno.readOnly. */
import { Errno } from '../errno.ts';
import type { DirectoryListing, DirectoryNode, FsNode, Stat } from './node.ts';

export abstract class ReadOnlyDirectory implements DirectoryNode {
  readonly kind = 'directory';

  abstract stat(): Stat;
  abstract lookup(name: string): FsNode | number;
  abstract list(): DirectoryListing;

  setTimes(): number {
    return Errno.readOnly;
  }

  createFile(): number {
    return Errno.readOnly;
  }

  createDirectory(): number {
    return Errno.readOnly;
  }

  createSymlink(): number {
    return Errno.readOnly;
  }

  link(): number {
    return Errno.readOnly;
  }

  removeFile(): number {
    return Errno.readOnly;
  }

  removeDirectory(_name: string): number {
    return Errno.readOnly;
  }

  rename(): number {
    return Errno.readOnly;
  }
}

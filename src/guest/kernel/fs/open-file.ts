/** Shows open files and directories as Resources, for every ABI. */
import { Errno } from '../errno.ts';
import type { Resource } from '../resource.ts';
import type { DirectoryListing, DirectoryNode, FileHandle } from './node.ts';

export interface OpenFileOptions {
  readonly read: boolean;
  readonly write: boolean;
  readonly append?: boolean;
}

export class OpenFile implements Resource {
  readonly scheme = 'file';
  readonly handle: FileHandle;
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
  /** Whether writes go to the end of the file, regardless of `position`. */
  append: boolean;
  /** Offset of the next read or write, in bytes. */
  position = 0;

  constructor(handle: FileHandle, options: OpenFileOptions) {
    this.handle = handle;
    this.mayRead = options.read;
    this.mayWrite = options.write;
    this.append = options.append ?? false;
  }

  read(into: Uint8Array): number {
    if (!this.mayRead) return Errno.denied;
    const count = this.handle.read(into, this.position);
    if (count > 0) this.position += count;
    return count === 0 && into.length > 0 ? Errno.end : count;
  }

  write(bytes: Uint8Array): number {
    if (!this.mayWrite) return Errno.denied;
    if (this.append) {
      const stat = this.handle.stat();
      if (typeof stat === 'number') return stat;
      this.position = stat.size;
    }
    const count = this.handle.write(bytes, this.position);
    if (count > 0) this.position += count;
    return count;
  }

  flush(): number {
    return this.handle.sync();
  }

  close(): number {
    this.handle.close();
    return 0;
  }
}

export class OpenDirectory implements Resource {
  readonly scheme = 'file';
  readonly directory: DirectoryNode;
  /** Name under which the directory was preopened; null if the guest opened it. */
  readonly preopen: string | null;
  #listing: DirectoryListing | null = null;

  constructor(directory: DirectoryNode, preopen: string | null = null) {
    this.directory = directory;
    this.preopen = preopen;
  }

  /** Returns the listing in progress. `anew` starts a new one, which shows changes. */
  list(anew: boolean): DirectoryListing | number {
    if (this.#listing === null || anew) {
      const listing = this.directory.list();
      if (typeof listing === 'number') return listing;
      this.#listing = listing;
    }
    return this.#listing;
  }

  read(): number {
    return Errno.isDirectory;
  }

  write(): number {
    return Errno.isDirectory;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    return 0;
  }
}

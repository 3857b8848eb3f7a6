/**
 * Types of the nodes of a file system, in memory and on the host. Nodes know no paths: walk.ts resolves paths over
 * them, so that only one file has to ensure that a path never leaves its preopen. All operations are synchronous; a
 * number below 0 is an Errno.
 */

export type NodeKind = 'file' | 'directory' | 'symlink' | 'other';

export interface Stat {
  readonly kind: NodeKind;
  /** Device, which together with the inode identifies a node among all those of a Process. */
  readonly dev: bigint;
  readonly ino: bigint;
  /** Number of names that the node has; of a directory also `.` and the `..` of its directories. */
  readonly nlink: number;
  /** Size in bytes; for a symbolic link the length of its target. */
  readonly size: number;
  /** Unix nanoseconds. */
  readonly atimNs: bigint;
  readonly mtimNs: bigint;
  readonly ctimNs: bigint;
}

/** New timestamps in Unix nanoseconds; null leaves a timestamp unchanged. */
export interface Times {
  readonly atimNs: bigint | null;
  readonly mtimNs: bigint | null;
}

interface Inode {
  stat(): Stat | number;
  /** Sets the times that are not null. Returns 0 or an Errno. */
  setTimes(times: Times): number;
}

export interface FileNode extends Inode {
  readonly kind: 'file';
  open(mode: OpenMode): FileHandle | number;
}

export interface SymlinkNode extends Inode {
  readonly kind: 'symlink';
  readLink(): string | number;
}

/** A device, pipe or socket of the host. It has a stat but cannot be opened. */
export interface OtherNode extends Inode {
  readonly kind: 'other';
}

export interface DirectoryNode extends Inode {
  readonly kind: 'directory';
  /**
   * Returns the node called `name`, or Errno.notFound. `name` is one segment: never empty, `.` or `..`, without `/`
   * and NUL.
   */
  lookup(name: string): FsNode | number;
  /** Makes an empty file and returns it. `name` must not be taken. */
  createFile(name: string): FileNode | number;
  /** Makes an empty directory. Returns 0 or an Errno. `name` must not be taken. */
  createDirectory(name: string): number;
  /** Makes a symbolic link, whose target need not exist. Returns 0 or an Errno. `name` must not be taken. */
  createSymlink(name: string, target: string): number;
  /**
   * Gives `node`, which is no directory, the additional name `name`, which must not be taken. Returns 0 or an Errno.
   */
  link(name: string, node: FsNode): number;
  /** Removes the name of a node that is no directory. Returns 0 or an Errno. */
  removeFile(name: string): number;
  /** Removes an empty directory. Returns 0 or an Errno. */
  removeDirectory(name: string): number;
  /**
   * Moves `name` as rename(2) does: replaces a node of the new name if the kinds of the two allow it. Returns 0 or an
   * Errno.
   */
  rename(name: string, into: DirectoryNode, newName: string): number;
  /** Returns the names as they are when the listing comes to them, or an Errno. */
  list(): DirectoryListing | number;
}

export type FsNode = FileNode | SymlinkNode | OtherNode | DirectoryNode;

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
}

/** An open file. It stays usable when its last name is removed. */
export interface FileHandle extends Inode {
  /** Reads from byte `position` on. Returns the bytes read, 0 at the end of the file, or an Errno. */
  read(into: Uint8Array, position: number): number;
  /**
   * Writes from byte `position` on. Returns the bytes written, fewer where a limit is reached, or an Errno. A gap
   * before `position` reads as zeros.
   */
  write(bytes: Uint8Array, position: number): number;
  /** Cuts the file to `size` bytes, or extends it with zeros. Returns 0 or an Errno. */
  truncate(size: number): number;
  /** Makes the file at least `size` bytes long. Returns 0 or an Errno. */
  allocate(size: number): number;
  /** Makes written bytes durable, as fsync(2). Returns 0 or an Errno. */
  sync(): number;
  close(): void;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: NodeKind;
  readonly ino: bigint;
  /** Cookie of the entry after this one. */
  readonly next: number;
}

export interface DirectoryListing {
  /**
   * Returns the first entry at or after `cookie` (0: the first); null at the end. `.` and `..` are not among them.
   */
  entry(cookie: number): DirectoryEntry | null;
}

/** Most UTF-8 bytes of one segment and of a path, as on Linux. */
export const nameBytesMax = 255;
export const pathBytesMax = 4096;

/**
 * Host work (Process.work) for each byte of a path, in bytes moved: every second byte may begin a name to look up.
 */
export const pathWork = 64;

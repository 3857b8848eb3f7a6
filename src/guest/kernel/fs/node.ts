/**
 * What a file system is made of, in memory and on the host alike: nodes that know nothing of paths.
 * A path is resolved over them in one place (walk.ts), so no backend has to know what "never leaves
 * its preopen" means. Everything is synchronous; numbers below 0 are Errno.
 */

export type NodeKind = 'file' | 'directory' | 'symlink' | 'other';

export interface Stat {
  readonly kind: NodeKind;
  /** Device and inode identify a node among all that a Process can see. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly nlink: number;
  /** Bytes; of a symlink, its target's length. */
  readonly size: number;
  /** Unix nanoseconds. */
  readonly atimNs: bigint;
  readonly mtimNs: bigint;
  readonly ctimNs: bigint;
}

/** New timestamps in Unix nanoseconds; null leaves one as it is. */
export interface Times {
  readonly atimNs: bigint | null;
  readonly mtimNs: bigint | null;
}

interface Inode {
  stat(): Stat | number;
  /** 0 or Errno. */
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

/** A device, pipe or socket on the host: can be looked at, not opened. */
export interface OtherNode extends Inode {
  readonly kind: 'other';
}

export interface DirectoryNode extends Inode {
  readonly kind: 'directory';
  /** `name` is one segment, never empty, `.` or `..`, without `/` and NUL. Errno.notFound where there is none. */
  lookup(name: string): FsNode | number;
  /** Makes an empty file; the name is not taken. */
  createFile(name: string): FileNode | number;
  createDirectory(name: string): number;
  createSymlink(name: string, target: string): number;
  /** A further name for `node`, which is no directory. */
  link(name: string, node: FsNode): number;
  /** Takes away the name of anything but a directory. */
  removeFile(name: string): number;
  /** Takes away an empty directory. */
  removeDirectory(name: string): number;
  /** Gives `name` a new place as rename(2) does: what is there is replaced where kinds allow. */
  rename(name: string, into: DirectoryNode, newName: string): number;
  list(): DirectoryListing | number;
}

export type FsNode = FileNode | SymlinkNode | OtherNode | DirectoryNode;

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
}

/** An open file: lives on when its last name is removed. */
export interface FileHandle extends Inode {
  /** Bytes read, 0 at the end of the file, or Errno. */
  read(into: Uint8Array, position: number): number;
  /** Bytes written (fewer where a limit is reached), or Errno. A gap before `position` reads as zeros. */
  write(bytes: Uint8Array, position: number): number;
  /** Cuts, or extends with zeros. 0 or Errno. */
  truncate(size: number): number;
  /** Makes the file at least `size` bytes long. 0 or Errno. */
  allocate(size: number): number;
  sync(): number;
  close(): void;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: NodeKind;
  readonly ino: bigint;
  /** Where the entry after this one begins. */
  readonly next: number;
}

export interface DirectoryListing {
  /** The first entry at or after `cookie` (0: the first); null at the end. `.` and `..` are not among them. */
  entry(cookie: number): DirectoryEntry | null;
}

/** Longest name of one segment and longest path, in UTF-8 bytes, as on Linux. */
export const nameBytesMax = 255;
export const pathBytesMax = 4096;

/** Work of resolving a path, for each of its bytes (Process.work): every second one may be a name to look up. */
export const pathWork = 64;

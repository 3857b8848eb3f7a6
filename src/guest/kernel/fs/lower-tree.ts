/**
 * The read-only files of a pushed tree. It is built once per Deployment and shared by all its Processes: it holds no
 * state of theirs and never changes.
 */
import type { TreeFile } from '../../../protocol/messages.ts';
import { Errno } from '../errno.ts';
import { Entries } from './entries.ts';
import type { DirectoryListing, FileHandle, FileNode, OpenMode, Stat } from './node.ts';
import { ReadOnlyDirectory } from './read-only-directory.ts';

/** Device number of the tree in `stat`. */
export const lowerDevice = 1n;

type LowerNode = LowerDirectory | LowerFile;

/**
 * Builds the tree of `files`. `timeNs` is the timestamp of every node, the time of the push, in Unix nanoseconds.
 * Throws if a path occurs twice, or below a file.
 */
export function lowerTree(files: readonly TreeFile[], timeNs = 0n): LowerDirectory {
  let ino = 1n;
  const root = new LowerDirectory(ino, timeNs);
  for (const file of files) {
    const segments = file.path.split('/');
    const name = segments.pop() as string;
    let here = root;
    for (const segment of segments) {
      let next = here.entries.get(segment);
      if (next === undefined) {
        ino += 1n;
        next = new LowerDirectory(ino, timeNs);
        here.entries.set(segment, next);
      }
      if (next.kind !== 'directory') throw new Error(`${file.path}: a file is in the way`);
      here = next;
    }
    if (here.entries.get(name) !== undefined) throw new Error(`${file.path}: twice in the tree`);
    ino += 1n;
    here.entries.set(name, new LowerFile(ino, timeNs, file.bytes));
  }
  return root;
}

export class LowerDirectory extends ReadOnlyDirectory {
  readonly ino: bigint;
  readonly entries = new Entries<LowerNode>();
  readonly #timeNs: bigint;
  #directories: number | null = null;

  constructor(ino: bigint, timeNs: bigint) {
    super();
    this.ino = ino;
    this.#timeNs = timeNs;
  }

  stat(): Stat {
    this.#directories ??= [...this.entries].filter(([, node]) => node.kind === 'directory').length;
    return describe(this, 2 + this.#directories, 0, this.#timeNs);
  }

  lookup(name: string): LowerNode | number {
    return this.entries.get(name) ?? Errno.notFound;
  }

  list(): DirectoryListing {
    return { entry: (cookie) => this.entries.at(cookie) };
  }
}

class LowerFile implements FileNode, FileHandle {
  readonly kind = 'file';
  readonly ino: bigint;
  readonly #timeNs: bigint;
  readonly #bytes: Uint8Array;

  constructor(ino: bigint, timeNs: bigint, bytes: Uint8Array) {
    this.ino = ino;
    this.#timeNs = timeNs;
    this.#bytes = bytes;
  }

  stat(): Stat {
    return describe(this, 1, this.#bytes.length, this.#timeNs);
  }

  setTimes(): number {
    return Errno.readOnly;
  }

  /** Returns the file as its own handle, since handles of it have no state. */
  open(mode: OpenMode): FileHandle | number {
    return mode.write ? Errno.readOnly : this;
  }

  read(into: Uint8Array, position: number): number {
    const part = this.#bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  write(): number {
    return Errno.readOnly;
  }

  truncate(): number {
    return Errno.readOnly;
  }

  allocate(): number {
    return Errno.readOnly;
  }

  sync(): number {
    return 0;
  }

  close(): void {}
}

function describe(node: LowerNode, nlink: number, size: number, timeNs: bigint): Stat {
  const { kind, ino } = node;
  return { kind, dev: lowerDevice, ino, nlink, size, atimNs: timeNs, mtimNs: timeNs, ctimNs: timeNs };
}

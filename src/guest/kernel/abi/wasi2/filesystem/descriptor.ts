/** Descriptors of a component: its open files and directories. */
import type { DirectoryListing, DirectoryNode, FileHandle, OpenMode, Stat, Times } from '../../../fs/node.ts';
import { OpenFile } from '../../../fs/open-file.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { type Explain, InputStream, OutputStream } from '../io/guest-streams.ts';
import { toErrorCode } from './error-code.ts';

const explain: Explain = (errno) => {
  const code = toErrorCode(errno);
  return { text: `the file failed: ${code}`, codes: { filesystem: code } };
};

/** Shares the handle of an open file between its descriptor and its streams, and closes it with the last of them. */
class SharedHandle {
  readonly handle: FileHandle;
  #users = 1;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.handle.close();
  }
}

export abstract class Descriptor extends HostObject {
  readonly what = 'descriptor';
  abstract stat(): Stat | number;
  abstract setTimes(times: Times): number;
  abstract flags(): ReadonlySet<string>;
}

export class FileDescriptor extends Descriptor {
  readonly mode: OpenMode;
  readonly #shared: SharedHandle;
  #isOpen = true;

  constructor(handle: FileHandle, mode: OpenMode) {
    super();
    this.#shared = new SharedHandle(handle);
    this.mode = mode;
  }

  get handle(): FileHandle {
    return this.#shared.handle;
  }

  stat(): Stat | number {
    return this.handle.stat();
  }

  setTimes(times: Times): number {
    return this.handle.setTimes(times);
  }

  flags(): ReadonlySet<string> {
    return new Set([...(this.mode.read ? ['read'] : []), ...(this.mode.write ? ['write'] : [])]);
  }

  /** Returns a stream that reads from byte `offset` on. */
  input(offset: number): InputStream {
    return new InputStream(this.#at(offset, { read: true, write: false }), this.#streamOptions());
  }

  /** Returns a stream that writes from byte `offset` on; null: always at the end of the file. */
  output(guest: Process, offset: number | null): OutputStream {
    const file = this.#at(offset ?? 0, { read: false, write: true, append: offset === null });
    return new OutputStream(guest, file, this.#streamOptions());
  }

  /** Returns the file from byte `offset` on as a Resource of its own, which outlives the descriptor until `release`. */
  open(
    offset: number,
    options: ConstructorParameters<typeof OpenFile>[1],
  ): { readonly resource: OpenFile; readonly release: () => void } {
    this.#shared.retain();
    return { resource: this.#at(offset, options), release: () => this.#shared.release() };
  }

  override close(): undefined {
    if (this.#isOpen) this.#shared.release();
    this.#isOpen = false;
  }

  #at(offset: number, options: ConstructorParameters<typeof OpenFile>[1]): OpenFile {
    const file = new OpenFile(this.handle, options);
    file.position = offset;
    return file;
  }

  #streamOptions() {
    const shared = this.#shared;
    shared.retain();
    return { explain, onClose: () => shared.release() };
  }
}

export class DirectoryDescriptor extends Descriptor {
  readonly directory: DirectoryNode;
  readonly #flags: ReadonlySet<string>;

  constructor(directory: DirectoryNode, flags: readonly string[] = ['read', 'mutate-directory']) {
    super();
    this.directory = directory;
    this.#flags = new Set(flags);
  }

  stat(): Stat | number {
    return this.directory.stat();
  }

  setTimes(times: Times): number {
    return this.directory.setTimes(times);
  }

  flags(): ReadonlySet<string> {
    return this.#flags;
  }
}

export class DirectoryEntryStream extends HostObject {
  readonly what = 'directory-entry-stream';
  readonly listing: DirectoryListing;
  /** Cookie of the next entry. */
  cookie = 0;

  constructor(listing: DirectoryListing) {
    super();
    this.listing = listing;
  }
}

/** Writes an archive under a temporary name beside its place; it is renamed when it is whole and on disk. */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlatformError } from '../../protocol/errors.ts';
import {
  type ArchiveFile,
  type ArchiveHeader,
  headerName,
  isFileName,
  isImmutable,
  manifestName,
  sealName,
} from './archive-format.ts';
import { blockBytes, padding, tarHeader } from './tar.ts';

const chunkBytes = 1024 * 1024;

export class ArchiveWriter {
  readonly #path: string;
  readonly #draft: string;
  readonly #file: FileHandle;
  readonly #header: ArchiveHeader;
  readonly #known: ReadonlyMap<string, ArchiveFile>;
  readonly #files: ArchiveFile[] = [];
  readonly #buffer = Buffer.alloc(chunkBytes);
  #bytes = 0;

  private constructor(options: WriterOptions, draft: string, file: FileHandle) {
    this.#path = options.path;
    this.#header = options.header;
    this.#known = options.known;
    this.#draft = draft;
    this.#file = file;
  }

  /**
   * Creates an archive with mode 0600, since it holds the key. Throws `conflict` when `path` exists, `unavailable` when
   * it cannot be created.
   */
  static async create(options: WriterOptions): Promise<ArchiveWriter> {
    const { path } = options;
    const exists = await stat(path).then(
      () => true,
      () => false,
    );
    if (exists)
      throw new PlatformError('conflict', `${path} exists already`, { hints: ['choose another name, or remove it'] });
    const draft = `${path}.${randomBytes(4).toString('hex')}.part`;
    const file = await open(draft, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
      throw new PlatformError('unavailable', `cannot write ${path} (${cause.code})`, { cause });
    });
    const writer = new ArchiveWriter(options, draft, file);
    await writer.#text(headerName, JSON.stringify(options.header));
    return writer;
  }

  /** Adds the file at `source` as `name`, or only names it when a base holds the same content. */
  async add(name: string, source: string): Promise<void> {
    if (!isFileName(name)) throw new Error(`not a name of an archive: ${name}`);
    const file = await open(source, 'r');
    try {
      const { size } = await file.stat();
      const known = this.#known.get(name);
      if (known !== undefined && known.bytes === size) {
        if (isImmutable(name) || (await this.#hash(file, size)) === known.sha256) {
          this.#files.push(known);
          return;
        }
      }
      await this.#write(tarHeader({ name, bytes: size }, this.#header.createdMs));
      const sha256 = await this.#copy(file, size);
      this.#files.push({ name, bytes: size, sha256, archive: this.#header.id });
    } finally {
      await file.close();
    }
  }

  /**
   * Closes the archive and gives it its name. Returns its size in bytes, and the number of files that it holds or
   * names.
   */
  async finish(missing: readonly string[]): Promise<{ readonly bytes: number; readonly files: number }> {
    const text = JSON.stringify({ files: this.#files, missing });
    await this.#text(manifestName, text);
    await this.#text(sealName, `${createHash('sha256').update(text).digest('hex')}  ${manifestName}\n`);
    await this.#write(Buffer.alloc(2 * blockBytes));
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#draft, this.#path);
    const folder = await open(dirname(this.#path), 'r');
    await folder.sync().finally(() => folder.close());
    return { bytes: this.#bytes, files: this.#files.length };
  }

  /** Removes the unfinished archive. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#draft, { force: true });
  }

  async #text(name: string, text: string): Promise<void> {
    const content = Buffer.from(text);
    await this.#write(tarHeader({ name, bytes: content.length }, this.#header.createdMs));
    await this.#write(content);
    await this.#write(Buffer.alloc(padding(content.length)));
  }

  async #copy(file: FileHandle, bytes: number): Promise<string> {
    const sha256 = await this.#hash(file, bytes, (chunk) => this.#write(chunk));
    await this.#write(Buffer.alloc(padding(bytes)));
    return sha256;
  }

  async #hash(file: FileHandle, bytes: number, take?: (chunk: Buffer) => Promise<void>): Promise<string> {
    const hash = createHash('sha256');
    for (let at = 0; at < bytes; ) {
      const { bytesRead } = await file.read(this.#buffer, 0, Math.min(chunkBytes, bytes - at), at);
      if (bytesRead === 0) throw new Error('a file became shorter while it was backed up');
      const chunk = this.#buffer.subarray(0, bytesRead);
      hash.update(chunk);
      await take?.(chunk);
      at += bytesRead;
    }
    return hash.digest('hex');
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#bytes += bytes.length;
  }
}

export interface WriterOptions {
  /** Absolute path. */
  readonly path: string;
  readonly header: ArchiveHeader;
  /** Files of the bases, by name. */
  readonly known: ReadonlyMap<string, ArchiveFile>;
}

/** Reads an archive, which is foreign input: sizes, names and order are checked before they are used. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import {
  type ArchiveHeader,
  type ArchiveManifest,
  headerName,
  isFileName,
  manifestName,
  readHeader,
  readManifest,
  sealName,
} from './archive-format.ts';
import { blockBytes, damaged, padding, readTarHeader } from './tar.ts';

export const archiveLimits = {
  /** Bytes of backup.json. */
  headerBytes: MIB,
  /** Bytes of manifest.json, which is held in memory: enough for about a million files. */
  manifestBytes: 256 * MIB,
} as const;

const chunkBytes = MIB;

/** Place of a content: `at` is its offset in the archive, in bytes. */
interface Place {
  readonly at: number;
  readonly bytes: number;
}

export class ArchiveReader {
  readonly header: ArchiveHeader;
  readonly manifest: ArchiveManifest;
  readonly #file: FileHandle;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(options: {
    readonly file: FileHandle;
    readonly places: ReadonlyMap<string, Place>;
    readonly header: ArchiveHeader;
    readonly manifest: ArchiveManifest;
  }) {
    this.#file = options.file;
    this.#places = options.places;
    this.header = options.header;
    this.manifest = options.manifest;
  }

  /**
   * Opens an archive and checks everything but the content of its files. Throws `not_found`, `archive_newer`, and
   * `archive_invalid` with what is wrong.
   */
  static async open(path: string): Promise<ArchiveReader> {
    const unreadable = (cause: NodeJS.ErrnoException) => {
      throw new PlatformError('not_found', `cannot read ${path} (${cause.code})`, { cause });
    };
    // A pipe would block the process that opens it.
    if (!(await stat(path).catch(unreadable)).isFile()) throw damaged(`${path} is no file`);
    const file = await open(path, 'r').catch(unreadable);
    try {
      const { size } = await file.stat();
      const first = await entryAt(file, 0, size);
      if (first === null || first.name !== headerName) throw damaged('it is not an archive of trisiel backup');
      const header = readHeader(await text(file, first, archiveLimits.headerBytes));
      const places = await readPlaces(file, size);
      const manifest = await readSealed(file, places);
      checkFiles(header, manifest, places);
      return new ArchiveReader({ file, places, header, manifest });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Passes the content of a file of this archive to `take`, in order. Throws `archive_invalid` when its hash does not
   * match.
   */
  async read(name: string, sha256: string, take: (chunk: Buffer) => Promise<void>): Promise<void> {
    const place = this.#places.get(name);
    if (place === undefined) throw damaged(`${name} is missing`);
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(Math.min(chunkBytes, Math.max(1, place.bytes)));
    for (let done = 0; done < place.bytes; ) {
      const wanted = Math.min(buffer.length, place.bytes - done);
      const { bytesRead } = await this.#file.read(buffer, 0, wanted, place.at + done);
      if (bytesRead === 0) throw damaged('it ends early');
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      await take(chunk);
      done += bytesRead;
    }
    if (hash.digest('hex') !== sha256) throw damaged(`${name} is damaged`);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function entryAt(
  file: FileHandle,
  at: number,
  size: number,
): Promise<(Place & { readonly name: string }) | null> {
  const block = Buffer.alloc(blockBytes);
  if (at + blockBytes > size) throw damaged('it ends early');
  await file.read(block, 0, blockBytes, at);
  const entry = readTarHeader(block);
  if (entry === null) return null;
  if (at + blockBytes + entry.bytes + padding(entry.bytes) > size) throw damaged('it ends early');
  return { name: entry.name, bytes: entry.bytes, at: at + blockBytes };
}

/**
 * Returns the position of each file. Throws when a name comes twice or is not allowed, or when bytes follow the last
 * entry.
 */
async function readPlaces(file: FileHandle, size: number): Promise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  let isSealed = false;
  let at = 0;
  for (;;) {
    const entry = await entryAt(file, at, size);
    if (entry === null) break;
    const { name } = entry;
    if (places.has(name)) throw damaged(`${JSON.stringify(name)} comes twice`);
    if (isSealed) throw damaged('something follows its end');
    if (!isFileName(name) && ![headerName, manifestName, sealName].includes(name))
      throw damaged(`it holds ${JSON.stringify(name)}`);
    places.set(name, entry);
    isSealed = name === sealName;
    at = entry.at + entry.bytes + padding(entry.bytes);
  }
  if (!isSealed) throw damaged('its end is missing: the backup was interrupted, or the copy is half');
  return places;
}

async function readSealed(file: FileHandle, places: ReadonlyMap<string, Place>): Promise<ArchiveManifest> {
  const place = places.get(manifestName);
  const seal = places.get(sealName);
  if (place === undefined || seal === undefined) throw damaged(`${manifestName} is missing`);
  const manifest = await text(file, place, archiveLimits.manifestBytes);
  const sha256 = createHash('sha256').update(manifest).digest('hex');
  if ((await text(file, seal, 1024)) !== `${sha256}  ${manifestName}\n`) throw damaged(`${manifestName} is damaged`);
  return readManifest(manifest);
}

/**
 * Throws unless the manifest names each file of the archive once, with its size, and every other file with a base that
 * can hold it.
 */
function checkFiles(header: ArchiveHeader, manifest: ArchiveManifest, places: ReadonlyMap<string, Place>): void {
  const bases = new Set(header.bases.map(({ id }) => id));
  const names = new Set<string>();
  let held = 0;
  for (const file of manifest.files) {
    if (!isFileName(file.name) || names.has(file.name)) throw damaged(`it names ${JSON.stringify(file.name)}`);
    names.add(file.name);
    if (file.archive !== header.id) {
      if (!bases.has(file.archive)) throw damaged(`it names an archive that it does not list`);
      continue;
    }
    held += 1;
    if (places.get(file.name)?.bytes !== file.bytes) throw damaged(`${file.name} has another size`);
  }
  if (held !== places.size - 3) throw damaged('it holds files that its manifest does not name');
}

async function text(file: FileHandle, place: Place, bytesMax: number): Promise<string> {
  if (place.bytes > bytesMax) throw damaged('a part is too large');
  const bytes = Buffer.alloc(place.bytes);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, place.at + done);
    if (bytesRead === 0) throw damaged('it ends early');
    done += bytesRead;
  }
  return bytes.toString('utf8');
}

/**
 * Stores Artifacts and the file bundles of Deployments: one file per content, written once.
 *
 * A name tells what the content was made from (artifactName: original bytes, versions of meter and linker), so it is no
 * checksum of the file. Each file therefore starts with the SHA-256 of its content, and every read verifies it: a
 * damaged Artifact is never given to a runner.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import type { Blobs } from '../../protocol/ports.ts';

const magic = Buffer.from('trisiel1');
const headerBytes = magic.length + 32;
/** Bytes hashed in one turn of the event loop, which takes some 0.3 ms. */
const hashedBytes = 512 * KIB;
/** Pattern of names: lower-case hex and the platform's own suffixes; no name can leave the folder. */
const namePattern = /^[0-9a-f]{64}(?:-[a-z]{1,8}\d{0,9}){0,3}$/;

export class ArtifactStore implements Blobs {
  readonly #folder: string;
  /**
   * Maps a name to the stamp that its file had when its checksum was last verified. At most one entry per stored file.
   */
  readonly #verified = new Map<string, string>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Creates the folder if it is missing, and removes files that a crash left half written. */
  static async open(folder: string): Promise<ArtifactStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const entry of await readdir(folder)) {
      if (entry.startsWith('.new-')) await rm(join(folder, entry), { force: true });
    }
    return new ArtifactStore(folder);
  }

  /** Opens a folder without changing it, while another process may write to it. A missing folder counts as empty. */
  static async openAsItIs(folder: string): Promise<ArtifactStore> {
    return new ArtifactStore(folder);
  }

  /** Stores `bytes`; durable when it resolves. An existing file of that name stays, unless it is damaged. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    if (await this.has(name)) return;
    const folder = this.#folderOf(name);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncFolder(this.#folder);
    const draft = join(this.#folder, `.new-${randomBytes(8).toString('hex')}`);
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writev([magic, await digestInTurns(bytes), bytes]);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, join(folder, name));
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    await syncFolder(folder);
  }

  /** Reads a whole file. Throws `not_found` when there is none, `internal` when the bytes do not match the checksum. */
  async get(name: string): Promise<Uint8Array> {
    const { bytes, stamp } = await read(this.#fileOf(name)).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') throw new PlatformError('not_found', `no artifact ${name}`, { cause });
      throw cause;
    });
    const content = bytes.subarray(headerBytes);
    const intact =
      bytes.length >= headerBytes &&
      bytes.subarray(0, magic.length).equals(magic) &&
      bytes.subarray(magic.length, headerBytes).equals(await digestInTurns(content));
    if (!intact) {
      this.#verified.delete(name);
      throw new PlatformError('internal', `artifact ${name} is damaged on disk; push the handler again`);
    }
    this.#verified.set(name, stamp);
    return content;
  }

  /**
   * Returns whether a file is stored and undamaged. Reads and hashes it only when it has changed since it was last
   * verified, or was never verified: most pushes ask about a file of megabytes that has not been touched.
   */
  async has(name: string): Promise<boolean> {
    const known = this.#verified.get(name);
    if (known !== undefined && known === (await stampOf(this.#fileOf(name)))) return true;
    return this.get(name).then(
      () => true,
      (error: unknown) => {
        if (error instanceof PlatformError) return false;
        throw error;
      },
    );
  }

  /** Returns the names of all stored files. */
  async list(): Promise<readonly string[]> {
    const entries = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const folders = entries.filter((entry) => /^[0-9a-f]{2}$/.test(entry));
    const names = await Promise.all(folders.map((folder) => readdir(join(this.#folder, folder))));
    return names.flat().filter((name) => namePattern.test(name));
  }

  /** Removes a file; does nothing when it is missing. */
  async remove(name: string): Promise<void> {
    this.#verified.delete(name);
    await rm(this.#fileOf(name), { force: true });
  }

  #folderOf(name: string): string {
    if (!namePattern.test(name)) throw new TypeError(`not an artifact name: ${JSON.stringify(name)}`);
    return join(this.#folder, name.slice(0, 2));
  }

  #fileOf(name: string): string {
    return join(this.#folderOf(name), name);
  }
}

/** Returns the name of content that is addressed by its own SHA-256. */
export function contentName(bytes: Uint8Array, suffix: string): string {
  return `${digest(bytes).toString('hex')}-${suffix}`;
}

interface StampedBytes {
  readonly bytes: Buffer;
  readonly stamp: string;
}

/** Reads a file. The stamp is taken first, so that a change during the read makes it outdated. */
async function read(path: string): Promise<StampedBytes> {
  const file = await open(path, 'r');
  try {
    const stamp = stampText(await file.stat({ bigint: true }));
    return { bytes: await file.readFile(), stamp };
  } finally {
    await file.close();
  }
}

async function stampOf(path: string): Promise<string | null> {
  return stat(path, { bigint: true }).then(stampText, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/**
 * Returns a text that changes when the file is replaced, written to or cut: inode, size, and times of content and of
 * inode change.
 */
function stampText({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** Returns the SHA-256 of `bytes`, a part in each turn of the event loop. */
async function digestInTurns(bytes: Uint8Array): Promise<Buffer> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += hashedBytes) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + hashedBytes));
  }
  return hash.digest();
}

/** Syncs a folder, which makes renames in it durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

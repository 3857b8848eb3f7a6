/**
 * Watches the room on the disk of the data folder, and keeps a reserve on it: a file that is given back while
 * something is being deleted, since deleting too needs some room (a database writes what it removes to its log first).
 */
import { randomFillSync } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';

export interface DiskSpaceOptions {
  /** The reserve's file, absolute; made where it is missing and there is room for it. */
  readonly reserveFile: string;
  /** A folder on the disk, absolute. */
  readonly folder: string;
  /** Takes a failure to look or to make the reserve, for the platform's own log. */
  readonly onError: (error: unknown) => void;
}

export const diskLimits = {
  /** Bytes of the reserve on a large disk; a sixteenth of a small one. */
  reserveBytes: 32 * 1024 * 1024,
  reserveShare: 1 / 16,
  /** The disk is nearly full when it has room for no more than so many reserves. */
  lowReserves: 4,
  /** A look at the disk is trusted so long, milliseconds: writes come thousands a second. */
  lookMs: 1_000,
} as const;

const chunkBytes = 1024 * 1024;

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  readonly #reserveBytes: number;
  #look: { readonly atMs: number; readonly freeBytes: number };
  /** Deletions that are running. */
  #deleting = 0;
  #taking: Promise<void> | null = null;

  private constructor(options: DiskSpaceOptions, disk: { readonly reserveBytes: number; readonly freeBytes: number }) {
    this.#options = options;
    this.#reserveBytes = disk.reserveBytes;
    this.#look = { atMs: performance.now(), freeBytes: disk.freeBytes };
  }

  /** Looks at the disk and takes the reserve where it is not there and fits. Throws where the folder cannot be read. */
  static async open(options: DiskSpaceOptions): Promise<DiskSpace> {
    const { blocks, bavail, bsize } = await statfs(options.folder);
    const reserveBytes = Math.min(diskLimits.reserveBytes, Math.floor(blocks * bsize * diskLimits.reserveShare));
    const disk = new DiskSpace(options, { reserveBytes, freeBytes: bavail * bsize });
    await disk.#take();
    return disk;
  }

  /** Returns how much of the low-water mark is left: 1 where there is more room than that, 0 where there is none. */
  async roomLeft(): Promise<number> {
    const low = this.#reserveBytes * diskLimits.lowReserves;
    return low === 0 ? 1 : Math.min(1, (await this.#freeBytes()) / low);
  }

  /** Runs `work`, which deletes something; where the disk is nearly full it may use the reserve. Returns its result. */
  async deleting<T>(work: () => Promise<T>): Promise<T> {
    this.#deleting += 1;
    try {
      if ((await this.#freeBytes(true)) < this.#reserveBytes) {
        await this.#taking;
        await rm(this.#options.reserveFile, { force: true });
      }
      return await work();
    } finally {
      this.#deleting -= 1;
      if (this.#deleting === 0) await this.#take();
    }
  }

  async #freeBytes(anew = false): Promise<number> {
    if (!anew && performance.now() - this.#look.atMs < diskLimits.lookMs) return this.#look.freeBytes;
    try {
      const { bavail, bsize } = await statfs(this.#options.folder);
      this.#look = { atMs: performance.now(), freeBytes: bavail * bsize };
    } catch (error) {
      this.#options.onError(error);
      this.#look = { ...this.#look, atMs: performance.now() };
    }
    return this.#look.freeBytes;
  }

  /** Makes the reserve unless it is there, or would leave less room than itself. Never rejects. */
  #take(): Promise<void> {
    this.#taking ??= this.#writeReserve()
      .catch(async (error: unknown) => {
        await rm(this.#options.reserveFile, { force: true }).catch(() => {});
        this.#options.onError(error);
      })
      .finally(() => {
        this.#taking = null;
      });
    return this.#taking;
  }

  async #writeReserve(): Promise<void> {
    const { reserveFile } = this.#options;
    const has = await stat(reserveFile).then(
      ({ size }) => size,
      () => 0,
    );
    if (has >= this.#reserveBytes || (await this.#freeBytes(true)) < 2 * this.#reserveBytes) return;
    const file = await open(reserveFile, 'w', 0o600);
    try {
      // Random: some file systems store zeros as nothing.
      const chunk = randomFillSync(Buffer.alloc(chunkBytes));
      for (let left = this.#reserveBytes; left > 0; left -= chunkBytes)
        await file.write(chunk, 0, Math.min(left, chunkBytes));
    } finally {
      await file.close();
    }
  }
}

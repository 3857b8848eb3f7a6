/**
 * Watches the free space of the data folder's disk and keeps a reserve file on it. The file is removed while data is
 * being deleted, since deleting needs some space too (a database writes removals to its log first).
 */
import { randomFillSync } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';

export interface DiskSpaceOptions {
  /** Absolute path of the reserve file, created when it is missing and fits. */
  readonly reserveFile: string;
  /** Absolute path of a folder on the disk. */
  readonly folder: string;
  /** Is called with failures to check the disk or to make the reserve, for the platform's own log. */
  readonly onError: (error: unknown) => void;
}

export const diskLimits = {
  /** Bytes of the reserve on a large disk; on a small disk it is a sixteenth of it. */
  reserveBytes: 32 * 1024 * 1024,
  reserveShare: 1 / 16,
  /** Number of reserves that must fit into the free space, or else the disk counts as nearly full. */
  lowReserves: 4,
  /** Milliseconds for which a check of the disk is trusted: thousands of writes may come per second. */
  lookMs: 1_000,
} as const;

const chunkBytes = 1024 * 1024;

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  readonly #reserveBytes: number;
  #look: { readonly atMs: number; readonly freeBytes: number };
  /** Number of deletions that are running. */
  #deleting = 0;
  #taking: Promise<void> | null = null;

  private constructor(options: DiskSpaceOptions, disk: { readonly reserveBytes: number; readonly freeBytes: number }) {
    this.#options = options;
    this.#reserveBytes = disk.reserveBytes;
    this.#look = { atMs: performance.now(), freeBytes: disk.freeBytes };
  }

  /** Checks the disk, and makes the reserve if it is missing and fits. Throws when the folder cannot be read. */
  static async open(options: DiskSpaceOptions): Promise<DiskSpace> {
    const { blocks, bavail, bsize } = await statfs(options.folder);
    const reserveBytes = Math.min(diskLimits.reserveBytes, Math.floor(blocks * bsize * diskLimits.reserveShare));
    const disk = new DiskSpace(options, { reserveBytes, freeBytes: bavail * bsize });
    await disk.#take();
    return disk;
  }

  /** Returns the free space as a share of the low-water mark: 1 above it, down to 0 without free space. */
  async roomLeft(): Promise<number> {
    const low = this.#reserveBytes * diskLimits.lowReserves;
    return low === 0 ? 1 : Math.min(1, (await this.#freeBytes()) / low);
  }

  /**
   * Runs `work`, which deletes data; on a nearly full disk the reserve is removed meanwhile. Returns the result of
   * `work`.
   */
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

  /** Makes the reserve unless it exists, or would leave less space than its own size. Never rejects. */
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
      // Random bytes, because some file systems do not store zeros.
      const chunk = randomFillSync(Buffer.alloc(chunkBytes));
      for (let left = this.#reserveBytes; left > 0; left -= chunkBytes)
        await file.write(chunk, 0, Math.min(left, chunkBytes));
    } finally {
      await file.close();
    }
  }
}

/** A small disk of its own, in memory, for tests of what happens when it is full. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly folder: string;
  /** Writes zeros to a file of the disk until not one more byte fits; returns its path. */
  fill(name: string): string;
  unmount(): void;
}

/** Mounts a disk of so many bytes; null where this user may not: only root on Linux. */
export function mountSmallDisk(bytes: number): SmallDisk | null {
  if (process.platform !== 'linux') return null;
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
  return {
    folder,
    fill: (name) => fill(join(folder, name)),
    unmount() {
      execFileSync('umount', ['-l', folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function fill(file: string): string {
  const handle = openSync(file, 'a');
  for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
    const zeros = Buffer.alloc(size);
    try {
      while (writeSync(handle, zeros) === size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(handle);
  return file;
}

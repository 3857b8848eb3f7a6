/** Control's data folder: made, checked for writing, and held by one control at a time. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../protocol/errors.ts';

export interface DataFolder {
  readonly path: string;
  /** Gives the folder up; called once, at the end. */
  release(): void;
}

/** Makes the folder (mode 0700) and takes it. Throws `unavailable`, saying why it cannot be used. */
export function takeDataFolder(path: string): DataFolder {
  const lock = join(path, 'control.pid');
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const holder = readHolder(lock);
    if (holder !== null && isControl(holder)) {
      throw new PlatformError(
        'unavailable',
        `the data folder ${path} is in use by another control (process ${holder})`,
        {
          hints: ['stop that one, or choose another folder with TRISIEL_DATA'],
        },
      );
    }
    writeFileSync(lock, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('unavailable', `cannot write to the data folder ${path} (${codeOf(error)})`, {
      hints: ['choose a folder that this user may write to with TRISIEL_DATA'],
      cause: error,
    });
  }
  return {
    path,
    release: () => {
      if (readHolder(lock) === process.pid) rmSync(lock, { force: true });
    },
  };
}

function readHolder(lock: string): number | null {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whether that process lives and, where the system tells, is a control: after a reboot the number may be anybody's. */
function isControl(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('serve.ts');
  } catch {
    return true;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

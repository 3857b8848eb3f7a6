/** Makes control's data folder, checks that it can be written, and holds it for one control at a time. */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '../protocol/errors.ts';

export interface DataFolder {
  readonly path: string;
  /** Releases the folder; called once, at the end. */
  release(): void;
}

export interface DataFolderOptions {
  /** Absolute path of the data folder. */
  readonly path: string;
  /** Absolute paths that runners may read; the data folder must not lie in one of them. */
  readonly readableByGuests: readonly string[];
}

/** Name of an empty SQLite database, whose file lock is the lock of the folder. */
const lockName = 'control.lock';
/** Keeps references to lock databases: without one, a lock would be garbage-collected and thereby released. */
const held = new Set<DatabaseSync>();
/** Name of a file with the holder's process id, for people who look for the holder. No code relies on it. */
const holderName = 'control.pid';

/**
 * Makes the folder (mode 0700) and locks it for this process. Throws `unavailable` with the reason when the folder
 * cannot be used.
 *
 * The kernel holds the lock for this process (SQLite's lock, by fcntl). So the lock ends with the process however it
 * ends, a copied folder has none, and a process in another container on the same volume meets it. The lock also ends
 * when this process closes any other descriptor of the lock file (POSIX): no other code may open that file.
 */
export function takeDataFolder({ path, readableByGuests }: DataFolderOptions): DataFolder {
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    try {
      checkPlace(path, readableByGuests);
    } catch (error) {
      if (made !== undefined) rmSync(made, { recursive: true });
      throw error;
    }
    const lock = takeLock(join(path, lockName), path);
    writeFileSync(join(path, holderName), `${process.pid}\n`, { mode: 0o600 });
    held.add(lock);
    return {
      path,
      release: () => {
        held.delete(lock);
        lock.close();
      },
    };
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('unavailable', `cannot write to the data folder ${path} (${codeOf(error)})`, {
      hints: ['choose a folder that this user may write to with TRISIEL_DATA'],
      cause: error,
    });
  }
}

function takeLock(file: string, folder: string): DatabaseSync {
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    // SQLITE_BUSY is 5, SQLITE_LOCKED 6 (sqlite.org/rescode.html).
    if (!(error instanceof Error && 'errcode' in error && (error.errcode === 5 || error.errcode === 6))) throw error;
    throw new PlatformError(
      'unavailable',
      `the data folder ${folder} is in use by another control${holderOf(folder)}`,
      {
        hints: ['stop that one, or choose another folder with TRISIEL_DATA'],
      },
    );
  }
}

/**
 * Throws `unavailable` for a folder that processes of guests may read: a guest that breaks out would find the keys in
 * it.
 */
function checkPlace(path: string, readable: readonly string[]): void {
  const real = `${realpathSync(path)}${sep}`;
  const around = readable.find((folder) => existsSync(folder) && real.startsWith(`${realpathSync(folder)}${sep}`));
  if (around === undefined) return;
  throw new PlatformError('unavailable', `the data folder ${path} lies in ${around}, which runners may read`, {
    hints: ['choose a folder outside of it with TRISIEL_DATA'],
  });
}

/**
 * Returns ` (process 4711)` with the holder's process id from the folder; '' when it cannot be read. A number from
 * another container means nothing here.
 */
function holderOf(folder: string): string {
  try {
    const pid = readFileSync(join(folder, holderName), 'utf8').trim();
    return /^\d{1,10}$/.test(pid) ? ` (process ${pid})` : '';
  } catch {
    return '';
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/**
 * Reads the key by which control and its runners recognise each other on the functions' port. Creates the file (mode
 * 0600) at the first start, and replaces a damaged one; runners that outlived the last control are then not recognised.
 */
export function readProbeKey(file: string): string {
  const known = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const key = randomBytes(32).toString('hex');
  writeFileSync(file, key, { mode: 0o600 });
  return key;
}

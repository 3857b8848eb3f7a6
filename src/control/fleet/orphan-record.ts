/**
 * Lists in a file the runners of this data folder. A runner that outlives its control ends by itself when the next
 * control serves, but one that hangs cannot; the next control finds it in this file and ends it.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

interface Entry {
  readonly pid: number;
  /**
   * Start time of the process, in clock ticks since boot: a process with the same id and another start time is a
   * different one.
   */
  readonly startTicks: number;
  /** Folder of the record, without symbolic links; absent: written by an earlier version. */
  readonly folder?: string;
}

export class OrphanRecord {
  readonly #file: string;
  readonly #folder: string;
  readonly #orphans: readonly Entry[];
  readonly #own = new Map<number, Entry>();
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
    this.#folder = realFolder(dirname(file));
    // In a copy of a data folder stand the runners of the original, which may serve.
    const isOwn = ({ folder = this.#folder }: Entry): boolean => folder === this.#folder;
    this.#orphans = read(file).filter((entry) => isOwn(entry) && isAlive(entry));
  }

  add(pid: number): void {
    const startTicks = startTicksOf(pid);
    if (startTicks === null) return;
    this.#own.set(pid, { pid, startTicks, folder: this.#folder });
    this.#write();
  }

  remove(pid: number): void {
    if (this.#own.delete(pid)) this.#write();
  }

  /** Returns the process ids of runners that an earlier control left and that have not ended. */
  orphans(): readonly number[] {
    return this.#orphans.filter(isAlive).map(({ pid }) => pid);
  }

  /** Kills those orphans among `pids` that have not ended. Returns their process ids. */
  end(pids: readonly number[]): readonly number[] {
    const ended: number[] = [];
    for (const entry of this.#orphans) {
      if (!pids.includes(entry.pid) || !isAlive(entry)) continue;
      try {
        process.kill(entry.pid, 'SIGKILL');
        ended.push(entry.pid);
      } catch {
        // The process has just ended, or belongs to another user.
      }
    }
    return ended;
  }

  /** Resolves when the file holds the current state. */
  get written(): Promise<void> {
    return this.#writing;
  }

  /** Writes the file, one write after another. A failed write costs only this safety net. */
  #write(): void {
    const text = JSON.stringify([...this.#orphans.filter(isAlive), ...this.#own.values()]);
    this.#writing = this.#writing
      .then(async () => {
        await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
        await rename(`${this.#file}.new`, this.#file);
      })
      .catch(() => {});
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function read(file: string): readonly Entry[] {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(value) ? value.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null || !('pid' in value) || !('startTicks' in value)) return false;
  // Process ids below 2 are init and process groups.
  if ('folder' in value && typeof value.folder !== 'string') return false;
  return Number.isInteger(value.pid) && Number(value.pid) > 1 && Number.isInteger(value.startTicks);
}

function isAlive({ pid, startTicks }: Entry): boolean {
  return startTicksOf(pid) === startTicks;
}

/**
 * Returns the start time of a process in ticks since boot (proc(5), /proc/PID/stat, field 22); null when there is no
 * such process or no such file system.
 */
function startTicksOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[19]);
    return Number.isInteger(ticks) && fields[0] !== 'Z' ? ticks : null;
  } catch {
    return null;
  }
}

/** Reads the resident memory of another process. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Returns the resident memory of process `pid` in bytes; 0 if there is no such process. */
export async function residentBytes(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    // proc(5), statm: the second field counts resident pages, of 4 KiB on nearly every machine that Node's builds run
    // on (except a few ARM ones).
    const statm = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '');
    return Number(statm.split(' ')[1] ?? 0) * 4096;
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, stdout) =>
      resolve(error === null ? Number(stdout.trim()) * 1024 : 0),
    );
  });
}

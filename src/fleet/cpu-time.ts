/** How much processor time another process has had; tells a runner that is stuck from one that is starved. */
import { readFileSync } from 'node:fs';

/** USER_HZ: what the kernel's interface counts in, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Milliseconds of user and system time so far (proc(5), /proc/PID/stat, fields 14 and 15); null where the system does not tell. */
export function cpuTimeMs(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? (ticks * 1000) / ticksPerSecond : null;
  } catch {
    return null;
  }
}

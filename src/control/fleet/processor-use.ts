/** What the system tells of another process: a runner that is stuck is not one that is starved. */
import { readFileSync } from 'node:fs';

/** USER_HZ: what the kernel's interface counts in, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface ProcessorUse {
  /** Milliseconds of user and system time so far. */
  readonly cpuMs: number;
  /** Whether its main thread wants the processor or the disk; false when it sleeps or has been stopped. */
  readonly wantsToRun: boolean;
}

/**
 * Reads what a process has had of the processor (proc(5), /proc/PID/stat, fields 3, 14 and 15); null where the system
 * does not tell.
 */
export function processorUse(pid: number): ProcessorUse | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (!Number.isFinite(ticks)) return null;
    return { cpuMs: (ticks * 1000) / ticksPerSecond, wantsToRun: fields[0] === 'R' || fields[0] === 'D' };
  } catch {
    return null;
  }
}

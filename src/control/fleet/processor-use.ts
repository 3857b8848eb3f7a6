/**
 * Reads the processor use of another process, which distinguishes a stuck runner from one that gets no processor time.
 */
import { readFileSync } from 'node:fs';

/** USER_HZ: unit of the kernel's interface, 100 per second on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface ProcessorUse {
  /** Milliseconds of user and system time since the start of the process. */
  readonly cpuMs: number;
  /** Whether its main thread wants the processor or the disk; false when it sleeps or has been stopped. */
  readonly wantsToRun: boolean;
}

/**
 * Reads the processor use of a process (proc(5), /proc/PID/stat, fields 3, 14 and 15); null when the system does not
 * tell it.
 */
export function processorUse(pid: number): ProcessorUse | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the program's name in parentheses, may hold any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (!Number.isFinite(ticks)) return null;
    return { cpuMs: (ticks * 1000) / ticksPerSecond, wantsToRun: fields[0] === 'R' || fields[0] === 'D' };
  } catch {
    return null;
  }
}

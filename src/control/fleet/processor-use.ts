/**
 * Reads the processor use of another process, which distinguishes a stuck runner from one that gets no processor time.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: unit of the kernel's interface, 100 per second on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface ProcessorUse {
  /** Milliseconds of user and system time since the start of the process. */
  readonly cpuMs: number;
  /**
   * Whether one of its threads wants the processor or the disk; false when all sleep or have been stopped. Not the main
   * thread alone: on a busy machine it sleeps until a compiler or collector thread, of lower priority, has had its
   * turn.
   */
  readonly wantsToRun: boolean;
}

/**
 * Reads the processor use of a process (proc(5), /proc/PID/stat, fields 3, 14 and 15, and field 3 of
 * /proc/PID/task/TID/stat); null when the system does not tell it.
 */
export function processorUse(pid: number): ProcessorUse | null {
  try {
    const fields = statFields(`/proc/${pid}/stat`);
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (!Number.isFinite(ticks)) return null;
    return { cpuMs: (ticks * 1000) / ticksPerSecond, wantsToRun: isWanting(fields) || hasWantingThread(pid) };
  } catch {
    return null;
  }
}

/** Returns the fields of a stat file from the third on. The second, a name in parentheses, may hold any character. */
function statFields(path: string): readonly string[] {
  const stat = readFileSync(path, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function isWanting([state]: readonly string[]): boolean {
  return state === 'R' || state === 'D';
}

function hasWantingThread(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((thread) => {
    try {
      return isWanting(statFields(`/proc/${pid}/task/${thread}/stat`));
    } catch {
      // The thread has ended since the folder was read.
      return false;
    }
  });
}

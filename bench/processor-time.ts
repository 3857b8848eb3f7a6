/** Processor time of processes, from proc(5): it says what something costs, however busy the machine is. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: unit of processor time in /proc. */
const ticksPerSecond = 100;

interface Spent {
  readonly parent: number;
  /** Milliseconds of the process and of its children that have ended. */
  readonly ms: number;
}

/** Returns the milliseconds of processor time that this process and all processes below it have used so far. */
export function processorMs(): number {
  const all = new Map<number, Spent>();
  for (const name of readdirSync('/proc')) {
    const spent = /^\d+$/.test(name) ? spentBy(name) : null;
    if (spent !== null) all.set(Number(name), spent);
  }
  const isOurs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = all.get(at)?.parent ?? 0) if (at === process.pid) return true;
    return false;
  };
  return [...all].reduce((sum, [pid, { ms }]) => sum + (isOurs(pid) ? ms : 0), 0);
}

/** Fields 4 and 14 to 17 of /proc/PID/stat; field 2, the program's name, may hold any character. */
function spentBy(pid: string): Spent | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(fields[1]), ms: (ticks * 1_000) / ticksPerSecond };
  } catch {
    return null; // The process has ended meanwhile.
  }
}

import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Steps of niceness (setpriority(2)) by which a process is lowered: beside others it gets a tenth of a core. */
const steps = 10;

/**
 * Lowers the priority of process `pid` and of its descendants; those that they start later inherit it. A system without
 * proc(5), a process that has ended and a missing right change nothing.
 */
export function lowerProcesses(pid: number): void {
  try {
    // First, so that those that it starts from now on inherit it.
    setPriority(pid, Math.min(getPriority(pid) + steps, 19));
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
    for (const child of children.split(' ').filter(Boolean)) lowerProcesses(Number(child));
  } catch {
    // It goes on at its priority.
  }
}
